/** Whom a run waits for, as the ledger tells it: the same in every view. */
import type { OpenRound, Run } from '#shared/ledger/federation-state.ts';
import { witnessQuorum } from '#shared/ledger/finality.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

export interface Waiting {
  readonly what: 'consent' | 'keys' | 'updates' | 'certificates' | 'shares' | 'cosignatures';
  /** Who has not given it yet. */
  readonly banks: readonly ParticipantId[];
  /** How many of them have to. */
  readonly needed: number;
  /** Since when, ms since 1970; undefined where the ledger has no time for it. */
  readonly since: number | undefined;
}

/** @returns undefined when it waits for no bank */
export function waitingOf(run: Run): Waiting | undefined {
  const waiting = whatFor(run);
  return waiting === undefined || waiting.banks.length === 0 || waiting.needed <= 0 ? undefined : waiting;
}

function whatFor(run: Run): Waiting | undefined {
  const { phase, plan, consents, session, roster, checkpoint } = run;
  switch (phase.name) {
    case 'finished':
      return undefined;
    case 'proposed': {
      const banks = plan.participants.filter((id) => !consents.has(id));
      return { what: 'consent', banks, needed: banks.length, since: run.proposedAt };
    }
    case 'collecting':
      return ofRound(phase.open);
    case 'ready': {
      if (checkpoint !== undefined) {
        const banks = roster.filter((_, index) => !checkpoint.cosignatures.has(index));
        const needed = witnessQuorum(roster.length) - checkpoint.cosignatures.size;
        return { what: 'cosignatures', banks, needed, since: phase.since };
      }
      if (session === undefined || session.sealed !== undefined || session.isVoid) return undefined;
      const done = session.rosterHash === undefined ? session.advertised : session.dealt;
      const banks = session.payload.participants.filter((_, index) => !done.has(index));
      return { what: 'keys', banks, needed: banks.length, since: phase.since };
    }
  }
}

function ofRound({ roster, inputs, refusals, masked, openedAt }: OpenRound): Waiting {
  const without = (isThere: (index: number) => boolean): ParticipantId[] =>
    roster.filter((_, index) => !isThere(index));
  const fixed = masked?.fixed;
  if (masked === undefined || fixed === undefined) {
    const banks = without((index) => inputs.has(index) || refusals.has(index));
    return { what: 'updates', banks, needed: banks.length, since: openedAt };
  }
  const inSum = (index: number): boolean => fixed.survivors.includes(index);
  const certified = (index: number): boolean => masked.certificates.has(index) || masked.unmasks.has(index);
  const uncertified = without((index) => !inSum(index) || certified(index));
  if (uncertified.length > 0 && masked.unmasks.size === 0)
    return { what: 'certificates', banks: uncertified, needed: uncertified.length, since: fixed.at };
  const banks = without((index) => !inSum(index) || masked.unmasks.has(index));
  return { what: 'shares', banks, needed: banks.length, since: fixed.at };
}
