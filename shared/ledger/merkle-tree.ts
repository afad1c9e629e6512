/**
 * The append-only Merkle tree of RFC 6962 over entry leaves, with inclusion (2.1.1) and consistency (2.1.2)
 * proofs. Keeps the hash of every complete subtree, 64 bytes an entry, so that proofs cost O(log² n).
 */
import { equalBytes } from '#shared/crypto/hash.ts';
import { EMPTY_ROOT, hashPair, nodeHash } from '#shared/crypto/merkle-hash.ts';

const HASH_BYTES = 32;

/** A growing array of hashes without an object for each. */
class HashList {
  length = 0;
  private bytes = new Uint8Array(HASH_BYTES * 64);

  static of(bytes: Uint8Array): HashList {
    const list = new HashList();
    list.bytes = new Uint8Array(bytes);
    list.length = bytes.length / HASH_BYTES;
    return list;
  }

  used(): Uint8Array {
    return this.bytes.slice(0, this.length * HASH_BYTES);
  }

  /** One or more hashes. */
  push(hashes: Uint8Array): void {
    const used = this.length * HASH_BYTES;
    this.reserve(used + hashes.length);
    this.bytes.set(hashes, used);
    this.length += hashes.length / HASH_BYTES;
  }

  /** The parents of pairs of `below` that are not here yet. */
  pushParents(below: HashList): void {
    const count = Math.floor(below.length / 2);
    this.reserve(count * HASH_BYTES);
    for (; this.length < count; this.length++)
      hashPair(below.bytes, 2 * this.length * HASH_BYTES, this.bytes, this.length * HASH_BYTES);
  }

  private reserve(bytes: number): void {
    if (bytes <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(64 * HASH_BYTES, 2 * bytes));
    larger.set(this.bytes.subarray(0, this.length * HASH_BYTES));
    this.bytes = larger;
  }

  at(index: number): Uint8Array {
    return this.range(index, index + 1);
  }

  range(from: number, to: number): Uint8Array {
    if (to > this.length) throw new RangeError(`no hash at ${to - 1} of ${this.length}`);
    return this.bytes.subarray(from * HASH_BYTES, to * HASH_BYTES);
  }
}

export class MerkleTree {
  /** A tree as `levelBytes` gave it, which the caller has reason to trust. */
  static fromLevels(levels: readonly Uint8Array[]): MerkleTree {
    const tree = new MerkleTree();
    levels.forEach((bytes, k) => (tree.levels[k] = HashList.of(bytes)));
    return tree;
  }

  /** `levels[k].at(i)` is the root of leaves [i·2^k, (i+1)·2^k). */
  private readonly levels: HashList[] = [new HashList()];

  /** All hashes, level by level: 64 bytes an entry. */
  levelBytes(): Uint8Array[] {
    return this.levels.map((level) => level.used());
  }

  get size(): number {
    return this.levels[0]!.length;
  }

  /** The leaf hash at this position; a view, valid until the next append. */
  leaf(index: number): Uint8Array {
    return this.levels[0]!.at(index);
  }

  /** The leaf hashes of positions [from, to), 32 bytes each; a view, valid until the next append. */
  leaves(from: number, to: number): Uint8Array {
    return this.levels[0]!.range(from, to);
  }

  /** Root of the leaves [index·2^level, (index+1)·2^level), all of which must be there; a view. */
  subtreeRoot(level: number, index: number): Uint8Array {
    const hashes = this.levels[level];
    if (hashes === undefined) throw new RangeError(`no subtree of 2^${level} leaves`);
    return hashes.at(index);
  }

  /** @param leaves one leaf or several that follow each other, 32 bytes each */
  append(leaves: Uint8Array): void {
    this.levels[0]!.push(leaves);
    for (let k = 0; this.levels[k]!.length >= 2; k++) {
      const below = this.levels[k]!;
      const level = (this.levels[k + 1] ??= new HashList());
      if (2 * (level.length + 1) > below.length) return; // no pair more than before
      level.pushParents(below);
    }
  }

