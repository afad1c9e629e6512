/**
 * The path of one update, in order. Three outcomes: accepted, rejected (with a code), discarded (too late).
 */
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { openRoundOf, rosterIndex } from '#shared/ledger/run-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { isBankMessage, parseMessage, type BankMessage, type Message } from '#shared/protocol/messages.ts';

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
    assertAdmissible(state, message, Math.max(deps.clock.now(), state.lastTime)); // run, round, phase, shape
  } catch (error) {
    await deps.journal.stored(); // what speaks against it may still be on its way to the disk
    throw error;
  }
  if (message.type !== 'plain-input') {
    await deps.journal.append(message);
    return;
  }
  // a copy of the same message that is under way decides for both
  const key = `${message.payload.ctx}/${sender}/${message.payload.vectorRoot}`;
  const underWay = deps.accepting.get(key);
  if (underWay !== undefined) return underWay;
  const accepting = acceptPlainInput(message, deps).finally(() => deps.accepting.delete(key));
  deps.accepting.set(key, accepting);
  return accepting;
}

async function acceptPlainInput(message: Message<'plain-input'>, deps: RunDependencies): Promise<void> {
  const { ctx, from, vectorRoot } = message.payload;
  const { run } = openRoundOf(deps.journal.state, ctx, from);
  const sum = deps.sums.get(ctx);
  if (sum === undefined) throw new FederationError('LATE', `round ${ctx} is over`);
  // The body hashes to its signed root: that was checked while it was uploaded.
  await deps.bodies.assertUploaded(from, vectorRoot, sum.bodyBytes);
  try {
    // Unmasked vectors can be looked at: canary, and every word within its field's range.
    await sum.assertPlausible(vectorRoot, from);
  } catch (error) {
    await deps.bodies.discard(from, vectorRoot);
    throw error;
  }
  await deps.bodies.claim(from, vectorRoot);
  // A crash before this line: nothing happened, the agent sends again. After it: the update is in the round,
  // and recovery adds it from its body. The claim (run, round, participant) is unique in the database.
  await deps.journal.append(message);
  await sum.add(rosterIndex(run, from), vectorRoot);
}

/** @throws FederationError SCHEMA | WRONG_SENDER */
function parseFrom(sender: ParticipantId, raw: unknown): Exclude<BankMessage, { type: 'enrol' }> {
  const message = parseMessage(raw);
  if (!isBankMessage(message) || message.type === 'enrol') {
    throw new FederationError(
      'SCHEMA',
      `expected consent, plain-input or refuse-round, got "${message.type}"`,
    );
  }
  if (message.payload.from !== sender) {
    throw new FederationError(
      'WRONG_SENDER',
      `expected a message from "${sender}", got one in the name of another bank`,
    );
  }
  return message;
}
