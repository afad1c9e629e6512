/** `tallystick ledger export` and `tallystick audit verify`: take the history home and check it there. */
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { OperatorClient, type OperatorOptions } from '#scripts/operator/operator-client.ts';
import { EXIT, paint, print, printJson, say, table } from '#scripts/commands/output.ts';
import { verifyRuns, type RunVerdict } from '#models/verify-runs.ts';
import { parseEntry } from '#shared/ledger/entry.ts';
import { verifyHistory, type Finding } from '#shared/ledger/verify-history.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

/** A bundle is a folder: `checkpoint.note`, `entries.jsonl` (one canonical entry a line), `bodies/<root>`. */
const NOTE = 'checkpoint.note';
const ENTRIES = 'entries.jsonl';

export interface Exported {
  readonly folder: string;
  readonly entries: number;
  readonly bodies: number;
  /** Bodies the coordinator no longer has. */
  readonly missing: number;
}

/** Writes a bundle of everything up to the present checkpoint. */
export async function exportBundle(
  client: OperatorClient,
  out: string,
  withBodies: boolean,
): Promise<Exported> {
  const note = await client.text('/v1/ledger/checkpoint');
  const size = Number(note.split('\n')[1]);
  await mkdir(join(out, 'bodies'), { recursive: true });
  const roots = new Set<string>();
  const file = await open(join(out, ENTRIES), 'w');
  let entries = 0;
  try {
    for await (const { text } of client.entries()) {
      if (entries === size) break; // recorded after the checkpoint was signed
      await file.writeFile(`${text}\n`);
      for (const root of bodiesNamedBy(text)) roots.add(root);
      entries++;
    }
  } finally {
    await file.close();
  }
  await writeFile(join(out, NOTE), note);
  const missing = withBodies ? await exportBodies(client, roots, join(out, 'bodies')) : roots.size;
  return { folder: out, entries, bodies: roots.size - missing, missing };
}

export async function exportLedger(
  options: OperatorOptions & { out: string; bodies: boolean; json?: boolean },
): Promise<number> {
  const client = await OperatorClient.from(options);
  const exported = await exportBundle(client, options.out, options.bodies);
  if (options.json === true) {
    printJson(exported);
    return EXIT.ok;
  }
  print(
    `${exported.entries} entries and ${exported.bodies} bodies in ${options.out}${exported.missing > 0 ? `; ${exported.missing} bodies left out` : ''}`,
  );
  print(`Check it anywhere, offline: tallystick audit verify ${options.out} --charter HASH`);
  return EXIT.ok;
}

async function exportBodies(
  client: OperatorClient,
  roots: ReadonlySet<string>,
  folder: string,
): Promise<number> {
  let missing = 0;
  let done = 0;
  for (const root of roots) {
    const path = join(folder, root);
    if (!existsSync(path)) {
      try {
        await writeFile(path, await client.body(root));
      } catch (error) {
        if (!(error instanceof FederationError && error.code === 'NOT_FOUND')) throw error;
        missing++;
      }
    }
    if (++done % 50 === 0) say(`  ${done} of ${roots.size} bodies`);
  }
  return missing;
}

function bodiesNamedBy(text: string): string[] {
  const { message } = parseEntry(text).entry;
  switch (message.type) {
    case 'run-proposed':
      return [message.payload.plan.contract];
    case 'plain-input':
    case 'masked-input':
      return [message.payload.vectorRoot];
    case 'share-keys':
      return [message.payload.table];
    case 'close-round':
      return [message.payload.sumRoot];
    case 'run-finished':
      return message.payload.artefact === undefined ? [] : [message.payload.artefact];
    default:
      return [];
  }
}

export interface AuditReport {
  readonly passed: boolean;
  /** False when something could not be checked for want of a body. */
  readonly complete: boolean;
  readonly charter: string;
  readonly entries: number;
  readonly root: string;
  readonly findings: readonly Finding[];
  readonly runs: readonly RunVerdict[];
}

/** Checks a bundle without any network. @throws FederationError NOT_FOUND when it is not a bundle */
export async function auditBundle(folder: string, charter: string): Promise<AuditReport> {
  if (!existsSync(join(folder, NOTE)) || !existsSync(join(folder, ENTRIES))) {
    throw new FederationError(
      'NOT_FOUND',
      `${folder} is not a bundle: expected ${NOTE} and ${ENTRIES} in it; make one with "tallystick ledger export"`,
    );
  }
  const note = await readFile(join(folder, NOTE), 'utf8');
  // nothing may be awaited between making the reader and reading: it would drop lines meanwhile
  const lines = createInterface({
    input: createReadStream(join(folder, ENTRIES), 'utf8'),
    crlfDelay: Infinity,
  });
  const history = await verifyHistory(lines, note, charter);
  const runs =
    history.findings.length > 0 ? [] : await verifyRuns(history.state, (root) => bodyIn(folder, root));
  const findings = [...history.findings, ...runs.flatMap((run) => run.findings)];
  return {
    passed: findings.length === 0,
    complete: runs.every((run) => run.notChecked.length === 0),
    charter,
    entries: history.size,
    root: history.root,
    findings: history.findings,
    runs,
  };
}

function bodyIn(folder: string, root: string): AsyncIterable<Uint8Array> | undefined {
  const path = join(folder, 'bodies', root);
  return existsSync(path) ? createReadStream(path, { highWaterMark: LIMITS.chunkBytes }) : undefined;
}

/** Exit code 0 passed, 1 failed, 2 incomplete. */
export async function verifyBundle(
  folder: string,
  options: { charter: string; json?: boolean },
): Promise<number> {
  if (!hash.safeParse(options.charter).success) {
    throw new FederationError(
      'USAGE',
      'expected --charter with 64 hex digits: the hash from your invitation or from the consortium agreement',
    );
  }
  const report = await auditBundle(folder, options.charter);
  if (options.json === true) printJson(report);
  else printReport(report);
  return exitCodeOf(report);
}

export function exitCodeOf(report: AuditReport): number {
  if (!report.passed) return EXIT.failed;
  return report.complete ? EXIT.ok : EXIT.incomplete;
}

export function printReport(report: AuditReport): void {
  const verdict = !report.passed
    ? paint('red', '✗ FAILED')
    : report.complete
      ? paint('green', '✓ verified')
      : paint('yellow', '○ incomplete');
  print(`${verdict}  ${report.entries} entries, root ${report.root}`);
  if (report.runs.length > 0) {
    print('');
    print(
      table(
        ['run', 'name', 'rounds', 'sums recomputed', 'verdict'],
        report.runs.map((run) => [
          run.run.slice(0, 12),
          run.name,
          String(run.roundsClosed),
          String(run.sumsRecomputed),
          run.findings.length > 0 ? 'failed' : run.notChecked.length > 0 ? 'incomplete' : 'exact',
        ]),
        [2, 3],
      ),
    );
  }
  for (const { code, seq, message } of [...report.findings, ...report.runs.flatMap((run) => run.findings)]) {
    print(`${paint('red', code)}${seq === undefined ? '' : ` entry ${seq}`}: ${message}`);
  }
  for (const sentence of report.runs.flatMap((run) => run.notChecked)) print(`NOT_CHECKED: ${sentence}`);
}
