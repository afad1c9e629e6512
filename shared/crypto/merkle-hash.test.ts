import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '#shared/crypto/hash.ts';
import { EMPTY_ROOT, leafHash, MerkleRootBuilder, nodeHash } from '#shared/crypto/merkle-hash.ts';

const reference = JSON.parse(
  readFileSync(new URL('../../tests/vectors/merkle-tree.json', import.meta.url), 'utf8'),
) as { leaves: string[]; roots: string[] };

function builtRoot(leaves: readonly Uint8Array[]): string {
  const builder = new MerkleRootBuilder();
  for (const leaf of leaves) builder.add(leaf);
  return toHex(builder.root());
}

/** MTH as RFC 6962 section 2.1 defines it. */
function naiveRoot(data: readonly Uint8Array[]): string {
  const hash = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
  const mth = (d: readonly Uint8Array[]): Uint8Array => {
    if (d.length === 0) return hash();
    if (d.length === 1) return hash(Uint8Array.of(0), d[0]!);
    let k = 1;
    while (2 * k < d.length) k *= 2;
    return hash(Uint8Array.of(1), mth(d.slice(0, k)), mth(d.slice(k)));
  };
  return toHex(mth(data));
}

describe('the root that leaves are added to one by one', () => {
  test.each(reference.roots.map((root, size) => [size, root]))(
    'over the first %i reference leaves is the published root',
    (size, root) => {
      const leaves = reference.leaves.slice(0, size).map((leaf) => leafHash(fromHex(leaf)));
      expect(builtRoot(leaves)).toBe(root);
    },
  );

  test('is the recursive definition for every size up to 130', () => {
    const data = Array.from({ length: 130 }, (_, i) => Uint8Array.of(i, i * 3));
    const builder = new MerkleRootBuilder();
    for (let n = 0; n <= data.length; n++) {
      expect(toHex(builder.root())).toBe(naiveRoot(data.slice(0, n)));
      expect(builder.size).toBe(n);
      if (n < data.length) builder.add(leafHash(data[n]!));
    }
  });

  test('is the recursive definition for random leaves', () => {
    const leaves = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 300 });
    fc.assert(
      fc.property(leaves, (data) => {
        expect(builtRoot(data.map((d) => leafHash(d)))).toBe(naiveRoot(data));
      }),
      { numRuns: 40 },
    );
  });

  test('may be read at any time without disturbing what follows', () => {
    const leaves = Array.from({ length: 13 }, (_, i) => leafHash(Uint8Array.of(i)));
    const builder = new MerkleRootBuilder();
    for (const leaf of leaves) {
      builder.add(leaf);
      builder.root();
      builder.root();
    }
    expect(toHex(builder.root())).toBe(builtRoot(leaves));
  });
});

describe('hashing', () => {
  test('of no leaves is SHA-256 of nothing', () => {
    expect(toHex(EMPTY_ROOT)).toBe(reference.roots[0]);
  });

  test('a leaf made of two node hashes is not the node above them', () => {
    const [a, b] = [leafHash(Uint8Array.of(1)), leafHash(Uint8Array.of(2))];
    expect(toHex(leafHash(a, b))).not.toBe(toHex(nodeHash(a, b)));
  });

  test('the order of two children matters', () => {
    const [a, b] = [leafHash(Uint8Array.of(1)), leafHash(Uint8Array.of(2))];
    expect(toHex(nodeHash(a, b))).not.toBe(toHex(nodeHash(b, a)));
  });

  test('a leaf given in pieces is the leaf of the whole', () => {
    expect(toHex(leafHash(Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3)))).toBe(
      toHex(leafHash(Uint8Array.of(1, 2, 3))),
    );
  });
});
