/** `tallystick audit …`: take the history home and check it there. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { auditBundle, exportBundle } from '#scripts/audit/bundle-file.ts';
import { reportRun } from '#scripts/audit/history-report.ts';
import { readHistory } from '#scripts/audit/read-history.ts';
import { OperatorClient, type OperatorOptions } from '#scripts/operator/operator-client.ts';
import { EXIT, paint, print, printJson, say, table } from '#scripts/commands/output.ts';
import type { AuditReport } from '#models/audit/verify-bundle.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

export async function exportLedger(
  options: OperatorOptions & { out: string; run?: string; bodies: boolean; json?: boolean },
): Promise<number> {
  // evidence: a bundle of before may be the only one that shows what has changed since
  if (existsSync(options.out))
    throw new FederationError(
      'USAGE',
      `${options.out} exists already, and a bundle is never overwritten; choose another --out`,
    );
  const client = await OperatorClient.from(options);
  const run = options.run === undefined ? undefined : await client.resolveRun(options.run);
  const exported = await exportBundle(client, options.out, { run, bodies: options.bodies });
  if (options.json === true) {
    printJson(exported);
    return EXIT.ok;
  }
  const left = exported.missing > 0 ? `; ${exported.missing} bodies left out` : '';
  const others = exported.hidden > 0 ? ` (${exported.hidden} of other runs as hashes only)` : '';
  print(`${exported.entries} entries${others} and ${exported.bodies} bodies in ${exported.file}${left}`);
  print(`Check it anywhere, offline: tallystick audit verify ${exported.file} --charter HASH`);
  print('HASH is in the consortium agreement, and in every agent.yaml: take it from a bank, not from here.');
  return EXIT.ok;
}

export interface VerifyOptions {
  readonly charter: string;
  readonly against?: readonly string[];
  readonly bank?: readonly string[];
  readonly sample?: number;
  readonly bodies: boolean;
  readonly json?: boolean;
}

/** Exit code 0 passed, 1 failed, 2 incomplete. */
export async function verifyBundle(file: string, options: VerifyOptions): Promise<number> {
  if (!hash.safeParse(options.charter).success) {
    throw new FederationError(
      'USAGE',
      'expected --charter with 64 hex digits: the hash from your invitation or from the consortium agreement',
    );
  }
  const { sample: rounds } = options;
  const against = await Promise.all((options.against ?? []).map((path) => readFile(path, 'utf8')));
  let said = performance.now();
  const report = await auditBundle(file, options.charter, {
    bodies: options.bodies,
    against,
    banks: fingerprintsIn(options.bank ?? []),
    sample: rounds === undefined ? undefined : { rounds, seed: randomBytes(16).toString('hex') },
    onProgress(fraction) {
      if (performance.now() - said < 2000 || options.json === true) return;
      said = performance.now();
      say(`  ${Math.round(fraction * 100)} % of the rounds recomputed`);
    },
  });
  if (options.json === true) printJson(report);
  else {
    printReport(report);
    if (report.passed) printExtent(report, options);
  }
  return exitCodeOf(report);
}

/** @throws FederationError USAGE */
function fingerprintsIn(texts: readonly string[]): Map<string, string> {
  return new Map(
    texts.map((text) => {
      const [, id, fingerprint] = /^([a-z0-9-]+)=((?:[0-9a-f]{4}-){7}[0-9a-f]{4})$/i.exec(text) ?? [];
      if (id === undefined || fingerprint === undefined)
        throw new FederationError(
          'USAGE',
          `expected --bank ID=FINGERPRINT, as the bank itself reads it out, got "${text}"`,
        );
      return [id, fingerprint];
    }),
  );
}

/** Everything was checked, and everything is right. */
export function isVerified({ passed, complete }: AuditReport): boolean {
  return passed && complete;
}

export function exitCodeOf(report: AuditReport): number {
  if (isUnreadable(report)) return EXIT.incomplete;
  if (isVerified(report)) return EXIT.ok;
  return report.passed ? EXIT.incomplete : EXIT.failed;
}

/** No bundle, or one that is cut short: that says nothing about the ledger it is of. */
function isUnreadable({ entries, consortium, findings }: AuditReport): boolean {
  return entries === 0 && consortium === undefined && findings.every(({ code }) => code === 'BUNDLE');
}