  /** Root over the first `size` leaves. */
  root(size = this.size): Uint8Array {
    this.assertSize(size);
    return size === 0 ? EMPTY_ROOT : this.subtree(0, size);
  }

  /** PATH(index, D[0:size]): the hashes that lead from one leaf to the root, lowest first. */
  inclusionProof(index: number, size = this.size): Uint8Array[] {
    this.assertSize(size);
    if (index >= size) throw new RangeError(`no leaf ${index} in a tree of ${size}`);
    return this.path(index, 0, size);
  }

  /** PROOF(from, D[0:to]): shows that the tree of `to` leaves extends the tree of `from` leaves. */
  consistencyProof(from: number, to = this.size): Uint8Array[] {
    this.assertSize(to);
    if (from < 1 || from > to) throw new RangeError(`no tree of ${from} leaves before one of ${to}`);
    return from === to ? [] : this.subproof(from, 0, to, true);
  }

  private path(index: number, start: number, end: number): Uint8Array[] {
    if (end - start === 1) return [];
    const middle = start + splitPoint(end - start);
    return index < middle
      ? [...this.path(index, start, middle), this.subtree(middle, end)]
      : [...this.path(index, middle, end), this.subtree(start, middle)];
  }

  private subproof(from: number, start: number, end: number, whole: boolean): Uint8Array[] {
    if (from === end) return whole ? [] : [this.subtree(start, end)];
    const middle = start + splitPoint(end - start);
    return from <= middle
      ? [...this.subproof(from, start, middle, whole), this.subtree(middle, end)]
      : [...this.subproof(from, middle, end, false), this.subtree(start, middle)];
  }

  /** MTH(D[start:end]) where `start` is a multiple of the largest power of two not above the length. */
  private subtree(start: number, end: number): Uint8Array {
    const length = end - start;
    const k = Math.log2(length);
    if (Number.isInteger(k)) return this.levels[k]!.at(start / length);
    const middle = start + splitPoint(length);
    return nodeHash(this.subtree(start, middle), this.subtree(middle, end));
  }

  private assertSize(size: number): void {
    if (!Number.isInteger(size) || size < 0 || size > this.size) {
      throw new RangeError(`expected a tree size of 0 to ${this.size}, got ${size}`);
    }
  }
}

/** The largest power of two below `n`, for n of 2 or more. */
function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/**
 * Verifies an inclusion proof (RFC 9162 section 2.1.3.2), for whoever holds a proof.
 * @public
 */
export function isIncluded(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isTreeIndex(index, size)) return false;
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const p of proof) {
    if (sn === 0 || p.length !== HASH_BYTES) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(p, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      hash = nodeHash(hash, p);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && equalBytes(hash, root);
}

/**
 * Verifies a consistency proof (RFC 9162 section 2.1.4.2), for whoever holds a proof.
 * @public
 */
export function isConsistent(
  fromSize: number,
  toSize: number,
  proof: readonly Uint8Array[],
  fromRoot: Uint8Array,
  toRoot: Uint8Array,
): boolean {
  if (!isTreeIndex(fromSize - 1, toSize)) return false;
  if (fromSize === toSize) return proof.length === 0 && equalBytes(fromRoot, toRoot);
  if (proof.some((p) => p.length !== HASH_BYTES)) return false;
  const path = Number.isInteger(Math.log2(fromSize)) ? [fromRoot, ...proof] : [...proof];
  let fn = fromSize - 1;
  let sn = toSize - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  let from = path[0];
  let to = path[0];
  if (from === undefined || to === undefined) return false;
  for (const p of path.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      from = nodeHash(p, from);
      to = nodeHash(p, to);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      to = nodeHash(to, p);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && equalBytes(from, fromRoot) && equalBytes(to, toRoot);
}

function isTreeIndex(index: number, size: number): boolean {
  return Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size;
}
