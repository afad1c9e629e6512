/** `tallystick audit …`: take the history home and check it there. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { auditBundle, exportBundle } from '#scripts/audit/bundle-file.ts';
import { OperatorClient, type OperatorOptions } from '#scripts/operator/operator-client.ts';
import { EXIT, paint, print, printJson, say, table } from '#scripts/commands/output.ts';
import type { AuditReport } from '#models/audit/verify-bundle.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';

export async function exportLedger(
  options: OperatorOptions & { out: string; run?: string; bodies: boolean; json?: boolean },
): Promise<number> {
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
  else printReport(report);
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
  if (isVerified(report)) return EXIT.ok;
  return report.passed ? EXIT.incomplete : EXIT.failed;
}

export function printReport(report: AuditReport): void {
  const unverified = report.passed ? paint('yellow', '○ incomplete') : paint('red', '✗ FAILED');
  const verdict = isVerified(report) ? paint('green', '✓ verified') : unverified;
  print(`${verdict}  ${report.consortium ?? 'not a ledger'}: ${report.entries} entries, root ${report.root}`);
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
          run.findings.length > 0 ? 'failed' : run.notChecked.length > 0 ? 'incomplete' : 'exact',
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
    print(`${paint('red', code)}${seq === undefined ? '' : ` entry ${seq}`}: ${message}`);
  }
  for (const sentence of [...report.notChecked, ...report.runs.flatMap((run) => run.notChecked)])
    print(`NOT_CHECKED: ${sentence}`);
}
