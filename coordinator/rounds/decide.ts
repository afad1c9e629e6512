/**
 * What a run needs next, as a pure function of the ledger, the clock and who is connected. Nothing is decided
 * from memory that a restart would lose.
 */
import { stillExpected, type AwaySince } from '#coordinator/rounds/absence.ts';
import { decideKeys } from '#coordinator/rounds/decide-keys.ts';
import { companyFor } from '#coordinator/rounds/one-company.ts';
import { difference, mayBothBeKnown } from '#shared/guard/subtraction.ts';
import { fewestToStart } from '#shared/ledger/company.ts';
import { isFinal, witnessQuorum } from '#shared/ledger/finality.ts';
import type { OpenRound, Run } from '#shared/ledger/federation-state.ts';
import { answerersOf, fewestInputs } from '#shared/ledger/rounds.ts';
import { grantedBy } from '#shared/ledger/run-rules.ts';
import type { ErrorCode } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

export type Decision =
  /** Nothing to do before this time (ms) or the next event. */
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'start' }
  /** Deal keys for masked rounds among these banks. */
  | { readonly kind: 'deal'; readonly participants: readonly ParticipantId[] }
  | { readonly kind: 'seal' }
  /** Name the dealers that were complained about, and give the session up. */
  | { readonly kind: 'settle' }
  | { readonly kind: 'void-session'; readonly code: ErrorCode; readonly reason: string }
  /** Ask the program's question. */
  | { readonly kind: 'ask' }
  /** The program is done: have the banks cosign the ledger. */
  | { readonly kind: 'offer' }
  /** … they have: the model is final. */
  | { readonly kind: 'complete' }
  /** Masked: no more vectors, these are the survivors. */
  | { readonly kind: 'fix' }
  | { readonly kind: 'close' }
  | { readonly kind: 'void'; readonly code: ErrorCode; readonly reason: string }
  | { readonly kind: 'fail'; readonly code: ErrorCode; readonly reason: string }
  | { readonly kind: 'over' };

/** What the program asks next: a kind of question; `done` when there is none; undefined before it has begun. */
export type Next = { readonly kind: string } | 'done' | undefined;

export function decide(run: Run, now: number, awaySince: AwaySince, next: Next): Decision {
  const lost = decideLoss(run);
  if (lost !== undefined) return lost;
  switch (run.phase.name) {
    case 'proposed':
      return decideStart(run, now);
    case 'ready':
      if (run.phase.attempt > run.plan.retries) return failAfterRetries(run);
      if (next === 'done') return decideEnd(run, run.phase.since, now);
      if (run.plan.aggregation === 'plain') return { kind: 'ask' };
      return decideKeys(run, run.phase, now, awaySince, companyFor(run, next?.kind));
    case 'collecting':
      return decideRound(run, run.phase.open, now, awaySince);
    case 'finished':
      return { kind: 'over' };
  }
}

/** A run that has started ends at once when too few banks are left to go on. */
function decideLoss({ phase, roster, plan, withdrawn }: Run): Decision | undefined {
  if (phase.name === 'proposed' || phase.name === 'finished') return undefined;
  const left = roster.filter((id) => !withdrawn.has(id)).length;
  if (left >= plan.cohort.minimum) return undefined;
  const why = [...withdrawn].map(([id, reason]) => (reason === undefined ? id : `${id}: ${reason}`));
  const reason = `${withdrawn.size} banks have withdrawn, ${plan.cohort.minimum} are needed (${why.join('; ')})`;
  return { kind: 'fail', code: 'COHORT', reason: asSentence(reason) };
}

/** Starts when every bank has decided, or with those that granted when the time for consent is over. */
function decideStart(run: Run, now: number): Decision {
  const granted = grantedBy(run).length;
  const undecided = run.plan.participants.length - run.consents.size;
  const minimum = fewestToStart(run);
  const until = run.proposedAt + run.plan.deadlines.consentMs;
  if (granted + undecided < minimum) {
    return {
      kind: 'fail',
      code: 'COHORT',
      reason: `only ${granted + undecided} banks can still consent, ${minimum} are needed`,
    };
  }
  if (undecided > 0 && now < until) return { kind: 'wait', until };
  if (granted >= minimum) return { kind: 'start' };
  return {
    kind: 'fail',
    code: 'COHORT',
    reason: `${granted} banks consented in time, ${minimum} are needed`,
  };
}

/** A model is released under a quorum of cosignatures; banks get as long for that as for their consent. */
function decideEnd(run: Run, since: number, now: number): Decision {
  if (run.checkpoint === undefined) return { kind: 'offer' };
  if (isFinal(run)) return { kind: 'complete' };
  const until = since + run.plan.deadlines.consentMs;
  if (now < until) return { kind: 'wait', until };
  const { size } = run.checkpoint.cosignatures;
  return {
    kind: 'fail',
    code: 'QUORUM',
    reason: `${size} banks cosigned the ledger in time, ${witnessQuorum(run.roster.length)} are needed to release the model`,
  };
}

