/** A bank's vector, plain or masked: its body is here and hashes to its root; then it is in the round. */
import { appendClaimed } from '#coordinator/rounds/append-claimed.ts';
import { assertIsBody } from '#coordinator/rounds/attached-body.ts';
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { openRoundOf, rosterIndex } from '#shared/ledger/rounds.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message } from '#shared/protocol/messages.ts';

type VectorMessage = Message<'plain-input'> | Message<'masked-input'>;

/**
 * @param body that came with the message; else it was uploaded
 * @throws FederationError LATE | VECROOT | SHAPE | CANARY | RANGE
 */
export async function acceptVector(
  message: VectorMessage,
  body: Uint8Array<ArrayBuffer> | undefined,
  deps: RunDependencies,
): Promise<void> {
  const { ctx, from, vectorRoot } = message.payload;
  const { open } = openRoundOf(deps.journal.state, ctx);
  const sum = deps.sums.get(ctx);
  if (sum === undefined) throw new FederationError('LATE', `round ${ctx} is over`);
  if (body !== undefined) assertIsBody(body, vectorRoot, sum.bodyBytes);
  // One that was uploaded hashes to its signed root: that was checked while it came.
  else await deps.bodies.assertUploaded(from, vectorRoot, sum.bodyBytes);
  if (message.type === 'plain-input') {
    try {
      // Unmasked vectors can be looked at: canary, and every word within its field's range.
      await sum.assertPlausible(vectorRoot, from, body);
    } catch (error) {
      if (body === undefined) await deps.bodies.discard(from, vectorRoot);
      throw error;
    }
  }
  await appendClaimed(message, vectorRoot, body, deps);
  await sum.add(rosterIndex(open, from), vectorRoot);
}
