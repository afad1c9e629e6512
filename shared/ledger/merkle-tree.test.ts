import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '#shared/crypto/hash.ts';
import { leafHash } from '#shared/crypto/merkle-hash.ts';
import { isConsistent, isIncluded, MerkleTree } from '#shared/ledger/merkle-tree.ts';

const reference = JSON.parse(
  readFileSync(new URL('../../tests/vectors/merkle-tree.json', import.meta.url), 'utf8'),
) as {
  leaves: string[];
  roots: string[];
  inclusion: { index: number; size: number; proof: string[] }[];
  consistency: { from: number; to: number; proof: string[] }[];
};

const SIZE_MAX = 64;
const leaves = Array.from({ length: SIZE_MAX }, (_, i) => leafHash(Uint8Array.of(i, 255 - i)));
const tree = treeOf(leaves);
const roots = Array.from({ length: SIZE_MAX + 1 }, (_, n) => naiveRoot(leaves.slice(0, n)));

function treeOf(hashes: readonly Uint8Array[]): MerkleTree {
  const grown = new MerkleTree();
  for (const hash of hashes) grown.append(hash);
  return grown;
}

/** MTH over leaf hashes, from the definition in RFC 6962 section 2.1. */
function naiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  const sha = (...parts: Uint8Array[]) =>
    new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest());
  if (hashes.length === 0) return sha();
  if (hashes.length === 1) return hashes[0]!;
  let k = 1;
  while (2 * k < hashes.length) k *= 2;
  return sha(Uint8Array.of(1), naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

/** The proof with one thing wrong, in every way we can think of. */
function mutations(proof: readonly Uint8Array[], bitAt: number): [what: string, proof: Uint8Array[]][] {
  const wrong: [string, Uint8Array[]][] = [
    ['an element more at the end', [...proof, leaves[0]!]],
    ['an element more at the start', [leaves[1]!, ...proof]],
    ['an empty element', [...proof, new Uint8Array(0)]],
  ];
  proof.forEach((element, i) => {
    const bit = (bitAt + 37 * i) % 256;
    const flipped = Uint8Array.from(element);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    wrong.push([`bit ${bit} of element ${i} flipped`, proof.with(i, flipped)]);
    wrong.push([`element ${i} dropped`, proof.filter((_, j) => j !== i)]);
    wrong.push([`element ${i} doubled`, proof.toSpliced(i, 0, element)]);
    wrong.push([`element ${i} a byte short`, proof.with(i, element.slice(0, 31))]);
    wrong.push([`element ${i} a byte long`, proof.with(i, Uint8Array.of(...element, 0))]);
    if (i > 0)
      wrong.push([`elements ${i - 1} and ${i} swapped`, proof.with(i - 1, element).with(i, proof[i - 1]!)]);
  });
  return wrong;
}

describe('the certificate-transparency reference vectors', () => {
  const published = treeOf(reference.leaves.map((leaf) => leafHash(fromHex(leaf))));

  test('give the published root for each size', () => {
    expect(reference.roots.map((_, size) => toHex(published.root(size)))).toEqual(reference.roots);
  });

  test.each(reference.inclusion)('the proof of leaf $index in $size is the published one', (vector) => {
    const { index, size, proof } = vector;
    expect(published.inclusionProof(index, size).map(toHex)).toEqual(proof);
    const leaf = leafHash(fromHex(reference.leaves[index]!));
    expect(isIncluded(leaf, index, size, proof.map(fromHex), fromHex(reference.roots[size]!))).toBe(true);
  });

  test.each(reference.consistency)('the proof from $from to $to is the published one', (vector) => {
    const { from, to, proof } = vector;
    expect(published.consistencyProof(from, to).map(toHex)).toEqual(proof);
    const [older, newer] = [fromHex(reference.roots[from]!), fromHex(reference.roots[to]!)];
    expect(isConsistent(from, to, proof.map(fromHex), older, newer)).toBe(true);
  });
});

describe('the root', () => {
  test('is the recursive definition for every size up to 64, whatever was appended since', () => {
    for (let n = 0; n <= SIZE_MAX; n++) expect(toHex(tree.root(n))).toBe(toHex(roots[n]!));
    expect(toHex(tree.root())).toBe(toHex(roots[SIZE_MAX]!));
    expect(tree.size).toBe(SIZE_MAX);
  });

  test.each([-1, SIZE_MAX + 1, 1.5, Number.NaN])('of %d leaves is refused', (size) => {
    expect(() => tree.root(size)).toThrow(/expected a tree size of 0 to 64/);
  });
});

test('a tree is the same however many leaves are appended at once', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 12 }), (counts) => {
      const grown = new MerkleTree();
      let size = 0;
      for (const count of counts) {
        const some = leaves.slice(size, size + count);
        grown.append(new Uint8Array(Buffer.concat(some)));
        size += some.length;
        expect(toHex(grown.root())).toBe(toHex(roots[size]!));
      }
      expect(grown.levelBytes()).toEqual(treeOf(leaves.slice(0, size)).levelBytes());
      expect(grown.leaves(0, size)).toEqual(new Uint8Array(Buffer.concat(leaves.slice(0, size))));
    }),
  );
});

