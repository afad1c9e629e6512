/**
 * The path of one message of a bank, in order. Three outcomes: accepted, rejected (with a code), discarded
 * (too late).
 */
import type { Journal } from '#coordinator/journal/journal.ts';
import { acceptShareTable, assertRevealedShares } from '#coordinator/rounds/accept-shares.ts';
import { acceptVector } from '#coordinator/rounds/accept-vector.ts';
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { oneAtATime } from '#coordinator/rounds/one-at-a-time.ts';
import { bodyNamedBy } from '#shared/ledger/bodies-named.ts';
import { assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { isBankMessage, parseMessage, type BankMessage } from '#shared/protocol/messages.ts';

/**
 * @param sender who the socket's key proved it to be
 * @param body that came with the message: only with one that names a body, which else was uploaded before
 * @throws FederationError: LATE means discarded, REPLAY already accepted, everything else rejected
 */
export async function acceptUpdate(
  raw: unknown,
  sender: ParticipantId,
  deps: RunDependencies,
  body?: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const message = parseFrom(sender, raw);
  if (body !== undefined && bodyNamedBy(message) === undefined)
    throw new FederationError('SCHEMA', `expected no body with "${message.type}", which names none`);
  assertAuthentic(deps.journal.state, message); // its own signature, whatever the socket proved
  switch (message.type) {
    case 'plain-input':
    case 'masked-input':
      return oneAtATime(message, body !== undefined, deps.accepting, async () => {
        await assertFits(message, deps.journal);
        await acceptVector(message, body, deps);
      });
    case 'share-keys':
      return oneAtATime(message, body !== undefined, deps.accepting, async () => {
        await assertFits(message, deps.journal);
        await acceptShareTable(message, body, deps);
      });
    case 'unmask':
      await assertFits(message, deps.journal);
      await assertRevealedShares(message, deps);
      break;
    default:
      await assertFits(message, deps.journal);
  }
  // checked once more at its place in the ledger; there is no body to take in before
  await deps.journal.append(message);
}

/** Run, round, phase, shape. @throws FederationError of every rule */
async function assertFits(message: BankMessage, journal: Journal): Promise<void> {
  try {
    assertAdmissible(journal.state, message, journal.now());
  } catch (error) {
    await journal.stored(); // what speaks against it may still be on its way to the disk
    throw error;
  }
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
