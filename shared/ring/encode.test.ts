import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields, type RingWords } from '#shared/ring/encode.ts';
import { assertNoOverflow, fieldLimit, largestScale, type Field, type Ring } from '#shared/ring/field.ts';
import { addInto, createWords, RingSum } from '#shared/ring/ring-sum.ts';

const RINGS: Ring[] = ['u32', 'u64'];
const ROUNDINGS = ['nearest', 'stochastic'] as const;

function field(changes: Partial<Field> = {}): Field {
  return { name: 'x', length: 1, scale: 1, clip: 1000, rounding: 'nearest', ...changes };
}

/** The words after the canary as signed integers. */
function integersOf(words: RingWords): number[] {
  const bits = words instanceof Uint32Array ? 32 : 64;
  return Array.from<number | bigint, number>(words.subarray(1), (word) =>
    Number(BigInt.asIntN(bits, BigInt(word))),
  );
}

function encode(
  values: readonly number[],
  changes: Partial<Field> = {},
  ring: Ring = 'u32',
  seed = 's',
): number[] {
  const whole = field({ length: values.length, ...changes });
  return integersOf(encodeFields({ x: Float64Array.from(values) }, [whole], ring, seed));
}

function refusalOf(run: () => unknown): FederationError {
  try {
    run();
  } catch (error) {
    if (error instanceof FederationError) return error;
    throw error;
  }
  throw new Error('it was encoded');
}

describe('the layout', () => {
  const fields = [
    field({ name: 'b', length: 2, scale: 4, clip: 2 }),
    field({ name: 'a', length: 3, scale: 0.5, clip: 100 }),
  ];
  const values = { a: Float64Array.of(-7, 7.2, 1e9), b: Float32Array.of(0.3125, -5) };

  test('is the canary 1, then the fields in the order of the question', () => {
    // 0.3125 · 4 = 1.25 → 1; −5 → −2 · 4; −7 · 0.5 = −3.5 → −3; 7.2 · 0.5 = 3.6 → 4; 1e9 → 100 · 0.5
    const words = encodeFields(values, fields, 'u32', 's');
    expect(words).toEqual(Uint32Array.of(1, 1, 2 ** 32 - 8, 2 ** 32 - 3, 4, 50));
  });

  test('is the same in u64, in two’s complement of 64 bits', () => {
    const words = encodeFields(values, fields, 'u64', 's');
    expect(words).toEqual(BigUint64Array.of(1n, 1n, 2n ** 64n - 8n, 2n ** 64n - 3n, 4n, 50n));
  });

  test.each(RINGS)('needs every field at its exact length in %s', (ring) => {
    for (const a of [new Float64Array(2), new Float64Array(4), new Float64Array(0)]) {
      const refusal = refusalOf(() => encodeFields({ ...values, a }, fields, ring, 's'));
      expect([refusal.code, refusal.message]).toEqual(['SHAPE', expect.stringMatching(/"a".*3.*\d/)]);
    }
    const missing = refusalOf(() => encodeFields({ b: values.b }, fields, ring, 's'));
    expect([missing.code, missing.message]).toEqual(['SHAPE', expect.stringContaining('none')]);
  });

  test.each(RINGS)('is written over an earlier vector that fits, without a trace of it, in %s', (ring) => {
    const earlier = ring === 'u32' ? new Uint32Array(6).fill(77) : new BigUint64Array(6).fill(77n);
    const words = encodeFields(values, fields, ring, 's', earlier);
    expect(words).toBe(earlier);
    expect(words).toEqual(encodeFields(values, fields, ring, 's'));
    const other = ring === 'u32' ? 'u64' : 'u32';
    for (const unfit of [createWords(ring, 5), createWords(ring, 7), createWords(other, 6)]) {
      expect(encodeFields(values, fields, ring, 's', unfit)).toEqual(words);
    }
  });
});

describe('rounding to nearest', () => {
  test.each(RINGS)('is within half a unit and exact for integers, in %s', (ring) => {
    const any = fc.double({ min: -1000, max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 50 }), fc.constantFrom(1, 0.5, 64, 1000), (values, scale) => {
        const integers = encode(values, { scale }, ring);
        values.forEach((value, i) => expect(Math.abs(integers[i]! - value * scale)).toBeLessThanOrEqual(0.5));
        const whole = values.map((value) => Math.trunc(value));
        expect(encode(whole, {}, ring)).toEqual(whole.map((value) => value + 0));
      }),
      { numRuns: 100 },
    );
  });

  test.each(RINGS)('takes halves upwards, also below zero, in %s', (ring) => {
    expect(encode([0.5, 1.5, 2.5, -0.5, -1.5, -2.5], {}, ring)).toEqual([1, 2, 3, 0, -1, -2]);
  });

  test('gives the same words whatever the seed', () => {
    expect(encode([0.4, -3.6], {}, 'u32', 'one')).toEqual(encode([0.4, -3.6], {}, 'u32', 'other'));
  });
});

