import { expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signCheckpoint } from '#shared/ledger/checkpoint.ts';
import { compareNotes, compareWithTree, verifyForkProof, type ForkProof } from '#shared/ledger/fork-proof.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';

const ORIGIN = 'tallystick.example/one';
const [oldSeed, newSeed, strangerSeed] = ['old', 'new', 'stranger'].map((name) => sha256(utf8(name))) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const keyOf = (seed: Uint8Array): string => toBase64Url(publicKeyOf(seed));
/** The key was changed by entry 9. */
const KEYS = [
  { key: keyOf(oldSeed), from: 1 },
  { key: keyOf(newSeed), from: 10 },
];

/** Alike in the first `common` entries. */
function treeOf(size: number, branch: string, common: number): MerkleTree {
  const tree = new MerkleTree();
  for (let i = 0; i < size; i++) tree.append(sha256(utf8(i < common ? `${i}` : `${branch} ${i}`)));
  return tree;
}

function proofOf(older: MerkleTree, newer: MerkleTree, [a, b]: readonly [Uint8Array, Uint8Array]): ForkProof {
  return {
    ...{ v: 1, kind: 'fork' },
    older: signCheckpoint(ORIGIN, older.size, older.root(), a),
    newer: signCheckpoint(ORIGIN, newer.size, newer.root(), b),
    otherRoot: toHex(newer.root(older.size)),
    proof: newer.consistencyProof(older.size).map(toHex),
  };
}

test.each([
  [5, 8],
  [8, 9],
  [7, 14],
  [12, 14],
])('two heads, of %d and %d entries, that part before the first are proof', (from, to) => {
  const seedAt = (size: number): Uint8Array => (size < 10 ? oldSeed : newSeed);
  const evidence = proofOf(treeOf(from, 'x', 3), treeOf(to, 'y', 3), [seedAt(from), seedAt(to)]);
  expect(verifyForkProof(evidence, ORIGIN, KEYS)).toMatchObject({
    older: { size: from },
    newer: { size: to },
  });
});

test('two heads of which one extends the other are no proof, whatever root is claimed', () => {
  const honest = proofOf(treeOf(5, 'x', 9), treeOf(9, 'x', 9), [oldSeed, oldSeed]);
  expect(() => verifyForkProof(honest, ORIGIN, KEYS)).toThrow(/does not show/);
  for (const otherRoot of ['a'.repeat(64), toHex(treeOf(9, 'x', 9).root())])
    expect(() => verifyForkProof({ ...honest, otherRoot }, ORIGIN, KEYS)).toThrow(/does not show/);
  const backwards = { ...honest, older: honest.newer, newer: honest.older };
  expect(() => verifyForkProof(backwards, ORIGIN, KEYS)).toThrow(/does not show/);
});

test('a head by a key the ledger has changed from incriminates nobody: that key may have been stolen', () => {
  const stolen = proofOf(treeOf(12, 'true', 3), treeOf(14, 'forged', 3), [newSeed, oldSeed]);
  expect(() => verifyForkProof(stolen, ORIGIN, KEYS)).toThrow(/valid signature/);
  const notes = [stolen.older, stolen.newer] as const;
  expect(() => compareNotes(...notes, ORIGIN, KEYS)).toThrow(/valid signature/);
});

test('heads of another ledger, or by a stranger, are no proof', () => {
  const evidence = proofOf(treeOf(5, 'x', 3), treeOf(8, 'y', 3), [oldSeed, strangerSeed]);
  expect(() => verifyForkProof(evidence, ORIGIN, KEYS)).toThrow(/valid signature/);
  expect(() => verifyForkProof(evidence, 'tallystick.example/two', KEYS)).toThrow(/expected a checkpoint/);
  expect(() => verifyForkProof(evidence, ORIGIN, [])).toThrow(/no key/);
});

test('two notes of one size and two roots are proof as they are', () => {
  const [a, b] = ['x', 'y'].map((branch) =>
    signCheckpoint(ORIGIN, 5, treeOf(5, branch, 3).root(), oldSeed),
  ) as [string, string];
  const compared = compareNotes(a, b, ORIGIN, KEYS);
  expect(compared.kind).toBe('fork');
  if (compared.kind === 'fork') verifyForkProof(compared.proof, ORIGIN, KEYS);
  expect(compareNotes(a, a, ORIGIN, KEYS).kind).toBe('same');
});

test('two notes of different sizes are one history, a fork that anybody can check, or unknown, as a whole history tells', () => {
  const [x, y] = [treeOf(9, 'x', 9), treeOf(9, 'y', 3)];
  const noteOf = (tree: MerkleTree, size: number): string =>
    signCheckpoint(ORIGIN, size, tree.root(size), oldSeed);
  const compared = (a: string, b: string, tree: MerkleTree) => {
    const alone = compareNotes(a, b, ORIGIN, KEYS);
    if (alone.kind !== 'open') throw new Error(`expected an open comparison, got ${alone.kind}`);
    return compareWithTree(alone, tree);
  };
  // whichever is given first
  for (const notes of [[noteOf(x, 5), noteOf(x, 8)] as const, [noteOf(x, 8), noteOf(x, 5)] as const])
    expect(compared(...notes, x)).toEqual({ kind: 'same' });
  // both histories are alike up to entry 3
  expect(compared(noteOf(y, 3), noteOf(x, 8), x)).toEqual({ kind: 'same' });
  for (const notes of [[noteOf(y, 5), noteOf(x, 8)] as const, [noteOf(x, 8), noteOf(y, 5)] as const]) {
    const fork = compared(...notes, x);
    if (fork.kind !== 'fork') throw new Error(`expected a fork, got ${fork.kind}`);
    expect(verifyForkProof(fork.proof, ORIGIN, KEYS)).toMatchObject({
      older: { size: 5 },
      newer: { size: 8 },
    });
    // the history of the older note does not say what the newer one is of
    expect(compared(...notes, y)).toEqual({ kind: 'unknown' });
    // nor does one that is not as long
    expect(compared(...notes, treeOf(7, 'x', 9))).toEqual({ kind: 'unknown' });
  }
});
