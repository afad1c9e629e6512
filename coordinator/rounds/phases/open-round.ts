/** ready → collecting: the program's question goes to every bank on the roster. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { RunMachine } from '#models/run-machine.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { usableSession } from '#shared/ledger/session-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export async function openRound(run: Run, machine: RunMachine, journal: Journal): Promise<void> {
  const { phase } = run;
  const { asked } = machine;
  if (phase.name !== 'ready' || asked === undefined) {
    throw new FederationError('STATE', `run ${run.id} is ${phase.name}, not ready for a question`);
  }
  await journal.record('open-round', {
    run: run.id,
    parent: phase.parent,
    round: phase.round,
    attempt: phase.attempt,
    question: {
      kind: asked.question.kind,
      hash: asked.hash,
      ring: asked.question.ring,
      length: asked.length,
    },
    metrics: machine.metrics,
    deadlineAt: journal.now() + run.plan.deadlines.roundMs,
    head: journal.head(),
    ...(run.plan.aggregation === 'masked' ? { keys: nextKeys(run) } : {}),
  });
}

function nextKeys(run: Run): { session: string; slot: number } {
  const session = usableSession(run);
  return { session: session.sealed!.hash, slot: session.nextSlot };
}
