/** Keys of banks that change: a bank rotates its own, the operator revokes. */
import type { Journal } from '#coordinator/journal/journal.ts';
import { assertFromBank } from '#coordinator/participants/bank-signature.ts';
import { charterHash, participantOf } from '#coordinator/participants/enrolment.ts';
import { assertAdmissible } from '#shared/ledger/federation.ts';
import type { Participant } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { parseMessage } from '#shared/protocol/messages.ts';

/**
 * @param raw a rotate-key, signed with the key in force
 * @throws FederationError WRONG_SENDER | SIG | REPLAY | STATE | WEAK_KEY | UNKNOWN_PARTICIPANT
 */
export async function rotateBankKey(id: ParticipantId, raw: unknown, journal: Journal): Promise<Participant> {
  const message = parseMessage(raw);
  if (message.type !== 'rotate-key')
    throw new FederationError('SCHEMA', `expected rotate-key, got "${message.type}"`);
  const { from, identityKey, witnessKey } = message.payload;
  if (from !== id)
    throw new FederationError('WRONG_SENDER', `expected the keys of "${id}", got those of "${from}"`);
  // asked again because the reply was lost
  const known = journal.state.participants.get(from);
  if (known?.identityKey === identityKey && known.witnessKey === witnessKey) {
    await journal.stored(); // at the reply the bank forgets its old keys
    return known;
  }
  assertFromBank(journal.state, message, from);
  assertAdmissible(journal.state, message, journal.now());
  await journal.append(message);
  return participantOf(journal, from);
}

/** @throws FederationError NOT_FOUND | REPLAY */
export async function revokeBank(
  id: ParticipantId,
  reason: string,
  by: string,
  journal: Journal,
): Promise<Participant> {
  await journal.record('revoke', { charter: charterHash(journal), participant: id, reason, by });
  return participantOf(journal, id);
}
