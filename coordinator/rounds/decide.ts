/**
 * What a run needs next, as a pure function of the ledger, the clock and who is connected. Nothing is decided
 * from memory that a restart would lose.
 */
import type { OpenRound, Run } from '#shared/ledger/federation-state.ts';
import { grantedBy } from '#shared/ledger/run-rules.ts';
import type { ErrorCode } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

/** Since when a bank has been away, or undefined while it is connected. */
export type AwaySince = (participant: ParticipantId) => number | undefined;

export type Decision =
  /** Nothing to do before this time (ms) or the next event. */
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'start' }
  /** Ask the program's question, or finish when it has none. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'close' }
  | { readonly kind: 'void'; readonly code: ErrorCode; readonly reason: string }
  | { readonly kind: 'fail'; readonly code: ErrorCode; readonly reason: string }
  | { readonly kind: 'over' };

export function decide(run: Run, now: number, awaySince: AwaySince): Decision {
  switch (run.phase.name) {
    case 'proposed':
      return decideStart(run, now);
    case 'ready':
      return run.phase.attempt > run.plan.retries ? failAfterRetries(run) : { kind: 'ask' };
    case 'collecting':
      return decideRound(run, run.phase.open, now, awaySince);
    case 'finished':
      return { kind: 'over' };
  }
}

/** Starts when every bank has decided, or with those that granted when the time for consent is over. */
function decideStart(run: Run, now: number): Decision {
  const granted = grantedBy(run).length;
  const undecided = run.plan.participants.length - run.consents.size;
  const { minimum } = run.plan.cohort;
  const until = run.proposedAt + run.plan.deadlines.consentMs;
  if (granted + undecided < minimum) {
    return {
      kind: 'fail',
      code: 'COHORT',
      reason: `only ${granted + undecided} banks can still consent, the plan needs ${minimum}`,
    };
  }
  if (undecided > 0 && now < until) return { kind: 'wait', until };
  if (granted >= minimum) return { kind: 'start' };
  return {
    kind: 'fail',
    code: 'COHORT',
    reason: `${granted} banks consented in time, the plan needs ${minimum}`,
  };
}

/**
 * Closes when every bank that is there has answered: banks that refused, or have been away for longer than
 * the plan allows, are not waited for. At the deadline it closes with what there is, or is void.
 */
function decideRound(run: Run, open: OpenRound, now: number, awaySince: AwaySince): Decision {
  const { absenceMs } = run.plan.deadlines;
  const { minimum } = run.plan.cohort;
  const deadline = open.payload.deadlineAt;
  let until = deadline;
  let pending = 0;
  for (let index = 0; index < run.roster.length; index++) {
    if (open.inputs.has(index) || open.refusals.has(index)) continue;
    const away = awaySince(run.roster[index]!);
    if (away !== undefined && away + absenceMs <= now) continue;
    if (away !== undefined) until = Math.min(until, away + absenceMs);
    pending++;
  }
  const answered = open.inputs.size;
  const possible = answered + pending;
  if (answered >= minimum && (pending === 0 || now >= deadline)) return { kind: 'close' };
  if (now >= deadline) {
    return {
      kind: 'void',
      code: 'COHORT',
      reason: `${answered} banks answered in time, the plan needs ${minimum}`,
    };
  }
  // banks that are away may come back before the deadline; refusals are final
  if (run.roster.length - open.refusals.size < minimum) {
    return {
      kind: 'void',
      code: 'COHORT',
      reason: `${open.refusals.size} banks refused, ${minimum} answers are needed`,
    };
  }
  return { kind: 'wait', until: possible >= minimum ? until : deadline };
}

function failAfterRetries(run: Run): Decision {
  const tries = run.plan.retries + 1;
  const refusal = run.past.at(-1)?.open.refusals.values().next().value;
  const why = refusal === undefined ? 'too few banks answered' : `a bank refused: ${refusal.reason}`;
  return { kind: 'fail', code: 'COHORT', reason: `round void after ${tries} tries; ${why}`.slice(0, 500) };
}
