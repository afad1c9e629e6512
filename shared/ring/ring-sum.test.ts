import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import type { Field, Ring } from '#shared/ring/field.ts';
import { addInto, assertWithinLimits, createWords, RingSum, wordsOf } from '#shared/ring/ring-sum.ts';

const RINGS: Ring[] = ['u32', 'u64'];
const BITS = { u32: 32, u64: 64 };

function field(name: string, length: number, scale: number, clip: number): Field {
  return { name, length, scale, clip, rounding: 'nearest' };
}

/** Limits 2, 11 and 101: ⌊scale · clip⌋ + 1. */
const FIELDS = [field('a', 3, 1, 1), field('b', 2, 4, 2.5), field('c', 4, 0.5, 200)];

/** Two's complement of `integers`. */
function words(ring: Ring, integers: readonly (number | bigint)[]): RingWords {
  const wrapped = integers.map((integer) => BigInt.asUintN(BITS[ring], BigInt(integer)));
  return ring === 'u32' ? Uint32Array.from(wrapped, Number) : BigUint64Array.from(wrapped);
}

function outcomeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof FederationError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('addInto', () => {
  test.each(RINGS)('adds modulo the ring like integers of any size, from any offset, in %s', (ring) => {
    const modulus = 2n ** BigInt(BITS[ring]);
    const word = fc.oneof(
      fc.bigInt({ min: 0n, max: modulus - 1n }),
      fc.constantFrom(0n, 1n, modulus - 1n, modulus / 2n, modulus / 2n - 1n),
    );
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 8, maxLength: 8 }),
        fc.array(word, { maxLength: 5 }),
        fc.nat({ max: 3 }),
        (sum, part, offset) => {
          const into = words(ring, sum);
          const added = words(ring, part);
          addInto(into, added, offset);
          const expected = sum.map((value, i) => (value + (part[i - offset] ?? 0n)) % modulus);
          expect(Array.from(into, BigInt)).toEqual(expected);
          expect(Array.from(added, BigInt)).toEqual(part);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('works on views that do not begin at their buffer', () => {
    const buffer = new Uint32Array(6).fill(5);
    addInto(buffer.subarray(2, 5), Uint32Array.of(9, 1, 2, 3).subarray(1));
    expect([...buffer]).toEqual([5, 5, 6, 7, 8, 5]);
  });

  test('refuses vectors of two rings', () => {
    for (const [one, other] of [RINGS, [...RINGS].reverse()] as [Ring, Ring][]) {
      expect(outcomeOf(() => addInto(createWords(one, 2), createWords(other, 2)))).toMatch(/^SHAPE/);
    }
  });

  test('does not depend on the order of the vectors', () => {
    const vectors = [
      words('u32', [1, -5, 2 ** 31 - 1]),
      words('u32', [1, 7, 9]),
      words('u32', [1, -1, -(2 ** 31)]),
    ];
    const sumOf = (order: number[]) => {
      const sum = createWords('u32', 3);
      for (const i of order) addInto(sum, vectors[i]!);
      return sum;
    };
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (const order of orders) expect(sumOf(order)).toEqual(words('u32', [3, 1, 8]));
  });
});

describe('wordsOf', () => {
  const bytes = Uint8Array.of(
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    2,
    0,
    0,
    0,
    0,
    0,
    128,
    254,
    255,
    255,
    255,
    255,
    255,
    255,
    255,
  );

  test('reads little-endian words', () => {
    expect(wordsOf('u32', bytes.slice(8))).toEqual(
      Uint32Array.of(0x201, 0x8000_0000, 0xffff_fffe, 0xffff_ffff),
    );
    expect(wordsOf('u64', bytes.slice(8))).toEqual(
      BigUint64Array.of(0x8000_0000_0000_0201n, 0xffff_ffff_ffff_fffen),
    );
  });

  test.each(RINGS)('is a view where the bytes are aligned and a copy where they are not, in %s', (ring) => {
    const aligned = bytes.slice().subarray(8, 24);
    expect(wordsOf(ring, aligned).buffer).toBe(aligned.buffer);
    for (let shift = 1; shift < 8; shift++) {
      const shifted = new Uint8Array(32);
      shifted.set(aligned, shift);
      expect(wordsOf(ring, shifted.subarray(shift, shift + 16))).toEqual(wordsOf(ring, aligned));
      const fromSocket = Buffer.from(shifted.buffer, shift, 16);
      expect(wordsOf(ring, fromSocket)).toEqual(wordsOf(ring, aligned));
    }
  });

  test('refuses bytes that are not whole words', () => {
    for (const length of [1, 2, 3, 5, 7]) {
      expect(outcomeOf(() => wordsOf('u32', bytes.subarray(0, length)))).toMatch(/^SHAPE/);
    }
    for (const length of [1, 4, 12]) {
      expect(outcomeOf(() => wordsOf('u64', bytes.subarray(0, length)))).toMatch(/^SHAPE/);
    }
    expect(wordsOf('u64', new Uint8Array(0))).toHaveLength(0);
  });
});

describe('assertWithinLimits', () => {
  const honest = [1, 2, -2, 0, 11, -11, 101, -101, 5, 0];

  test.each(RINGS)('accepts a vector at the limits of all its fields in %s', (ring) => {
    expect(outcomeOf(() => assertWithinLimits(words(ring, honest), 0, FIELDS))).toBe('accepted');
  });

  test.each(RINGS)('names the field and the word that are beyond them in %s', (ring) => {
    const places: [index: number, name: string, word: number, limit: number][] = [
      [1, 'a', 0, 2],
      [3, 'a', 2, 2],
      [4, 'b', 0, 11],
      [5, 'b', 1, 11],
      [6, 'c', 0, 101],
      [9, 'c', 3, 101],
    ];
    const extreme = 2n ** BigInt(BITS[ring] - 1);
    for (const [index, name, word, limit] of places) {
      for (const value of [limit + 1, -limit - 1, extreme - 1n, -extreme]) {
        const outcome = outcomeOf(() =>
          assertWithinLimits(words(ring, honest.with(index, Number(value))), 0, FIELDS),
        );
        expect(outcome).toMatch(new RegExp(`^RANGE: .*"${name}".*\\b${word}\\b.*${limit}`));
      }
    }
  });

  test.each(RINGS)('wants a canary of exactly 1 in %s', (ring) => {
    for (const canary of [0, 2, -1, 2 ** 31]) {
      expect(outcomeOf(() => assertWithinLimits(words(ring, honest.with(0, canary)), 0, FIELDS))).toMatch(
        /^CANARY/,
      );
    }
  });

  test.each(RINGS)('says of slices what it says of the whole, wherever they are cut, in %s', (ring) => {
    const vectors = [
      honest,
      ...honest.map((value, i) => honest.with(i, value + 200)),
      honest.with(1, -3).with(8, 150),
    ];
    for (const vector of vectors) {
      const whole = words(ring, vector);
      const expected = outcomeOf(() => assertWithinLimits(whole, 0, FIELDS));
      for (let first = 1; first < whole.length; first++) {
        for (let second = first; second <= whole.length; second++) {
          const sliced = outcomeOf(() => {
            assertWithinLimits(whole.subarray(0, first), 0, FIELDS);
            assertWithinLimits(whole.subarray(first, second), first, FIELDS);
            assertWithinLimits(whole.subarray(second), second, FIELDS);
          });
          expect(sliced, `cut at ${first} and ${second}`).toBe(expected);
        }
      }
    }
  });
});

describe('RingSum', () => {
  const sumOfTwo = [2, 4, -4, 1, 22, -22, 202, -202, 5, 7];

  test.each(RINGS)('decodes each field in its own unit, in %s', (ring) => {
    const sum = new RingSum(words(ring, sumOfTwo), FIELDS, 2);
    expect(sum.banks).toBe(2);
    expect(sum.numbers('a')).toEqual(Float64Array.of(4, -4, 1));
    expect(sum.numbers('b')).toEqual(Float64Array.of(5.5, -5.5));
    expect(sum.numbers('c')).toEqual(Float64Array.of(404, -404, 10, 14));
    expect(sum.number('b')).toBe(5.5);
  });

  test('shows the summed integers of a u32 field without a copy, and refuses for u64', () => {
    const vector = words('u32', sumOfTwo);
    const integers = new RingSum(vector, FIELDS, 2).integers('b');
    expect(integers).toEqual(Int32Array.of(22, -22));
    expect(integers.buffer).toBe(vector.buffer);
    expect(() => new RingSum(words('u64', sumOfTwo), FIELDS, 2).integers('b')).toThrow(TypeError);
  });

  test('reads a vector that lies inside a larger buffer', () => {
    const padded = words('u32', [9, 9, ...sumOfTwo, 9]).subarray(2, 12);
    expect(new RingSum(padded, FIELDS, 2).integers('c')).toEqual(Int32Array.of(202, -202, 5, 7));
  });

  test('has no fields but those of the question', () => {
    const sum = new RingSum(words('u32', sumOfTwo), FIELDS, 2);
    for (const name of ['d', '', 'canary', 'constructor'])
      expect(() => sum.numbers(name)).toThrow(RangeError);
  });

  test.each(RINGS)('refuses another length in %s', (ring) => {
    for (const vector of [sumOfTwo.slice(0, -1), [...sumOfTwo, 0], []]) {
      expect(outcomeOf(() => new RingSum(words(ring, vector), FIELDS, 2))).toMatch(/^SHAPE/);
    }
  });

  test.each(RINGS)('refuses a canary that counts another number of banks in %s', (ring) => {
    for (const [canary, banks] of [
      [1, 2],
      [3, 2],
      [0, 2],
      [-2, 2],
      [2, 3],
      [1_854_534_002, 2],
    ] as const) {
      expect(outcomeOf(() => new RingSum(words(ring, sumOfTwo.with(0, canary)), FIELDS, banks))).toMatch(
        /^CANARY/,
      );
    }
  });

  test.each(RINGS)('accepts what the banks together may send and refuses one more, in %s', (ring) => {
    for (const [index, limit, name] of [
      [3, 2, 'a'],
      [4, 11, 'b'],
      [9, 101, 'c'],
    ] as const) {
      for (const sign of [1, -1]) {
        const at = sumOfTwo.with(index, sign * 2 * limit);
        expect(outcomeOf(() => new RingSum(words(ring, at), FIELDS, 2))).toBe('accepted');
        const beyond = sumOfTwo.with(index, sign * (2 * limit + 1));
        expect(outcomeOf(() => new RingSum(words(ring, beyond), FIELDS, 2))).toMatch(
          new RegExp(`^RANGE.*"${name}"`),
        );
      }
    }
  });

  test.each(RINGS)('refuses a sum that wrapped around, in %s', (ring) => {
    const extreme = 2n ** BigInt(BITS[ring] - 1);
    for (const value of [extreme - 1n, -extreme, -extreme + 1n]) {
      const sum = [...sumOfTwo.slice(0, 5), value, ...sumOfTwo.slice(6)];
      expect(outcomeOf(() => new RingSum(words(ring, sum), FIELDS, 2))).toMatch(/^RANGE.*"b"/);
    }
  });

  test('of the largest u32 field for one bank has limits up to the edge of the ring', () => {
    const largest = [field('x', 1, 1, 2 ** 31 - 3)]; // limit 2^31 − 2
    for (const [value, outcome] of [
      [2 ** 31 - 2, 'accepted'],
      [2 ** 31 - 1, 'RANGE'],
      [-(2 ** 31) + 2, 'accepted'],
      [-(2 ** 31) + 1, 'RANGE'],
      [-(2 ** 31), 'RANGE'],
    ] as const) {
      expect(outcomeOf(() => new RingSum(words('u32', [1, value]), largest, 1))).toMatch(
        new RegExp(`^${outcome}`),
      );
    }
  });

  test('of the largest u64 field for one bank reads every number up to its limit, and none beyond', () => {
    const limit = 2n ** 53n - 2n;
    const largest = [field('x', 1, 1, 2 ** 53 - 3)];
    const integer = fc.bigInt({ min: -limit, max: limit });
    const edges = fc.constantFrom(limit, -limit, 2n ** 32n, -(2n ** 32n), 2n ** 31n, -(2n ** 31n), -1n, 0n);
    fc.assert(
      fc.property(fc.oneof(integer, edges), (value) => {
        // a view into a larger buffer, as sums come off the wire
        const vector = words('u64', [7, 1, value]).subarray(1);
        expect(new RingSum(vector, largest, 1).number('x')).toBe(Number(value));
      }),
    );
    for (const beyond of [limit + 1n, limit + 2n, limit + 3n, -limit - 1n, -limit - 3n, 2n ** 62n + 1n]) {
      expect(outcomeOf(() => new RingSum(words('u64', [1, beyond]), largest, 1))).toMatch(/^RANGE/);
    }
  });
});
