/** How a bank joins: invite (operator) → enrol (bank) → admit (operator, after comparing fingerprints). */
import type { Journal } from '#coordinator/journal/journal.ts';
import { newToken } from '#coordinator/participants/access.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import type { Participant } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { writeInvitationCode } from '#shared/protocol/invitation-code.ts';
import { parseMessage } from '#shared/protocol/messages.ts';

/**
 * @param by the operator, here and below
 * @returns the code to hand over; its token exists nowhere else
 */
export async function inviteBank(
  participant: ParticipantId,
  url: string,
  validMs: number,
  by: string,
  journal: Journal,
): Promise<string> {
  const token = newToken('invite');
  const charter = charterHash(journal);
  const tokenHash = toHex(sha256(utf8(token)));
  const expiresAt = journal.now() + validMs;
  const { hash: invite } = await journal.record('invite', { charter, participant, tokenHash, expiresAt, by });
  return writeInvitationCode({ url, charter, invite, participant, token });
}

/** @throws FederationError SIG | INVITATION | WEAK_KEY | REPLAY | STATE */
export async function enrolBank(raw: unknown, journal: Journal): Promise<Participant> {
  const message = parseMessage(raw);
  if (message.type !== 'enrol') throw new FederationError('SCHEMA', `expected enrol, got "${message.type}"`);
  const { from } = message.payload;
  const hash = messageHash('enrol', message.payload);
  // the same message again: the reply to its first copy was lost
  const isRecorded = (): boolean => journal.state.participants.get(from)?.enrol === hash;
  if (!isRecorded()) assertAdmissible(journal.state, message, journal.now());
  assertAuthentic(journal.state, message); // proof that the bank holds the key it enrols
  if (!isRecorded()) {
    await journal.append(message).catch((error: unknown) => {
      if (!isRecorded()) throw error;
    });
  }
  await journal.stored(); // the state is ahead of the disk
  return participantOf(journal, from);
}

/**
 * @param fingerprint what the bank read out over another channel
 * @throws FederationError FORBIDDEN when it is another one
 */
export async function admitBank(
  id: ParticipantId,
  fingerprint: string,
  by: string,
  journal: Journal,
): Promise<Participant> {
  const participant = participantOf(journal, id);
  const expected = keyFingerprint(participant.identityKey);
  const given = fingerprint.toLowerCase().replace(/[^0-9a-z]/g, ''); // as it is heard over a phone
  if (!/^[0-9a-f]{32}$/.test(given)) {
    throw new FederationError(
      'SCHEMA',
      `expected a fingerprint: 32 digits from 0 to 9 and a to f, as in 1a2b-3c4d-5e6f-7a8b-9c0d-1e2f-3a4b-5c6d; got ${given.length}. Have the bank read it again`,
    );
  }
  if (given !== expected.replaceAll('-', '')) {
    throw new FederationError(
      'FORBIDDEN',
      `"${id}" enrolled a key with another fingerprint than the one given. If the bank really reads out yours, somebody else used its invitation: do not admit`,
    );
  }
  await journal.record('admit', { enrol: participant.enrol, participant: id, by });
  return participantOf(journal, id);
}

/** @throws FederationError NOT_FOUND */
export function participantOf(journal: Journal, id: ParticipantId): Participant {
  const participant = journal.state.participants.get(id);
  if (participant === undefined) throw new FederationError('NOT_FOUND', `no bank "${id}" has enrolled`);
  return participant;
}

export function charterHash(journal: Journal): string {
  if (journal.state.charter === undefined)
    throw new FederationError('STATE', 'the ledger has no charter yet');
  return journal.state.charter.hash;
}
