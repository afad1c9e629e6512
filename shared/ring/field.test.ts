import { describe, expect, test } from 'vitest';
import {
  assertNoOverflow,
  field as fieldSchema,
  fieldLimit,
  largestScale,
  vectorLength,
  wordBytes,
  type Field,
  type Ring,
} from '#shared/ring/field.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const BOUND = { u32: 2n ** 31n, u64: 2n ** 53n };
const RINGS: Ring[] = ['u32', 'u64'];

function field(changes: Partial<Field> = {}): Field {
  return { name: 'x', length: 1, scale: 1, clip: 1, rounding: 'nearest', ...changes };
}

function fits(fields: Field[], ring: Ring, participants: number): boolean {
  try {
    assertNoOverflow(fields, ring, participants);
    return true;
  } catch (error) {
    if (error instanceof FederationError && error.code === 'OVERFLOW') return false;
    throw error;
  }
}

describe('a vector', () => {
  test('is one canary word and the words of all its fields', () => {
    expect(vectorLength([])).toBe(1);
    expect(vectorLength([field({ length: 3 }), field({ length: 1 }), field({ length: 10 })])).toBe(15);
  });

  test('has words of four or eight bytes', () => {
    expect(RINGS.map(wordBytes)).toEqual([4, 8]);
  });
});

describe('the overflow bound', () => {
  const participants = [1, 2, 3, 5, 7, 10, 100, 999, 1000, 1024];

  test.each(RINGS)('accepts the largest integer below it in %s and refuses the next one', (ring) => {
    for (const n of participants) {
      // N · (x + 1) < bound, in integers of any size
      const largest = (BOUND[ring] - 1n) / BigInt(n) - 1n;
      expect(fits([field({ clip: Number(largest) })], ring, n), `${n} × ${largest}`).toBe(true);
      expect(fits([field({ clip: Number(largest + 1n) })], ring, n), `${n} × ${largest + 1n}`).toBe(false);
    }
  });

  test('counts scale times clip, not either of them', () => {
    expect(fits([field({ scale: 2 ** 20, clip: 1000 })], 'u32', 2)).toBe(true); // 2 · 1.05e9
    expect(fits([field({ scale: 2 ** 20, clip: 1025 })], 'u32', 2)).toBe(false); // 2 · 1.075e9
    expect(fits([field({ scale: 1000, clip: 2 ** 20 })], 'u32', 2)).toBe(true);
    expect(fits([field({ scale: 2 ** 40, clip: 2 ** -11 })], 'u32', 2)).toBe(true);
  });

  test('holds for every field, and the error names the one that breaks it', () => {
    const fields = [
      field({ name: 'small' }),
      field({ name: 'large', clip: 2 ** 31 }),
      field({ name: 'last' }),
    ];
    expect(() => assertNoOverflow(fields, 'u32', 3)).toThrow(/"large".*3 banks.*2\^31.*u32/);
    expect(() => assertNoOverflow(fields, 'u64', 3)).not.toThrow();
  });

  test('is not passed by numbers that are none', () => {
    expect(fits([field({ scale: Infinity })], 'u64', 1)).toBe(false);
    expect(fits([field({ scale: Number.NaN })], 'u64', 1)).toBe(false);
    expect(fits([field()], 'u64', Number.NaN)).toBe(false);
  });
});

describe('largestScale', () => {
  test.each(RINGS)('is the largest power of two the bound accepts in %s, for 1 to 1024 banks', (ring) => {
    const wrong: string[] = [];
    for (const clip of [1, 0.01, 0.1, 1 / 3, 0.5, 2, 3, 7, 1000, 2 ** 18, 2 ** 20]) {
      for (let participants = 1; participants <= 1024; participants++) {
        const scale = largestScale(ring, participants, clip);
        const ok =
          Number.isInteger(Math.log2(scale)) &&
          fits([field({ scale, clip })], ring, participants) &&
          !fits([field({ scale: 2 * scale, clip })], ring, participants);
        if (!ok) wrong.push(`${participants} banks, clip ${clip}: ${scale}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('is what the design gives: 2^24 for a hundred banks and 2^21 for a thousand, by clip 1 in u32', () => {
    expect(largestScale('u32', 100, 1)).toBe(2 ** 24);
    expect(largestScale('u32', 1000, 1)).toBe(2 ** 21);
  });
});

describe('fieldLimit', () => {
  test.each([
    [1, 1, 2],
    [4, 2.5, 11],
    [4, 2.6, 11],
    [4, 2.75, 12],
    [0.5, 1, 1],
    [2 ** 32, 2 ** 20, 2 ** 52 + 1],
  ])('of scale %d and clip %d is %d: the last integer below, and one for rounding', (scale, clip, limit) => {
    expect(fieldLimit(field({ scale, clip }))).toBe(limit);
  });
});

describe('the schema of a field', () => {
  test('accepts a field, and nothing that is not exactly one', () => {
    const good = field({ name: 'delta', length: 10, scale: 0.5, clip: 3 });
    expect(fieldSchema.parse(good)).toEqual(good);
    const bad = [
      { ...good, name: '' },
      { ...good, name: '1st' },
      { ...good, name: 'a b' },
      { ...good, length: 0 },
      { ...good, length: 1.5 },
      { ...good, length: 2 ** 26 + 1 },
      { ...good, scale: 0 },
      { ...good, scale: -1 },
      { ...good, clip: 0 },
      { ...good, clip: Infinity },
      { ...good, rounding: 'up' },
      { ...good, extra: 1 },
    ];
    for (const value of bad) expect(fieldSchema.safeParse(value).success, JSON.stringify(value)).toBe(false);
  });
});
