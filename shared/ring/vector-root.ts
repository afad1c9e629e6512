/**
 * The name of a vector, a model or any other body: the RFC 6962 Merkle root over its 1 MiB chunks (the last
 * one shorter), as hex. Chunks can be hashed while they stream, resumed and spot-checked.
 */
import { backend } from '#shared/crypto/backend.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { MerkleRootBuilder } from '#shared/crypto/merkle-hash.ts';
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
  const hasher = new RootHasher();
  hasher.update(bytesOf(array));
  return hasher.root();
}

/** The body root of bytes that come in pieces of any size. */
export class RootHasher {
  private readonly builder = new MerkleRootBuilder();
  private leaf = backend.createSha256().update(Uint8Array.of(0));
  private filled = 0;

  update(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      const end = Math.min(bytes.length, start + LIMITS.chunkBytes - this.filled);
      this.leaf.update(bytes.subarray(start, end));
      this.filled += end - start;
      if (this.filled === LIMITS.chunkBytes) this.endLeaf();
      start = end;
    }
  }

  root(): string {
    if (this.filled > 0) this.endLeaf();
    return toHex(this.builder.root());
  }

  private endLeaf(): void {
    this.builder.add(this.leaf.digest());
    this.leaf = backend.createSha256().update(Uint8Array.of(0));
    this.filled = 0;
  }
}
