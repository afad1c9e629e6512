/**
 * Key material for masked rounds: a session is opened, everybody advertises keys, everybody deals shares, and
 * what was dealt is sealed. See docs/secure-sum.md.
 */
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { isSafeAgreementKey } from '#shared/crypto/key-agreement.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import {
  roundsOf,
  runOf,
  type FederationState,
  type Rules,
  type Run,
  type Session,
} from '#shared/ledger/federation-state.ts';
import { lastHash, tooFew } from '#shared/ledger/run-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { Payload } from '#shared/protocol/messages.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';

type SessionMessage =
  'open-session' | 'advertise-keys' | 'share-keys' | 'seal-session' | 'complain' | 'void-session';

export const sessionRules: Rules<SessionMessage> = {
  'open-session': {
    admissible(state, payload) {
      const run = runOf(state, payload.run);
      if (run.plan.aggregation !== 'masked')
        throw new FederationError('STATE', `run ${run.id} is not masked`);
      if (run.phase.name !== 'ready' || payload.parent !== lastHash(run)) {
        throw new FederationError('STATE', `expected run ${run.id} between rounds, after ${lastHash(run)}`);
      }
      if (run.session !== undefined && run.session.sealed === undefined && !run.session.isVoid) {
        throw new FederationError('STATE', `session ${run.session.hash} is still being dealt`);
      }
      const { participants, thresholds } = payload;
      const known = participants.every((id) => run.roster.includes(id) && !run.culprits.has(id));
      const sorted = participants.every((id, i) => i === 0 || participants[i - 1]! < id);
      if (!known || !sorted) {
        throw new FederationError(
          'STATE',
          'expected participants from the roster, sorted, without banks whose fault was proven',
        );
      }
      if (participants.length < run.plan.cohort.minimum)
        throw tooFew(run, participants.length, 'would deal keys');
      const expected = thresholdsFor(participants.length, run.company.colluders);
      for (const name of ['colluders', 'quorum', 'threshold', 'minimum'] as const) {
        if (thresholds[name] !== expected[name]) {
          throw new FederationError(
            'STATE',
            `expected ${name} ${expected[name]} for ${participants.length} banks, got ${thresholds[name]}`,
          );
        }
      }
      if (state.sessionRuns.has(messageHash('open-session', payload)))
        throw new FederationError('REPLAY', 'this very session was opened before');
    },
    apply(state, payload, { hash }) {
      runOf(state, payload.run).session = {
        hash,
        payload,
        advertised: new Map(),
        rosterHash: undefined,
        dealt: new Map(),
        sealed: undefined,
        complaints: [],
        nextSlot: 0,
        isVoid: false,
      };
      state.sessionRuns.set(hash, payload.run);
    },
  },

  'advertise-keys': {
    admissible(state, payload) {
      const session = dealingSessionOf(state, payload.session);
      const index = sessionIndex(session, payload.from);
      const earlier = session.advertised.get(index);
      if (earlier !== undefined) {
        const same = messageHash('advertise-keys', payload) === earlier.hash;
        throw new FederationError(
          same ? 'REPLAY' : 'EQUIVOCATION',
          `"${payload.from}" has already advertised ${same ? 'these' : 'other'} keys`,
        );
      }
      const { slots } = session.payload;
      if (payload.slotKeys.length !== slots || payload.seedCommitments.length !== slots) {
        throw new FederationError('SHAPE', `expected keys for ${slots} slots`);
      }
      assertFreshKeys(session, payload);
    },
    apply(state, payload, { hash }) {
      const session = dealingSessionOf(state, payload.session);
      session.advertised.set(sessionIndex(session, payload.from), { hash, payload });
      session.rosterHash = rosterHashOf(session);
    },
  },

  'share-keys': {
    admissible(state, payload) {
      const session = dealingSessionOf(state, payload.session);
      const index = sessionIndex(session, payload.from);
      if (session.rosterHash === undefined)
        throw new FederationError('STATE', 'not all banks have advertised');
      if (payload.roster !== session.rosterHash) {
        throw new FederationError('ROSTER', `"${payload.from}" was shown other keys than are in this ledger`);
      }
      const earlier = session.dealt.get(index);
      if (earlier === undefined) return;
      const same = messageHash('share-keys', payload) === messageHash('share-keys', earlier);
      throw new FederationError(same ? 'REPLAY' : 'EQUIVOCATION', `"${payload.from}" has already dealt`);
    },
    apply(state, payload) {
      const session = dealingSessionOf(state, payload.session);
      session.dealt.set(sessionIndex(session, payload.from), payload);
    },
  },

  'seal-session': {
    admissible(state, payload) {
      const session = dealingSessionOf(state, payload.session);
      const dealers = [...session.dealt.keys()].sort((a, b) => a - b);
      if (
        payload.roster !== session.rosterHash ||
        payload.dealers.length !== dealers.length ||
        payload.shareRoots.length !== dealers.length ||
        dealers.some(
          (index, i) =>
            payload.dealers[i] !== index || payload.shareRoots[i] !== session.dealt.get(index)!.shareRoot,
        )
      ) {
        throw new FederationError(
          'STATE',
          'expected exactly the banks that dealt, with the roots they signed',
        );
      }
      const needed = dealersNeeded(session);
      if (dealers.length < needed) {
        throw new FederationError('COHORT', `${dealers.length} banks dealt keys, ${needed} are needed`);
      }
    },
    apply(state, payload, { hash }) {
      const session = dealingSessionOf(state, payload.session);
      session.sealed = { hash, dealers: payload.dealers };
      countStalls(runOf(state, session.payload.run), session);
    },
  },

  complain: {
    admissible(state, payload) {
      const session = sessionOf(state, payload.session);
      const from = sessionIndex(session, payload.from);
      if (session.sealed === undefined || !session.sealed.dealers.includes(payload.against)) {
        throw new FederationError('STATE', 'expected a complaint about a dealer of a sealed session');
      }
      if (session.isVoid) throw new FederationError('LATE', `session ${session.hash} is void`);
      const other = session.complaints.some(
        ({ from: who, against }) => sessionIndex(session, who) === from && against === payload.against,
      );
      if (other) throw new FederationError('REPLAY', 'this complaint is already recorded');
      if (hasUsed(runOf(state, session.payload.run), session, from))
        throw new FederationError('LATE', `"${payload.from}" has used the keys it complains about`);
    },
    apply(state, payload) {
      sessionOf(state, payload.session).complaints.push(payload);
    },
  },

  'void-session': {
    admissible(state, payload) {
      if (sessionOf(state, payload.session).isVoid)
        throw new FederationError('STATE', `session ${payload.session} is already void`);
    },
    apply(state, payload) {
      const session = sessionOf(state, payload.session);
      session.isVoid = true;
      if (session.sealed === undefined) countStalls(runOf(state, session.payload.run), session);
    },
  },
};

