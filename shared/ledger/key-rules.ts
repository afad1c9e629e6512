/**
 * Keys that change. The old key signs the new one, and the new one proves that somebody holds it; what was
 * signed before stays valid, because every entry is checked against the keys in force at its place.
 *
 *   rotate-key       signed by the old identity key; proof by the new one over the same statement
 *   rotate-log-key   signed by the coordinator; endorsed by the old ledger key, proof by the new one
 *   rotate-coordinator-key   signed by the coordinator's old key; proof by the new one
 *   revoke           signed by the coordinator
 */
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { assertSignedBy, signMessage } from '#shared/crypto/signed-message.ts';
import { assertSafePublicKey } from '#shared/crypto/signatures.ts';
import {
  admittedParticipant,
  type FederationState,
  type Participant,
  type Rules,
} from '#shared/ledger/federation-state.ts';
import { assertCharter, assertFreshKeys } from '#shared/ledger/membership-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { Payload } from '#shared/protocol/messages.ts';

/** What a bank's new identity key signs to show that it is held. */
export function signNewBankKey(
  { charter, from, identityKey, witnessKey }: Omit<Payload<'rotate-key'>, 'proof'>,
  newSeed: Uint8Array,
): string {
  return signMessage('new-bank-key', { charter, from, identityKey, witnessKey }, newSeed).sig;
}

/** What the old and the new ledger key sign. */
export function signNewLogKey(charter: string, logKey: string, seed: Uint8Array): string {
  return signMessage('new-log-key', { charter, logKey }, seed).sig;
}

/** What the coordinator's new key signs to show that it is held. */
export function signNewCoordinatorKey(charter: string, coordinatorKey: string, newSeed: Uint8Array): string {
  return signMessage('new-coordinator-key', { charter, coordinatorKey }, newSeed).sig;
}

/** @throws FederationError SIG */
export function assertHoldsNewKey({
  charter,
  from,
  identityKey,
  witnessKey,
  proof,
}: Payload<'rotate-key'>): void {
  const payload = { charter, from, identityKey, witnessKey };
  assertSignedBy({ type: 'new-bank-key', payload, sig: proof }, identityKey);
}

export const keyRules: Rules<'rotate-key' | 'revoke' | 'rotate-log-key' | 'rotate-coordinator-key'> = {
  'rotate-key': {
    admissible(state, payload, time) {
      assertCharter(state, payload.charter);
      assertMayChangeKeys(admittedParticipant(state, payload.from), time);
      assertFreshKeys(state, [payload.identityKey, payload.witnessKey]);
      assertHoldsNewKey(payload);
      assertIdle(state, payload.from);
    },
    apply(state, { from, identityKey, witnessKey }, { entry }) {
      state.usedKeys.add(identityKey).add(witnessKey);
      const participant = state.participants.get(from);
      if (participant === undefined) return; // a bank folds rotations of banks it has not met yet
      const earlier = { identityKey: participant.identityKey, until: entry.time };
      participant.earlierKeys = [...participant.earlierKeys, earlier];
      participant.identityKey = identityKey;
      participant.witnessKey = witnessKey;
    },
  },

  revoke: {
    admissible(state, payload) {
      assertCharter(state, payload.charter);
      const participant = state.participants.get(payload.participant);
      if (participant === undefined)
        throw new FederationError('NOT_FOUND', `no bank "${payload.participant}" has enrolled`);
      if (participant.status === 'revoked')
        throw new FederationError('REPLAY', `"${payload.participant}" is already revoked`);
    },
    apply(state, payload, { entry }) {
      const id = payload.participant;
      const participant = state.participants.get(id)!;
      participant.status = 'revoked';
      participant.revoked = { at: entry.time, by: payload.by, reason: payload.reason };
      // A run that has not started goes on as if the bank had refused: a roster with it could not be announced. One
      // that has started goes on without it as without a bank that is away.
      const decision = 'refused' as const;
      const refusal = { decision, reason: 'its keys are revoked', at: entry.time, fewest: undefined };
      for (const { phase, plan, consents } of state.runs.values())
        if (phase.name === 'proposed' && plan.participants.includes(id)) consents.set(id, refusal);
    },
  },

  'rotate-log-key': {
    admissible(state, { charter, logKey, endorsement, proof }) {
      assertCharter(state, charter);
      assertSafePublicKey(fromBase64Url(logKey));
      assertFreshKeys(state, [logKey]);
      const payload = { charter, logKey };
      assertSignedBy({ type: 'new-log-key', payload, sig: endorsement }, state.logKey!);
      assertSignedBy({ type: 'new-log-key', payload, sig: proof }, logKey);
    },
    apply(state, { logKey }, { entry }) {
      state.logKey = logKey;
      state.logKeys.push({ key: logKey, from: entry.seq + 1 });
      state.usedKeys.add(logKey);
    },
  },

  'rotate-coordinator-key': {
    admissible(state, { charter, coordinatorKey, proof }) {
      assertCharter(state, charter);
      assertFreshKeys(state, [coordinatorKey]);
      const payload = { charter, coordinatorKey };
      assertSignedBy({ type: 'new-coordinator-key', payload, sig: proof }, coordinatorKey);
    },
    apply(state, { coordinatorKey }) {
      state.coordinatorKey = coordinatorKey;
      state.usedKeys.add(coordinatorKey);
    },
  },
};

const DAY_MS = 86_400_000;
/**
 * Of all that a bank signs only this is not limited by what somebody else has begun: a run, a round, an invitation.
 * Entries stay for good, at every bank. More often in a day no person changes keys, even one who has to try twice.
 */
export const KEY_CHANGES_PER_DAY_MAX = 4;

/** @throws FederationError RATE_LIMIT */
function assertMayChangeKeys(participant: Participant, time: number): void {
  const recent = participant.earlierKeys.filter(({ until }) => until > time - DAY_MS);
  if (recent.length < KEY_CHANGES_PER_DAY_MAX) return;
  throw new FederationError(
    'RATE_LIMIT',
    `"${participant.id}" has changed its keys ${recent.length} times within a day; it may again from ${new Date(recent[0]!.until + DAY_MS).toISOString()} on`,
  );
}

/**
 * Runs pin the keys of their banks.
 * @throws FederationError STATE
 */
function assertIdle(state: FederationState, id: ParticipantId): void {
  for (const run of state.runs.values()) {
    const asked = run.roster.length > 0 ? run.roster : run.plan.participants;
    if (run.phase.name !== 'finished' && asked.includes(id)) {
      throw new FederationError(
        'STATE',
        `"${id}" is asked in run ${run.id}, which is not finished; change keys after its end, or have it stopped`,
      );
    }
  }
}
