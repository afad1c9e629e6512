/** The end of a run: the model is kept only if this bank's own recomputation arrives at the same bytes. */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import type { FinishedPosition } from '#participant-agent/training/run-computer.ts';
import type { Run } from '#shared/ledger/federation-state.ts';

/** Whether the run ended with a model that this bank has had a part in and has not kept. */
export async function lacksModel(run: Run, { config, state }: AgentContext): Promise<boolean> {
  if (run.phase.name !== 'finished' || !run.roster.includes(config.participant)) return false;
  const { outcome, artefact } = run.phase.result;
  return outcome === 'completed' && artefact !== undefined && !(await state.hasModel(artefact));
}

export async function keepModel(
  run: Run,
  position: FinishedPosition | undefined,
  context: AgentContext,
): Promise<void> {
  if (run.phase.name !== 'finished') return;
  const { outcome, reason, artefact } = run.phase.result;
  if (outcome !== 'completed') {
    context.log.warn({ run: run.id, outcome }, `run ${outcome}: ${reason}`);
    return;
  }
  const model = position?.model;
  if (model === undefined || model.root !== artefact) {
    context.log.error(
      { run: run.id, announced: artefact, computed: model?.root },
      'the announced model is not the one that follows from the sums: it is not kept. Tell the auditor',
    );
    return;
  }
  const path = await context.state.keepModel(model.root, model.artefact);
  context.log.info({ run: run.id, path }, `run completed: ${reason}`);
}