describe('an inclusion proof', () => {
  test('of every leaf in every tree up to 64 is accepted, and has at most ⌈log₂ size⌉ hashes', () => {
    for (let size = 1; size <= SIZE_MAX; size++) {
      for (let index = 0; index < size; index++) {
        const proof = tree.inclusionProof(index, size);
        expect(proof.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
        expect(isIncluded(leaves[index]!, index, size, proof, roots[size]!)).toBe(true);
      }
    }
  });

  test('is refused after any change, for every leaf in every tree up to 20', () => {
    for (let size = 1; size <= 20; size++) {
      for (let index = 0; index < size; index++) {
        const proof = tree.inclusionProof(index, size);
        for (const [what, wrong] of mutations(proof, 11 * size + index)) {
          const accepted = isIncluded(leaves[index]!, index, size, wrong, roots[size]!);
          expect(accepted, `${index} of ${size}: ${what}`).toBe(false);
        }
      }
    }
  });

  test('is refused for another leaf, another index and another root', () => {
    for (let size = 2; size <= 33; size++) {
      for (let index = 0; index < size; index++) {
        const proof = tree.inclusionProof(index, size);
        const other = (index + 1) % size;
        expect(isIncluded(leaves[other]!, index, size, proof, roots[size]!)).toBe(false);
        expect(isIncluded(leaves[index]!, other, size, proof, roots[size]!)).toBe(false);
        expect(isIncluded(leaves[index]!, index, size, proof, roots[size - 1]!)).toBe(false);
      }
    }
  });

  test('is refused for an index outside the tree and for sizes that are none', () => {
    const proof = tree.inclusionProof(3, 8);
    const bad = [
      [-1, 8],
      [8, 8],
      [3.5, 8],
      [3, 0],
      [3, Number.NaN],
      [Number.NaN, 8],
      [3, Infinity],
      [3, 2 ** 53],
    ] as const;
    for (const [index, size] of bad) {
      expect(isIncluded(leaves[3]!, index, size, proof, roots[8]!), `${index} of ${size}`).toBe(false);
    }
  });

  test('cannot pass an inner node off as a leaf', () => {
    const [, ...upper] = tree.inclusionProof(0, 8);
    const node = naiveRoot(leaves.slice(0, 2));
    expect(isIncluded(node, 0, 8, upper, roots[8]!)).toBe(false);
  });

  test('of a leaf beyond the tree is not given', () => {
    expect(() => tree.inclusionProof(5, 5)).toThrow(/no leaf 5/);
    expect(() => tree.inclusionProof(0, SIZE_MAX + 1)).toThrow(/expected a tree size/);
    expect(() => new MerkleTree().inclusionProof(0)).toThrow(RangeError);
  });
});

describe('a consistency proof', () => {
  test('between all trees up to 64 is accepted', () => {
    for (let to = 1; to <= SIZE_MAX; to++) {
      for (let from = 1; from <= to; from++) {
        const proof = tree.consistencyProof(from, to);
        expect(isConsistent(from, to, proof, roots[from]!, roots[to]!), `${from} → ${to}`).toBe(true);
      }
    }
  });

  test('is refused after any change, between all trees up to 20', () => {
    for (let to = 1; to <= 20; to++) {
      for (let from = 1; from <= to; from++) {
        const proof = tree.consistencyProof(from, to);
        for (const [what, wrong] of mutations(proof, 13 * to + from)) {
          const accepted = isConsistent(from, to, wrong, roots[from]!, roots[to]!);
          expect(accepted, `${from} → ${to}: ${what}`).toBe(false);
        }
      }
    }
  });

  test('is refused for any other pair of sizes up to 20', () => {
    for (let to = 2; to <= 20; to++) {
      for (let from = 1; from < to; from++) {
        const proof = tree.consistencyProof(from, to);
        for (let other = 1; other <= 20; other++) {
          if (other !== from) {
            expect(isConsistent(other, to, proof, roots[from]!, roots[to]!), `${other} → ${to}`).toBe(false);
          }
        }
      }
    }
  });

  test('is refused for roots of a tree in which one early leaf was replaced', () => {
    const forked = treeOf(leaves.with(2, leafHash(Uint8Array.of(99))));
    for (const [from, to] of [
      [3, 7],
      [4, 8],
      [6, 13],
      [16, 33],
      [5, 5],
    ] as const) {
      const proof = forked.consistencyProof(from, to);
      expect(isConsistent(from, to, proof, roots[from]!, forked.root(to))).toBe(false);
      expect(isConsistent(from, to, proof, forked.root(from), roots[to]!)).toBe(false);
      expect(isConsistent(from, to, tree.consistencyProof(from, to), roots[from]!, forked.root(to))).toBe(
        false,
      );
    }
  });

  test('says nothing about a tree of no leaves, nor backwards', () => {
    expect(isConsistent(0, 4, [], roots[0]!, roots[4]!)).toBe(false);
    expect(isConsistent(4, 3, tree.consistencyProof(3, 4), roots[4]!, roots[3]!)).toBe(false);
    for (const from of [3, 4, 7]) expect(isConsistent(from, 8, [], roots[from]!, roots[8]!)).toBe(false);
    expect(isConsistent(1.5, 4, tree.consistencyProof(1, 4), roots[1]!, roots[4]!)).toBe(false);
    expect(() => tree.consistencyProof(0, 4)).toThrow(/no tree of 0 leaves/);
    expect(() => tree.consistencyProof(5, 4)).toThrow(/no tree of 5 leaves/);
    expect(() => tree.consistencyProof(4, SIZE_MAX + 1)).toThrow(/expected a tree size/);
  });
});

describe('a large tree', () => {
  const many = Array.from({ length: 5000 }, (_, i) => leafHash(Uint8Array.of(i & 255, i >> 8)));
  const large = treeOf(many);

  test('has right roots and proofs at random sizes', () => {
    const pair = fc.integer({ min: 1, max: many.length }).chain((to) =>
      fc.record({
        to: fc.constant(to),
        from: fc.integer({ min: 1, max: to }),
        index: fc.nat({ max: to - 1 }),
        bit: fc.nat({ max: 255 }),
      }),
    );
    fc.assert(
      fc.property(pair, ({ from, to, index, bit }) => {
        const [older, newer] = [large.root(from), large.root(to)];
        expect(toHex(newer)).toBe(toHex(naiveRoot(many.slice(0, to))));
        const inclusion = large.inclusionProof(index, to);
        expect(isIncluded(many[index]!, index, to, inclusion, newer)).toBe(true);
        const consistency = large.consistencyProof(from, to);
        expect(isConsistent(from, to, consistency, older, newer)).toBe(true);
        for (const [, wrong] of mutations(inclusion, bit)) {
          expect(isIncluded(many[index]!, index, to, wrong, newer)).toBe(false);
        }
        for (const [, wrong] of mutations(consistency, bit)) {
          expect(isConsistent(from, to, wrong, older, newer)).toBe(false);
        }
      }),
      { numRuns: 25 },
    );
  });

  test('does not change proofs that were given before it grew', () => {
    const grown = treeOf(many.slice(0, 64));
    const before = grown.inclusionProof(5, 64);
    const hex = before.map(toHex);
    for (const leaf of many.slice(64, 300)) grown.append(leaf);
    expect(before.map(toHex)).toEqual(hex);
    expect(grown.inclusionProof(5, 64).map(toHex)).toEqual(hex);
  });
});