/**
 * The sum is ready when every bank that is there has answered: banks that refused, or have been away for
 * longer than the plan allows, are not waited for. At the deadline it is made of what there is, or the round
 * is void.
 */
function decideRound(run: Run, open: OpenRound, now: number, awaySince: AwaySince): Decision {
  const { masked } = open;
  if (masked !== undefined) {
    const { session, fixed } = masked;
    // once shares may be out the round goes on: they are held against their commitments anyway
    if (session.complaints.length > 0 && fixed === undefined) {
      return { kind: 'void', code: 'SHARE_CT', reason: 'a bank cannot open the shares it was dealt' };
    }
    if (fixed !== undefined) return decideOpening(run, open, now);
  }
  const minimum = fewestInputs(run, open);
  const deadline = open.payload.deadlineAt;
  const asked = answerersOf(open);
  const gone = asked.filter((index) => isGone(run, open, index)).length;
  const ids = asked
    .filter((index) => !open.inputs.has(index) && !isGone(run, open, index))
    .map((index) => open.roster[index]!)
    .filter((id) => !hasMissed(run, id));
  const { pending, until } = stillExpected(run, ids, now, awaySince, deadline);
  const answered = open.inputs.size;
  const possible = answered + pending;
  if (answered >= minimum && (pending === 0 || now >= deadline)) {
    if (masked === undefined) return { kind: 'close' };
    const missing = missingFrom(run, open);
    if (missing === undefined) return { kind: 'fix' };
    if (now < deadline) return { kind: 'wait', until: deadline };
    return { kind: 'void', code: 'SUBTRACTION', reason: missing };
  }
  if (now >= deadline) {
    return {
      kind: 'void',
      code: 'COHORT',
      reason: `${answered} banks answered in time, ${minimum} are needed`,
    };
  }
  // banks that are away may come back before the deadline; what a bank has said is final
  if (asked.length - gone < minimum) {
    return {
      kind: 'void',
      code: 'COHORT',
      reason: `${gone} banks refused or have withdrawn, ${minimum} answers are needed`,
    };
  }
  return { kind: 'wait', until: possible >= minimum ? until : deadline };
}

/**
 * Banks would not certify a sum that, subtracted from an earlier one of this run, shows a bank.
 * @returns why these answers alone are not to be added up, or undefined
 */
function missingFrom(run: Run, open: OpenRound): string | undefined {
  const company = companyFor(run, open.payload.question.kind);
  const answered = [...open.inputs.keys()].map((index) => open.roster[index]!);
  if (company === undefined || mayBothBeKnown(company, answered, run.company)) return undefined;
  return `a sum without ${difference(company, answered).join(', ')} would show what is theirs`;
}

/** Whether a bank has said that it does not answer. */
function isGone(run: Run, { refusals, inputs, roster }: OpenRound, index: number): boolean {
  return !inputs.has(index) && (refusals.has(index) || run.withdrawn.has(roster[index]!));
}

/**
 * Whether a bank left the last sum without a word: it is not waited for again until it answers, so that a bank that
 * keeps to itself why it takes no part holds the others up once.
 */
function hasMissed(run: Run, id: ParticipantId): boolean {
  const { open } = run.past.findLast(({ end }) => end.outcome === 'closed') ?? {};
  const index = open?.roster.indexOf(id) ?? -1;
  if (open === undefined || index < 0 || !answerersOf(open).includes(index)) return false;
  return !open.inputs.has(index) && !open.refusals.has(index);
}

/** Survivors are fixed: enough banks must reveal their shares, which they do once enough have certified. */
function decideOpening(run: Run, { masked }: OpenRound, now: number): Decision {
  const { session, fixed, certificates, unmasks } = masked!;
  const { quorum, threshold } = session.payload.thresholds;
  if (unmasks.size >= threshold) return { kind: 'close' };
  const until = fixed!.at + run.plan.deadlines.roundMs;
  if (now < until) return { kind: 'wait', until };
  return certificates.size < quorum
    ? {
        kind: 'void',
        code: 'QUORUM',
        reason: `${certificates.size} banks certified the survivors in time, ${quorum} are needed`,
      }
    : {
        kind: 'void',
        code: 'SHARES',
        reason: `${unmasks.size} banks revealed their shares in time, ${threshold} are needed`,
      };
}

function failAfterRetries(run: Run): Decision {
  const tries = run.plan.retries + 1;
  const past = run.past.at(-1);
  const refusal = past?.open.refusals.values().next().value;
  const end = past?.end.payload;
  const why =
    refusal === undefined
      ? end !== undefined && 'reason' in end
        ? end.reason
        : 'too few banks answered'
      : `a bank refused: ${refusal.reason}`;
  return { kind: 'fail', code: 'COHORT', reason: asSentence(`round void after ${tries} tries; ${why}`) };
}
