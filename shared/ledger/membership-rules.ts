/** Who belongs to the consortium: charter, invite, enrol, admit. */
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { assertSafePublicKey } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { FederationState, Rules } from '#shared/ledger/federation-state.ts';

export const membershipRules: Rules<'charter' | 'invite' | 'enrol' | 'admit'> = {
  charter: {
    admissible(state, payload) {
      if (state.charter !== undefined)
        throw new FederationError('STATE', 'the ledger already has its charter');
      assertSafePublicKey(fromBase64Url(payload.coordinatorKey));
      assertSafePublicKey(fromBase64Url(payload.logKey));
      if (payload.coordinatorKey === payload.logKey) {
        throw new FederationError('STATE', 'the ledger key must differ from the coordinator key');
      }
    },
    apply(state, payload, { hash }) {
      state.charter = { hash, payload };
      state.coordinatorKey = payload.coordinatorKey;
      state.logKey = payload.logKey;
      state.logKeys.push({ key: payload.logKey, from: 1 });
      state.usedKeys.add(payload.coordinatorKey).add(payload.logKey);
    },
  },

  invite: {
    admissible(state, payload, time) {
      assertCharter(state, payload.charter);
      const known = state.participants.get(payload.participant);
      if (known !== undefined && known.status !== 'enrolled') {
        throw new FederationError('STATE', `"${payload.participant}" is ${known.status}; choose another id`);
      }
      if (payload.expiresAt <= time)
        throw new FederationError('STATE', 'the invitation would already be expired');
      if (state.usedTokens.has(payload.tokenHash)) {
        throw new FederationError('REPLAY', 'this invitation token was used before');
      }
    },
    apply(state, payload, { hash }) {
      // The newest invitation of a bank counts: an operator who lost one simply makes another. Whoever used one that had
      // leaked is not admitted, and makes room for the bank itself; its keys stay used.
      const { participant, tokenHash, expiresAt } = payload;
      state.participants.delete(participant);
      state.usedTokens.add(tokenHash);
      state.invitations.set(participant, { hash, participant, tokenHash, expiresAt });
    },
  },

  enrol: {
    admissible(state, payload, time) {
      const invitation = state.invitations.get(payload.from);
      if (
        invitation?.hash !== payload.invite ||
        invitation.expiresAt < time ||
        invitation.tokenHash !== toHex(sha256(utf8(payload.token)))
      ) {
        throw new FederationError(
          'INVITATION',
          `expected an unused, unexpired invitation for "${payload.from}"; ask the operator for a new one`,
        );
      }
      assertFreshKeys(state, [payload.identityKey, payload.witnessKey]);
      if (state.participants.size >= LIMITS.participantsMax) {
        throw new FederationError(
          'TOO_LARGE',
          `a consortium has at most ${LIMITS.participantsMax} participants`,
        );
      }
    },
    apply(state, payload, { hash, entry }) {
      const { from: id, identityKey, witnessKey } = payload;
      state.invitations.delete(id);
      state.usedKeys.add(identityKey).add(witnessKey);
      state.participants.set(id, {
        id,
        identityKey,
        witnessKey,
        enrol: hash,
        status: 'enrolled',
        enrolledAt: entry.time,
        earlierKeys: [],
        admitted: undefined,
        revoked: undefined,
      });
    },
  },

  admit: {
    admissible(state, payload) {
      const participant = state.participants.get(payload.participant);
      if (participant === undefined || participant.enrol !== payload.enrol) {
        throw new FederationError('NOT_FOUND', `"${payload.participant}" has no such enrolment to admit`);
      }
      if (participant.status !== 'enrolled') {
        throw new FederationError('REPLAY', `"${payload.participant}" is already ${participant.status}`);
      }
    },
    apply(state, payload, { entry }) {
      const participant = state.participants.get(payload.participant)!;
      participant.status = 'admitted';
      participant.admitted = { at: entry.time, by: payload.by };
    },
  },
};

/**
 * Every key in the consortium has one holder and one purpose, for good: one that was changed from does not come back.
 * @throws FederationError WEAK_KEY | REPLAY
 */
export function assertFreshKeys(state: FederationState, keys: readonly string[]): void {
  keys.forEach((key, i) => {
    assertSafePublicKey(fromBase64Url(key));
    if (state.usedKeys.has(key) || keys.indexOf(key) < i)
      throw new FederationError('REPLAY', 'this key is, or was, already in use in this consortium');
  });
}

/** @throws FederationError STATE */
export function assertCharter(state: FederationState, hash: string): void {
  if (state.charter?.hash !== hash) {
    throw new FederationError(
      'STATE',
      "expected a message under this consortium's charter, got another charter's hash",
    );
  }
}
