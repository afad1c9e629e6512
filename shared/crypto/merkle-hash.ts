/** RFC 6962 section 2.1 hashing: leaf = SHA-256(0x00 ‖ d), node = SHA-256(0x01 ‖ left ‖ right). */
import { sha256 } from '#shared/crypto/hash.ts';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(...data: readonly Uint8Array[]): Uint8Array {
  return sha256(LEAF, ...data);
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE, left, right);
}

const HASH_BYTES = 32;
const pairInput = new Uint8Array(1 + 2 * HASH_BYTES);
pairInput[0] = NODE[0]!;

/**
 * `nodeHash` of two hashes that lie side by side, written to its place: trees grow by thousands, and loops copy 32 bytes
 * in a tenth of the time that views and `set` take.
 * @param from where the two begin in `hashes`
 * @param to where the digest begins in `out`
 */
export function hashPair(hashes: Uint8Array, from: number, out: Uint8Array, to: number): void {
  for (let i = 0; i < 2 * HASH_BYTES; i++) pairInput[1 + i] = hashes[from + i]!;
  const digest = sha256(pairInput);
  for (let i = 0; i < HASH_BYTES; i++) out[to + i] = digest[i]!;
}

/** MTH of the empty list. */
export const EMPTY_ROOT = sha256();

/**
 * Merkle root over leaves that arrive one by one, in O(log n) memory: the stack holds the roots of the
 * complete subtrees, largest first, as in the binary representation of `size`.
 */
export class MerkleRootBuilder {
  size = 0;
  private readonly subtrees: Uint8Array[] = [];

  add(leaf: Uint8Array): void {
    let root = leaf;
    for (let n = this.size; n & 1; n >>>= 1) root = nodeHash(this.subtrees.pop()!, root);
    this.subtrees.push(root);
    this.size++;
  }

  root(): Uint8Array {
    let root = this.subtrees.at(-1);
    if (root === undefined) return EMPTY_ROOT;
    for (let i = this.subtrees.length - 2; i >= 0; i--) root = nodeHash(this.subtrees[i]!, root);
    return root;
  }
}
