/** The last step of a message that names a body: the body is taken into the store, and the message recorded. */
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { isStorageFault } from '#coordinator/store/storage-error.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message } from '#shared/protocol/messages.ts';

type MessageWithBody = Message<'plain-input'> | Message<'masked-input'> | Message<'share-keys'>;

/**
 * @param bytes of a body that came with the message; else it was uploaded
 * @throws FederationError when the message is refused after all; its body is then let go
 */
export async function appendClaimed(
  message: MessageWithBody,
  root: string,
  bytes: Uint8Array | undefined,
  { bodies, journal }: RunDependencies,
): Promise<void> {
  await bodies.claim(message.payload.from, root, bytes);
  // A crash before this line: the body is there and nobody knows; the agent sends again. After it: the message is
  // recorded, and recovery finds its body.
  try {
    await journal.append(message);
  } catch (error) {
    await bodies.settle(message.payload.from, root, !isRefused(error));
    throw error;
  }
  await bodies.settle(message.payload.from, root, true);
}

/**
 * Whether the message is not in the ledger: one that could not be written may hold it nevertheless, and one that was
 * sent before does.
 */
export function isRefused(error: unknown): boolean {
  return error instanceof FederationError && !isStorageFault(error) && error.code !== 'REPLAY';
}