export function printReport(report: AuditReport): void {
  if (isUnreadable(report)) {
    const why = report.findings.map(({ message }) => inert(message)).join('; ');
    print(
      `${paint('yellow', '○ not read')}  this is no whole bundle: ${why}. It may be another file, or cut short on its way: have it sent again. Nothing is said about the ledger.`,
    );
    return;
  }
  const unverified = report.passed ? paint('yellow', '○ incomplete') : paint('red', '✗ FAILED');
  const verdict = isVerified(report) ? paint('green', '✓ verified') : unverified;
  print(
    `${verdict}  ${inert(report.consortium ?? 'not a ledger')}: ${report.entries} entries, root ${report.root}`,
  );
  if (report.extendsHeads > 0) print(`It extends ${report.extendsHeads} heads you hold.`);
  if (report.runs.length > 0) {
    print('');
    print(
      table(
        ['run', 'name', 'outcome', 'rounds', 'sums recomputed', 'cosigned by', 'verdict'],
        report.runs.map((run) => [
          run.run.slice(0, 12),
          run.name,
          run.outcome,
          String(run.roundsClosed),
          String(run.sumsRecomputed),
          run.cosigned === undefined ? '' : `${run.cosigned.by.length} of ${run.cosigned.of} banks`,
          verdictOf(run),
        ]),
        [3, 4],
      ),
    );
  }
  for (const { id, status, fingerprint } of report.members) print(`  ${id}: ${status}  ${fingerprint}`);
  if (report.members.length > 0)
    print(
      "Whose keys these are is the operator's word: compare with the banks, or give --bank ID=FINGERPRINT.",
    );
  for (const { code, seq, message } of [...report.findings, ...report.runs.flatMap((run) => run.findings)]) {
    print(`${paint('red', code)}${seq === undefined ? '' : ` entry ${seq}`}: ${inert(message)}`);
  }
  for (const sentence of [...report.notChecked, ...report.runs.flatMap((run) => run.notChecked)])
    print(`NOT_CHECKED: ${inert(sentence)}`);
}

function verdictOf({ findings, notChecked, sumsRecomputed }: AuditReport['runs'][number]): string {
  if (findings.length > 0) return 'failed';
  if (notChecked.length > 0) return 'incomplete';
  return sumsRecomputed === 0 ? 'no sum to check' : 'recomputed alike';
}

/** What a verdict stands for, and what nobody can read from a bundle. */
function printExtent(report: AuditReport, { against = [], sample, bodies }: VerifyOptions): void {
  const sums = report.runs.reduce((sum, run) => sum + run.sumsRecomputed, 0);
  const models = report.runs.filter(({ outcome }) => outcome === 'completed').length;
  const checked = [
    `${report.entries} entries: each signed by whom it names, allowed where it stands, and under the head that the key of this charter's ledger signed`,
    ...(bodies
      ? [
          `${sums} sums recomputed from the vectors that banks signed${sample === undefined ? '' : ` (${sample} rounds, drawn at random)`}`,
          `every question, and the ${models === 1 ? 'model' : `${models} models`}, recomputed from the sums; each model cosigned by a quorum of its banks`,
        ]
      : []),
    ...(against.length > 0
      ? [`${report.extendsHeads} heads from elsewhere are earlier states of this ledger`]
      : []),
  ];
  const unproven = [
    "that the banks' rows are true, or what they say they are",
    'who is behind a key: banks compare fingerprints, you may ask them for theirs',
    ...(against.length > 0
      ? []
      : [
          'that everybody was shown this ledger: compare with heads that banks hold (--against state/witness.note)',
        ]),
    'that nothing was recorded since the head of this bundle',
  ];
  print(`\nChecked:\n${checked.map((line) => `  ✓ ${line}`).join('\n')}`);
  print(`Not proven by any bundle:\n${unproven.map((line) => `  – ${line}`).join('\n')}`);
}

/** Exit code 0: this is a model of the ledger, 1: it is none of it. */
export async function auditModel(
  file: string,
  options: { bundle: string; charter?: string; json?: boolean },
): Promise<number> {
  const root = vectorRoot(await readFile(file));
  const { history } = await readHistory(options.bundle, options.charter);
  const runs = [...history.state.runs.values()].map(reportRun).filter(({ model }) => model === root);
  if (options.json === true) {
    printJson({ model: root, charter: history.state.charter!.hash, runs });
    return runs.length > 0 ? EXIT.ok : EXIT.failed;
  }
  for (const { run, name, program, cosigned } of runs)
    print(
      `${paint('green', '✓')} ${inert(file)} is, byte for byte, the model of run "${inert(name)}" (${run.slice(0, 12)}, ${inert(program)}), cosigned by ${cosigned.join(', ')}`,
    );
  if (runs.length === 0)
    print(
      `${paint('red', '✗')} ${inert(file)} is the model of no run in this bundle. The ledger names models by ${root}, which is not what sha256sum gives.`,
    );
  else print('That it follows from the sums is what "tallystick audit verify" says of this bundle.');
  if (options.charter === undefined)
    print(
      `Charter ${history.state.charter!.hash}: compare it with the one in your agreement, or give --charter`,
    );
  return runs.length > 0 ? EXIT.ok : EXIT.failed;
}
