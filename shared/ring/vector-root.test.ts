import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, RootHasher, vectorRoot } from '#shared/ring/vector-root.ts';

const CHUNK = 1_048_576;

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** RFC 6962 over chunks of 1 MiB, from the definition. */
function naiveRoot(bytes: Uint8Array): string {
  const leaves: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += CHUNK) {
    leaves.push(sha256(Uint8Array.of(0), bytes.subarray(start, start + CHUNK)));
  }
  const mth = (list: Buffer[]): Buffer => {
    if (list.length === 0) return sha256();
    if (list.length === 1) return list[0]!;
    let k = 1;
    while (2 * k < list.length) k *= 2;
    return sha256(Uint8Array.of(1), mth(list.slice(0, k)), mth(list.slice(k)));
  };
  return mth(leaves).toString('hex');
}

const body = Uint8Array.from({ length: 5 * CHUNK + 3 }, (_, i) => (i * 31 + (i >> 12)) & 0xff);

describe('vectorRoot', () => {
  test('of nothing is the empty root, of a short body its leaf hash', () => {
    expect(vectorRoot(new Uint8Array(0))).toBe(sha256().toString('hex'));
    expect(vectorRoot(Buffer.from('abc'))).toBe(sha256(Buffer.from('\0abc')).toString('hex'));
  });

  test.each([
    1,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    2 * CHUNK,
    2 * CHUNK + 1,
    3 * CHUNK - 1,
    4 * CHUNK,
    5 * CHUNK + 3,
  ])('of %i bytes is the Merkle root over chunks of 1 MiB', (length) => {
    expect(vectorRoot(body.subarray(0, length))).toBe(naiveRoot(body.subarray(0, length)));
  });

  test('is over the bytes of a typed array, little-endian, and of nothing beside it', () => {
    const numbers = Float64Array.of(7, 1.5, -2, 7).subarray(1, 3);
    const bytes = Buffer.alloc(16);
    bytes.writeDoubleLE(1.5, 0);
    bytes.writeDoubleLE(-2, 8);
    expect(Buffer.from(bytesOf(numbers)).equals(bytes)).toBe(true);
    expect(vectorRoot(numbers)).toBe(naiveRoot(bytes));
    expect(bytesOf(numbers).buffer).toBe(numbers.buffer);
  });

  test('tells bodies apart that differ by a byte at their end or in length only', () => {
    const roots = [CHUNK, CHUNK + 1, CHUNK + 2].map((length) => vectorRoot(new Uint8Array(length)));
    expect(new Set(roots).size).toBe(3);
    const changed = body.slice();
    changed[changed.length - 1]! ^= 1;
    expect(vectorRoot(changed)).not.toBe(vectorRoot(body));
  });
});

describe('RootHasher', () => {
  test('gives the root of the whole, whatever the pieces', () => {
    const expected = naiveRoot(body);
    const length = fc.oneof(
      fc.integer({ min: 0, max: 40_000 }),
      fc.integer({ min: 0, max: 2 * CHUNK + 9 }),
      fc.constantFrom(CHUNK, CHUNK - 1, CHUNK + 1),
    );
    fc.assert(
      fc.property(fc.array(length, { maxLength: 12 }), (lengths) => {
        const hasher = new RootHasher();
        let at = 0;
        for (const piece of lengths) {
          hasher.update(body.subarray(at, at + piece));
          at = Math.min(body.length, at + piece);
        }
        hasher.update(body.subarray(at));
        expect(hasher.root()).toBe(expected);
      }),
      { numRuns: 20 },
    );
  });

  test('may be asked twice', () => {
    const hasher = new RootHasher();
    hasher.update(body.subarray(0, CHUNK + 5));
    expect(hasher.root()).toBe(naiveRoot(body.subarray(0, CHUNK + 5)));
    expect(hasher.root()).toBe(naiveRoot(body.subarray(0, CHUNK + 5)));
  });
});
