/**
 * Whether a bank has signed this. A stranger who asks does not learn, from the answer or from the time it takes, which
 * banks there are: for an id that nobody has enrolled a signature is checked too, with a key that is no bank's.
 */
import { assertSignedBy, type SignedMessage } from '#shared/crypto/signed-message.ts';
import type { FederationState } from '#shared/ledger/federation-state.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/**
 * Says nothing of whether the bank is admitted: that is for who holds its key to hear.
 * @throws FederationError SIG
 */
export function assertFromBank(state: FederationState, message: SignedMessage, id: ParticipantId): void {
  const key = state.participants.get(id)?.identityKey;
  assertSignedBy(message, key ?? state.coordinatorKey!);
  if (key === undefined) throw new FederationError('SIG', 'this signature is of no bank');
}
