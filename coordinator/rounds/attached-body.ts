/** A body that came with the message that names it. */
import { FederationError } from '#shared/protocol/error-codes.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

/** @throws FederationError SHAPE | VECROOT unless it is the one that the message names */
export function assertIsBody(body: Uint8Array, root: string, expectedBytes: number): void {
  if (body.length !== expectedBytes)
    throw new FederationError('SHAPE', `expected a body of ${expectedBytes} bytes, got ${body.length}`);
  const found = vectorRoot(body);
  if (found !== root)
    throw new FederationError('VECROOT', `expected the body ${root}, got one that hashes to ${found}`);
}
