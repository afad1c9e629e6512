/**
 * The path of one message of a bank, in order. Three outcomes: accepted, rejected (with a code), discarded
 * (too late).
 */
import { acceptShareTable, assertRevealedShares } from '#coordinator/rounds/accept-shares.ts';
import { acceptVector } from '#coordinator/rounds/accept-vector.ts';
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { isBankMessage, parseMessage, type BankMessage } from '#shared/protocol/messages.ts';

/**
 * @param sender who the socket's key proved it to be
 * @throws FederationError: LATE means discarded, REPLAY already accepted, everything else rejected
 */
export async function acceptUpdate(
  raw: unknown,
  sender: ParticipantId,
  deps: RunDependencies,
): Promise<void> {
  const message = parseFrom(sender, raw);
  const { state } = deps.journal;
  assertAuthentic(state, message); // its own signature, whatever the socket proved
  try {
    assertAdmissible(state, message, deps.journal.now()); // run, round, phase, shape
  } catch (error) {
    await deps.journal.stored(); // what speaks against it may still be on its way to the disk
    throw error;
  }
  switch (message.type) {
    case 'plain-input':
    case 'masked-input':
      return acceptVector(message, deps);
    case 'share-keys':
      return acceptShareTable(message, deps);
    case 'unmask':
      await assertRevealedShares(message, deps);
      break;
    default:
  }
  await deps.journal.append(message);
}

/** @throws FederationError SCHEMA | WRONG_SENDER */
function parseFrom(sender: ParticipantId, raw: unknown): Exclude<BankMessage, { type: 'enrol' }> {
  const message = parseMessage(raw);
  if (!isBankMessage(message) || message.type === 'enrol') {
    throw new FederationError('SCHEMA', `expected a bank's message about a run, got "${message.type}"`);
  }
  if (message.payload.from !== sender) {
    throw new FederationError(
      'WRONG_SENDER',
      `expected a message from "${sender}", got one in the name of another bank`,
    );
  }
  return message;
}