describe('stochastic rounding', () => {
  const changes = { rounding: 'stochastic' } as const;

  test('is off by less than a unit, to one of the two neighbours', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.string(),
        (values, seed) => {
          encode(values, { ...changes, scale: 8 }, 'u32', seed).forEach((integer, i) => {
            expect([Math.floor(values[i]! * 8), Math.floor(values[i]! * 8) + 1]).toContain(integer);
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  test('leaves integers alone', () => {
    const integers = Array.from({ length: 5000 }, (_, i) => i - 2500);
    expect(encode(integers, { ...changes, clip: 5000 })).toEqual(integers);
  });

  test.each([0.3, -0.7, 0.5, 12_345.25, -0.01, 0.999])(
    'has the right mean for %d, to five sigma',
    (value) => {
      const rows = 200_000;
      const sum = encode(Array<number>(rows).fill(value), { ...changes, clip: 20_000 }).reduce(
        (a, b) => a + b,
        0,
      );
      const fraction = value - Math.floor(value);
      const sigma = Math.sqrt(rows * fraction * (1 - fraction));
      expect(Math.abs(sum - rows * value)).toBeLessThan(5 * sigma);
    },
  );

  test('decides about neighbours independently: the four outcomes of a pair are equally frequent', () => {
    const words = encode(Array<number>(80_000).fill(0.5), changes);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < words.length; i += 2) counts[2 * words[i]! + words[i + 1]!]! += 1;
    for (const count of counts)
      expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(40_000 * 0.25 * 0.75));
  });

  test('gives the same words for the same seed, and others for another', () => {
    const values = Array.from({ length: 300 }, (_, i) => i / 7);
    expect(encode(values, changes, 'u32', 'one')).toEqual(encode(values, changes, 'u32', 'one'));
    expect(encode(values, changes, 'u32', 'one')).not.toEqual(encode(values, changes, 'u32', 'other'));
  });
});

describe('values beyond ±clip', () => {
  test.each(RINGS)('are sent as ±clip in %s, however large', (ring) => {
    const clip = 2.5;
    const justAbove = 2.5000000000000004;
    const values = [clip, justAbove, 3, 1e300, Number.MAX_VALUE, -clip, -justAbove, -3, -1e300];
    expect(encode(values, { clip, scale: 4 }, ring)).toEqual([10, 10, 10, 10, 10, -10, -10, -10, -10]);
  });

  test.each(RINGS)('keep their sign where the clip is below one, in %s', (ring) => {
    const values = [0.3, 0.5, 0.999, 1.5, -0.3, -0.5, -1.5, 0.2];
    expect(encode(values, { clip: 0.25, scale: 100 }, ring)).toEqual([25, 25, 25, 25, -25, -25, -25, 20]);
  });

  test('do not disturb their neighbours: the words are those of values clamped beforehand', () => {
    const generator = new SeededGenerator('clamp');
    for (const rounding of ROUNDINGS) {
      for (const length of [1, 4095, 4096, 4097, 8193]) {
        const values = Array.from({ length }, () => 6 * generator.nextUnit() - 3);
        const clamped = values.map((value) => Math.min(1, Math.max(-1, value)));
        const changes = { rounding, scale: 1000.5, clip: 1 };
        expect(encode(values, changes)).toEqual(encode(clamped, changes));
      }
    }
  });
});

describe('numbers that are none', () => {
  const LENGTH = 9000;

  test.each(RINGS)('are refused at any position of a field in %s, which the error names', (ring) => {
    for (const rounding of ROUNDINGS) {
      for (const at of [0, 1, 4095, 4096, 4097, LENGTH - 1]) {
        for (const bad of [Number.NaN, Infinity, -Infinity]) {
          const values = new Float64Array(LENGTH).fill(2.25).fill(-5000, 100, 200);
          values[at] = bad;
          const fields = [field({ name: 'first' }), field({ name: 'second', length: LENGTH, rounding })];
          const run = () => encodeFields({ first: Float64Array.of(1), second: values }, fields, ring, 's');
          const refusal = refusalOf(run);
          expect(refusal.code).toBe('NON_FINITE');
          expect(refusal.message).toContain('"second"');
          expect(refusal.message).toMatch(new RegExp(`\\b${at}\\b`));
        }
      }
    }
  });

  test('are refused in float32 arrays too, and the first of several is named', () => {
    const values = Float32Array.of(1, 2, Number.NaN, Infinity);
    const refusal = refusalOf(() => encodeFields({ x: values }, [field({ length: 4 })], 'u32', 's'));
    expect(refusal.message).toMatch(/\b2\b/);
  });
});

describe('u64', () => {
  test('is exact for every integer up to 2^52', () => {
    const values = [2 ** 52, 2 ** 52 - 1, 2 ** 51 + 1, 2 ** 32, 2 ** 32 - 1, 2 ** 31, 1, 0];
    const both = [...values, ...values.map((value) => 0 - value)];
    expect(encode(both, { clip: 2 ** 52 }, 'u64')).toEqual(both);
  });

  test('is two’s complement for every integer up to 2^52', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 52n), max: 2n ** 52n }), (value) => {
        const x = field({ length: 1, scale: 1, clip: 2 ** 52 });
        const words = encodeFields({ [x.name]: Float64Array.of(Number(value)) }, [x], 'u64', 's');
        expect(words[1]).toBe(BigInt.asUintN(64, value));
      }),
    );
  });

  test('is exact for scaled values up to 2^52', () => {
    const scale = 2 ** 32;
    const values = [2 ** 20, 2 ** 20 - 2 ** -32, 1 + 2 ** -32, -(2 ** 20), -(2 ** 19) - 2 ** -32];
    expect(encode(values, { clip: 2 ** 20, scale }, 'u64')).toEqual(values.map((value) => value * scale));
  });
});

