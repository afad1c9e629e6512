/** any phase → finished: with a model, stopped by the operator, or failed. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { FinishedModel } from '#models/run-machine.ts';
import type { Metrics } from '#models/program.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import type { ErrorCode } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';

export async function completeRun(
  run: Run,
  model: FinishedModel,
  metrics: Metrics,
  bodies: BodyStore,
  journal: Journal,
): Promise<void> {
  await bodies.put(model.root, model.artefact);
  await journal.record('run-finished', {
    run: run.id,
    parent: lastHash(run),
    outcome: 'completed',
    checkpoint: run.checkpoint!.hash,
    reason: model.reason,
    artefact: model.root,
    metrics,
  });
}

/** @param by the operator who stops it, if it is one */
export async function failRun(
  run: Run,
  code: ErrorCode,
  reason: string,
  journal: Journal,
  by?: string,
): Promise<void> {
  const outcome = code === 'STOPPED' ? 'stopped' : 'failed';
  // whatever the run has come to when this is recorded: an operator who stops it shall not have to be quick
  await journal.record('run-finished', () => ({
    run: run.id,
    parent: lastHash(run),
    outcome,
    code,
    reason: asSentence(reason),
    metrics: {},
    ...(by === undefined ? {} : { by }),
  }));
}
