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

/** `nodeHash` of two hashes that lie side by side. */
export function pairHash(pair: Uint8Array): Uint8Array {
  return sha256(NODE, pair);
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