describe('what one bank can send', () => {
  test.each(ROUNDINGS)('stays within the limit of its field when rounded %s', (rounding) => {
    const cases = fc.record({
      scale: fc.double({ min: 0.01, max: 1e4, noNaN: true }),
      clip: fc.double({ min: 0.01, max: 1e4, noNaN: true }),
      value: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      seed: fc.string(),
    });
    fc.assert(
      fc.property(cases, ({ scale, clip, value, seed }) => {
        const limit = fieldLimit(field({ scale, clip }));
        for (const integer of encode([value, clip, -clip], { scale, clip, rounding }, 'u32', seed)) {
          expect(Math.abs(integer)).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a sum of encoded vectors', () => {
  test.each(RINGS)('is the sum of the numbers to half a unit a bank, in %s', (ring) => {
    const vectors = fc.array(
      fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 3, maxLength: 3 }),
      { minLength: 1, maxLength: 9 },
    );
    fc.assert(
      fc.property(vectors, (banks) => {
        const whole = field({ length: 3, clip: 10, scale: largestScale(ring, banks.length, 10) });
        const sum = createWords(ring, 4);
        for (const values of banks) {
          addInto(sum, encodeFields({ x: Float64Array.from(values) }, [whole], ring, 's'));
        }
        const decoded = new RingSum(sum, [whole], banks.length).numbers('x');
        for (let i = 0; i < 3; i++) {
          const exact = banks.reduce((total, values) => total + Math.min(10, Math.max(-10, values[i]!)), 0);
          const tolerance = (0.5 * banks.length) / whole.scale + 1e-12;
          expect(Math.abs(decoded[i]! - exact)).toBeLessThanOrEqual(tolerance);
        }
      }),
      { numRuns: 100 },
    );
  });

  test.each(RINGS)('of as many banks as allowed, all at ±clip, does not wrap around in %s', (ring) => {
    for (const participants of [1, 3, 100, 1024]) {
      const clip = 0.1;
      const whole = field({ length: 2, clip, scale: largestScale(ring, participants, clip) });
      assertNoOverflow([whole], ring, participants);
      const vector = encodeFields({ x: Float64Array.of(clip, -clip) }, [whole], ring, 's');
      const sum = createWords(ring, 3);
      for (let i = 0; i < participants; i++) addInto(sum, vector);
      const decoded = new RingSum(sum, [whole], participants).numbers('x');
      const tolerance = (0.5 * participants) / whole.scale + 1e-9;
      expect(Math.abs(decoded[0]! - participants * clip)).toBeLessThanOrEqual(tolerance);
      expect(Math.abs(decoded[1]! + participants * clip)).toBeLessThanOrEqual(tolerance);
    }
  });
});
