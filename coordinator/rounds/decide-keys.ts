/**
 * Between the rounds of a masked run: votes before a question is asked again, and keys for the next round. A
 * session lasts until its slots are used up, or its dealers are no longer exactly the banks that are there.
 */
import { expectedUntil, stillExpected, type AwaySince } from '#coordinator/rounds/absence.ts';
import type { Decision } from '#coordinator/rounds/decide.ts';
import type { Run, RunPhase, Session } from '#shared/ledger/federation-state.ts';
import { dealersNeeded } from '#shared/ledger/session-rules.ts';
import type { ErrorCode } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { difference, mayBothBeKnown } from '#shared/guard/subtraction.ts';
import { SESSION_BANKS_MIN } from '#shared/secure-sum/thresholds.ts';

/** Banks that twice let the dealing of keys lapse are not waited for a third time. */
const STALLS_MAX = 2;
/** After these nobody can say what an honest bank would send next: a person has to look. */
const FINAL = ['CANARY', 'RANGE', 'DEALER_MASK', 'DEALER_SELF'] as const satisfies readonly ErrorCode[];

export function decideKeys(
  run: Run,
  phase: RunPhase & { name: 'ready' },
  now: number,
  awaySince: AwaySince,
  company: readonly ParticipantId[] | undefined,
): Decision {
  const { session } = run;
  const until = phase.since + run.plan.deadlines.roundMs;
  const before = run.past.at(-1);
  if (before?.end.outcome === 'void') {
    const { code: why, reason } = before.end.payload;
    const code = FINAL.find((final) => final === why);
    if (code !== undefined) return { kind: 'fail', code, reason };
    const { aborts, session: old } = before.open.masked!;
    const { quorum } = old.payload.thresholds;
    if (aborts.size < quorum) {
      return now < until
        ? { kind: 'wait', until }
        : {
            kind: 'fail',
            code: 'VOTES',
            reason:
              `round ${phase.round} is void (${reason}); ${aborts.size} banks voted to ask again, ${quorum} votes are needed`.slice(
                0,
                500,
              ),
          };
    }
  }
  if (session !== undefined && !session.isVoid && session.complaints.length > 0) return { kind: 'settle' };
  if (session !== undefined && !session.isVoid && session.sealed === undefined) {
    return decideDealing(run, session, now, awaySince);
  }
  const there = presentBanks(run, now, awaySince);
  const { until: backBy } = there;
  // whoever was not in the first sum would be seen in the difference to it
  const isIn = (id: ParticipantId): boolean => company?.includes(id) ?? true;
  const [present, returning] = [there.present.filter(isIn), there.returning.filter(isIn)];
  if (session !== undefined && isUsable(session, present, returning)) return { kind: 'ask' };
  if (returning.length > 0) return { kind: 'wait', until: backBy };
  const needed = Math.max(SESSION_BANKS_MIN, run.plan.cohort.minimum);
  if (company !== undefined && !mayBothBeKnown(company, present, run.company)) {
    const missing = difference(company, present).join(', ');
    if (now < until) return { kind: 'wait', until };
    return {
      kind: 'fail',
      code: 'SUBTRACTION',
      reason: `${missing} did not come back, and a sum without them would show what is theirs: start another run without them when the others have new rows`,
    };
  }
  if (present.length >= needed) return { kind: 'deal', participants: present };
  return now < until
    ? { kind: 'wait', until }
    : {
        kind: 'fail',
        code: 'COHORT',
        reason: `${present.length} banks are there to deal keys, ${needed} are needed`,
      };
}

/** Everybody advertises, then everybody deals; banks that do neither in time are left out. */
function decideDealing(run: Run, session: Session, now: number, awaySince: AwaySince): Decision {
  const { participants, deadlineAt } = session.payload;
  const advertising = session.rosterHash === undefined;
  const done = advertising ? session.advertised : session.dealt;
  const missing = participants.filter((_, index) => !done.has(index));
  const { pending, until } = stillExpected(run, missing, now, awaySince, deadlineAt);
  if (pending > 0 && now < deadlineAt) return { kind: 'wait', until };
  if (!advertising && session.dealt.size >= Math.max(dealersNeeded(session), run.plan.cohort.minimum)) {
    return { kind: 'seal' };
  }
  return {
    kind: 'void-session',
    code: 'COHORT',
    reason: `${done.size} of ${participants.length} banks ${advertising ? 'advertised keys' : 'dealt shares'} in time`,
  };
}

/** The banks that could deal keys now, and those that were there a moment ago and may be back before `until`. */
function presentBanks(
  run: Run,
  now: number,
  awaySince: AwaySince,
): { present: ParticipantId[]; returning: ParticipantId[]; until: number } {
  const present: ParticipantId[] = [];
  const returning: ParticipantId[] = [];
  let until = Infinity;
  for (const id of run.roster) {
    if (run.culprits.has(id) || run.withdrawn.has(id) || (run.stalls.get(id) ?? 0) >= STALLS_MAX) continue;
    const expected = expectedUntil(run, id, now, awaySince);
    if (expected === Infinity) present.push(id);
    else if (expected !== undefined) {
      returning.push(id);
      until = Math.min(until, expected);
    }
  }
  return { present, returning, until };
}

/** Its dealers are exactly the banks that are there, or were a moment ago. */
function isUsable(
  session: Session,
  present: readonly ParticipantId[],
  returning: readonly ParticipantId[],
): boolean {
  const { sealed, isVoid, nextSlot, payload } = session;
  if (sealed === undefined || isVoid || nextSlot >= payload.slots) return false;
  const dealers = sealed.dealers.map((index) => payload.participants[index]!);
  return (
    present.every((id) => dealers.includes(id)) &&
    dealers.every((id) => present.includes(id) || returning.includes(id))
  );
}
