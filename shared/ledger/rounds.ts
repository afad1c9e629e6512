/** Rounds as the ledger has them: which one a message names, who is asked, whose vectors are in the sum. */
import { messageHash } from '#shared/crypto/signed-message.ts';
import {
  runOf,
  type FederationState,
  type OpenRound,
  type PastRound,
  type Run,
} from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

/**
 * The open round that `ctx` names.
 * @throws FederationError STALE | LATE
 */
export function openRoundOf(state: FederationState, ctx: string): { run: Run; open: OpenRound } {
  const id = state.roundRuns.get(ctx);
  if (id === undefined) throw new FederationError('STALE', `no round ${ctx} in this ledger`);
  const run = runOf(state, id);
  if (run.phase.name !== 'collecting' || run.phase.open.hash !== ctx) {
    throw new FederationError('LATE', `round ${ctx} is over`);
  }
  return { run, open: run.phase.open };
}

/** The round that `ctx` names, open or past. @throws FederationError STALE | LATE (cut short by the run's end) */
export function roundOf(
  state: FederationState,
  ctx: string,
): { run: Run; open: OpenRound; past?: PastRound } {
  const id = state.roundRuns.get(ctx);
  if (id === undefined) throw new FederationError('STALE', `no round ${ctx} in this ledger`);
  const run = runOf(state, id);
  if (run.phase.name === 'collecting' && run.phase.open.hash === ctx) return { run, open: run.phase.open };
  const past = run.past.findLast(({ open }) => open.hash === ctx);
  if (past === undefined) throw new FederationError('LATE', `round ${ctx} is over`);
  return { run, open: past.open, past };
}

/** Indices of the banks that are asked: in masked rounds, those whose keys count. */
export function answerersOf({ roster, masked }: OpenRound): readonly number[] {
  return masked?.session.sealed?.dealers ?? roster.map((_, index) => index);
}

/** The index of a bank that is asked. @throws FederationError WRONG_SENDER */
export function answererIndex(open: OpenRound, id: ParticipantId): number {
  const index = rosterIndex(open, id);
  if (open.masked !== undefined && !answerersOf(open).includes(index))
    throw new FederationError('WRONG_SENDER', `"${id}" dealt no keys in session ${open.masked.session.hash}`);
  return index;
}

/** @throws FederationError WRONG_SENDER */
export function rosterIndex(open: OpenRound, id: ParticipantId): number {
  const index = open.roster.indexOf(id);
  if (index < 0)
    throw new FederationError('WRONG_SENDER', `"${id}" is not on the roster of round ${open.hash}`);
  return index;
}

/** Roster indices with an accepted update, ascending. */
export function survivorsOf(open: OpenRound): number[] {
  return [...open.inputs.keys()].sort((a, b) => a - b);
}

/** Commits to who is in the sum and with which vector. */
export function survivorsHash(open: OpenRound): string {
  const vectors = survivorsOf(open).map((index) => [index, open.inputs.get(index)!.vectorRoot]);
  return messageHash('survivors', { ctx: open.hash, vectors });
}

/** Fewest vectors a round's sum may have. */
export function fewestInputs(run: Run, open: OpenRound): number {
  return Math.max(run.plan.cohort.minimum, open.masked?.session.payload.thresholds.minimum ?? 0);
}
