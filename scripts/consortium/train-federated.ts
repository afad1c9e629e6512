/** One run in a consortium on this machine: from its first process to the ledger, verified offline. */
import { join } from 'node:path';
import type { RunView } from '#coordinator/http/run-view.ts';
import type { AuditReport } from '#models/audit/verify-bundle.ts';
import { auditBundle, exportBundle } from '#scripts/audit/bundle-file.ts';
import { NegativeOutcome, say } from '#scripts/commands/output.ts';
import type { LocalBank, LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import { watchRun } from '#scripts/operator/watch-run.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { ERROR_CODES, type ErrorCode } from '#shared/protocol/error-codes.ts';

export interface FederatedResult {
  readonly view: RunView;
  readonly artefact: Uint8Array;
  readonly audit: AuditReport;
  readonly trainingSeconds: number;
}

export async function startConsortium(
  consortium: LocalConsortium,
  banks: readonly LocalBank[],
  minimumCohort: number,
): Promise<void> {
  say('Starting the coordinator (it creates its database) …');
  await consortium.startCoordinator('simulation');
  say(`Starting ${banks.length} agents …`);
  await Promise.all(banks.map((bank) => consortium.join(bank, minimumCohort)));
}

/**
 * Proposes the plan, watches it to the end, fetches the model and verifies the ledger offline.
 * @throws NegativeOutcome with the code that the run ended with, when it did not complete
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
    const { code, reason } = run.phase.name === 'finished' ? run.phase.result : { reason: run.phase.name };
    throw new NegativeOutcome(isErrorCode(code) ? code : 'INTERNAL', `the run did not complete: ${reason}`);
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

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERROR_CODES, code);
}
