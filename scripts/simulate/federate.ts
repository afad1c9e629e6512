/** A federation over a split file: real processes on this machine, from the banks' files to the verified ledger. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunView } from '#coordinator/http/run-view.ts';
import type { AuditReport } from '#models/audit/verify-bundle.ts';
import { auditBundle, exportBundle } from '#scripts/audit/bundle-file.ts';
import { EXIT, say } from '#scripts/commands/output.ts';
import { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import { watchRun } from '#scripts/operator/watch-run.ts';
import { tableCsv } from '#scripts/simulate/partition.ts';
import type { SimulatedBank, SplitFile } from '#scripts/simulate/split-file.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { SESSION_BANKS_MIN } from '#shared/secure-sum/thresholds.ts';

export interface FederatedResult {
  readonly view: RunView;
  readonly artefact: Uint8Array;
  readonly audit: AuditReport;
  readonly trainingSeconds: number;
}

/**
 * Runs the plan over the banks in a folder of its own, and leaves nothing behind.
 * @returns also what each bank has sent, bytes, by its own list
 * @throws FederationError STOPPED when it was interrupted, USAGE for too few banks, COHORT when the run fails
 */
export async function federate(
  { contract, banks }: SplitFile,
  plan: ProposedPlan,
  quiet: boolean,
): Promise<{ result: FederatedResult; sent: number[] }> {
  if (plan.aggregation === 'masked' && banks.length < SESSION_BANKS_MIN) {
    throw new FederationError(
      'USAGE',
      `masked sums are for ${SESSION_BANKS_MIN} banks or more: with ${banks.length}, each would learn the other's part. Use more banks, or --plain`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-simulate-'));
  const consortium = new LocalConsortium(folder);
  const signals = stopOnSignal(consortium);
  try {
    await writeBanks(folder, contract, banks);
    await startConsortium(consortium, banks, Math.min(3, banks.length));
    const result = await trainFederated(consortium, contract, plan, quiet);
    await consortium.stop();
    return { result, sent: await Promise.all(banks.map(({ id }) => consortium.bytesSent(id))) };
  } catch (cause) {
    if (signals.interrupted()) throw new FederationError('STOPPED', 'interrupted', { cause });
    throw cause;
  } finally {
    await consortium.stop();
    signals.release();
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeBanks(
  folder: string,
  contract: DataContract,
  banks: readonly SimulatedBank[],
): Promise<void> {
  await mkdir(join(folder, 'data'), { recursive: true });
  for (const { id, table } of banks) await writeFile(dataFile(folder, id), tableCsv(table, contract.target));
}

function dataFile(folder: string, id: string): string {
  return join(folder, 'data', `${id}.csv`);
}

/** Kills nobody's work but ours: on Ctrl-C everything stops, and the command ends through its `finally`. */
export function stopOnSignal(consortium: LocalConsortium): { interrupted(): boolean; release(): void } {
  let stopped = false;
  const stop = (): void => {
    if (stopped) process.exit(EXIT.interrupted); // what we started ends with our end of its input
    stopped = true;
    say('\nStopping …');
    void consortium.stop();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, stop);
  return {
    interrupted: () => stopped,
    release: () => {
      for (const signal of signals) process.off(signal, stop);
    },
  };
}

export async function startConsortium(
  consortium: LocalConsortium,
  banks: readonly { readonly id: string }[],
  minimumCohort: number,
): Promise<void> {
  say('Starting the coordinator (it creates its database) …');
  await consortium.startCoordinator('simulation');
  say(`Starting ${banks.length} agents …`);
  await Promise.all(
    banks.map(({ id }) => consortium.join({ id, dataFile: dataFile(consortium.folder, id) }, minimumCohort)),
  );
}

/**
 * Proposes the plan, watches it to the end, fetches the model and verifies the ledger offline.
 * @param disturb runs beside the training, until its signal aborts
 */
export async function trainFederated(
  consortium: LocalConsortium,
  contract: DataContract,
  plan: ProposedPlan,
  quiet: boolean,
  disturb: (until: AbortSignal) => Promise<void> = () => Promise.resolve(),
): Promise<FederatedResult> {
  const { client } = consortium;
  const started = performance.now();
  const proposed = await client.post<RunView>('/v1/runs', { contract, plan });
  const over = new AbortController();
  const disturbed = disturb(AbortSignal.any([over.signal, consortium.ended]));
  const run = await watchRun(client, proposed.run, { quiet, signal: consortium.ended });
  over.abort();
  await disturbed;
  consortium.ended.throwIfAborted();
  const trainingSeconds = (performance.now() - started) / 1000;
  if (run.phase.name !== 'finished' || run.phase.result.outcome !== 'completed') {
    const why = run.phase.name === 'finished' ? run.phase.result.reason : run.phase.name;
    throw new FederationError('COHORT', `the run did not complete: ${why}`);
  }
  say('Exporting the ledger and verifying it offline …');
  const bundle = join(consortium.folder, 'ledger.bundle');
  await exportBundle(client, bundle);
  return {
    view: await client.run(proposed.run),
    artefact: await client.body(run.phase.result.artefact!),
    audit: await auditBundle(bundle, consortium.charter),
    trainingSeconds,
  };
}