/** Dealers without whom no round of the session could end. */
export function dealersNeeded(session: Session): number {
  const { quorum, threshold, minimum } = session.payload.thresholds;
  return Math.max(quorum, threshold, minimum);
}

/** The sealed session whose next slot is free. @throws FederationError STATE */
export function usableSession(run: Run): Session {
  const { session } = run;
  if (session === undefined || session.sealed === undefined || session.isVoid)
    throw new FederationError('STATE', `run ${run.id} has no sealed session`);
  if (session.nextSlot >= session.payload.slots)
    throw new FederationError('STATE', `the slots of session ${session.hash} are used up`);
  return session;
}

/** @throws FederationError STALE */
export function sessionOf(state: FederationState, hash: string): Session {
  const id = state.sessionRuns.get(hash);
  const session = id === undefined ? undefined : runOf(state, id).session;
  if (session?.hash !== hash)
    throw new FederationError('STALE', `session ${hash} is not the one in force of any run`);
  return session;
}

/** @throws FederationError STALE | LATE */
function dealingSessionOf(state: FederationState, hash: string): Session {
  const session = sessionOf(state, hash);
  if (session.sealed !== undefined || session.isVoid)
    throw new FederationError('LATE', `session ${hash} is ${session.isVoid ? 'void' : 'sealed'}`);
  return session;
}

/** @throws FederationError WRONG_SENDER */
export function sessionIndex(session: Session, id: ParticipantId): number {
  const index = session.payload.participants.indexOf(id);
  if (index < 0)
    throw new FederationError('WRONG_SENDER', `"${id}" is not on the roster of session ${session.hash}`);
  return index;
}

/**
 * Every key of a session is of full order, and none appears twice: nobody copies another's.
 * @throws FederationError WEAK_KEY
 */
function assertFreshKeys(session: Session, payload: Payload<'advertise-keys'>): void {
  const seen = new Set<string>();
  for (const { payload: other } of session.advertised.values()) {
    for (const key of [other.channelKey, ...other.slotKeys]) seen.add(key);
  }
  for (const key of [payload.channelKey, ...payload.slotKeys]) {
    if (!isSafeAgreementKey(fromBase64Url(key)))
      throw new FederationError('WEAK_KEY', `"${payload.from}" advertises an X25519 key of small order`);
    if (seen.has(key))
      // not REPLAY: nothing of this message is recorded, and a bank must not take it for accepted
      throw new FederationError('WEAK_KEY', `"${payload.from}" advertises a key that is already in use`);
    seen.add(key);
  }
}

/** Whether a bank has taken part in a round under these keys, which it does only after checking them. */
function hasUsed(run: Run, session: Session, index: number): boolean {
  return roundsOf(run).some(
    ({ masked, inputs }) =>
      masked?.session === session &&
      (inputs.has(index) || masked.certificates.has(index) || masked.unmasks.has(index)),
  );
}

/** The banks for which a session waited in vain. */
function countStalls(run: Run, session: Session): void {
  const done = session.rosterHash === undefined ? session.advertised : session.dealt;
  session.payload.participants.forEach((id, index) => {
    if (!done.has(index)) run.stalls.set(id, (run.stalls.get(id) ?? 0) + 1);
  });
}

function rosterHashOf(session: Session): string | undefined {
  const { participants } = session.payload;
  if (session.advertised.size < participants.length) return undefined;
  return messageHash(
    'roster',
    participants.map((_, index) => session.advertised.get(index)!.hash),
  );
}
