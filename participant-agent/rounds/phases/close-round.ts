/** A sum: fetched by its root, then the agent's own program takes the same step as everybody's. */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import type { Position, RunComputer } from '#participant-agent/training/run-computer.ts';
import type { PastRound } from '#shared/ledger/federation-state.ts';

export async function takeSum(
  past: PastRound,
  computer: RunComputer,
  context: AgentContext,
): Promise<Position | undefined> {
  await context.state.forgetAnswer(past.open.hash);
  if (past.end.outcome === 'void') return undefined;
  const { sumRoot, survivors } = past.end.payload;
  const sum = await context.bodies.download(sumRoot, context.signal);
  return computer.next(sum, survivors.length, sumRoot);
}
