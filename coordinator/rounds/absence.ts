/** Whom a run waits for: banks that are connected, and for a while those that have just left. */
import type { Run } from '#shared/ledger/federation-state.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

/** Since when a bank has been away, or undefined while it is connected. */
export type AwaySince = (participant: ParticipantId) => number | undefined;

/**
 * Until when a bank is expected: for ever while it is connected, for the plan's `absenceMs` after it left, and
 * no longer (undefined) after that.
 */
export function expectedUntil(
  run: Run,
  id: ParticipantId,
  now: number,
  awaySince: AwaySince,
): number | undefined {
  const away = awaySince(id);
  if (away === undefined) return Infinity;
  const until = away + run.plan.deadlines.absenceMs;
  return now < until ? until : undefined;
}

/**
 * How many of these banks are still expected, and when to look again.
 * @param deadline until then at the latest
 */
export function stillExpected(
  run: Run,
  ids: readonly ParticipantId[],
  now: number,
  awaySince: AwaySince,
  deadline: number,
): { pending: number; until: number } {
  const expected = ids
    .map((id) => expectedUntil(run, id, now, awaySince))
    .filter((until) => until !== undefined);
  return { pending: expected.length, until: Math.min(deadline, ...expected) };
}
