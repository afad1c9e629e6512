/**
 * A bank says one thing in one place. While one message is being accepted for it, a copy shares its fate; another
 * message waits, and is then held against what has been recorded. So does a copy with a body of its own when the first
 * is refused: that may have been for want of it.
 */
import { messageHash } from '#shared/crypto/signed-message.ts';
import type { Message } from '#shared/protocol/messages.ts';

export interface Accepting {
  /** Hash of the message. */
  readonly hash: string;
  readonly done: Promise<void>;
}

type PlacedMessage = Message<'plain-input'> | Message<'masked-input'> | Message<'share-keys'>;

/**
 * @param hasBody whether the message brought its body along
 * @param accept checks the message and records it
 */
export async function oneAtATime(
  message: PlacedMessage,
  hasBody: boolean,
  accepting: Map<string, Accepting>,
  accept: () => Promise<void>,
): Promise<void> {
  const { payload } = message;
  const place = `${'ctx' in payload ? payload.ctx : payload.session}/${payload.from}`;
  const hash = messageHash(message.type, payload);
  for (let before = accepting.get(place); before !== undefined; before = accepting.get(place)) {
    if (before.hash === hash && !hasBody) return before.done;
    const isDone = await before.done.then(
      () => true,
      () => false,
    );
    if (isDone && before.hash === hash) return undefined;
  }
  const done = accept().finally(() => accepting.delete(place));
  accepting.set(place, { hash, done });
  return done;
}
