/**
 * The name of a vector, a model or any other body: the RFC 6962 Merkle root over its 1 MiB chunks (the last
 * one shorter), as hex. Chunks can be hashed while they stream, resumed and spot-checked.
 */
import { toHex } from '#shared/crypto/hash.ts';
import { leafHash, MerkleRootBuilder } from '#shared/crypto/merkle-hash.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

/** Numbers go on the wire little-endian, which is how every platform Node runs on stores them. */
if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
  throw new Error('this platform is big-endian; tallystick stores vectors little-endian');
}

/** The bytes of a typed array, without a copy. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Root of a body that is in memory. */
export function vectorRoot(array: ArrayBufferView): string {
  const bytes = bytesOf(array);
  const builder = new MerkleRootBuilder();
  for (let offset = 0; offset < bytes.length; offset += LIMITS.chunkBytes) {
    builder.add(leafHash(bytes.subarray(offset, offset + LIMITS.chunkBytes)));
  }
  return toHex(builder.root());
}
