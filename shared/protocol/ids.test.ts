import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash, key32, participantId, signature64, timeMs } from '#shared/protocol/ids.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const base64Url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

describe('a participant id', () => {
  test.each(['a', '7', 'alder-bank', 'a-', '0-0', 'x'.repeat(63)])('may be %s', (id) => {
    expect(participantId.safeParse(id).success).toBe(true);
  });

  test.each(['', '-a', 'Alder', 'alder_bank', 'a.b', '../a', 'a b', 'a\n', 'ä', 'x'.repeat(64), 7, null])(
    'may not be %j',
    (id) => {
      expect(participantId.safeParse(id).success).toBe(false);
    },
  );
});

describe('a hash', () => {
  test('is 64 lower-case hex digits', () => {
    expect(hash.safeParse('0123456789abcdef'.repeat(4)).success).toBe(true);
    for (const bad of [
      'a'.repeat(63),
      'a'.repeat(65),
      'A'.repeat(64),
      'g'.repeat(64),
      `${'a'.repeat(64)}\n`,
    ]) {
      expect(hash.safeParse(bad).success, bad).toBe(false);
    }
  });
});

describe.each([
  ['key32', key32, 32, 16],
  ['signature64', signature64, 64, 4],
] as const)('%s', (_name, schema, length, lastCharacters) => {
  test(`is the base64url of any ${length} bytes, and of no other number of bytes`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: length - 2, maxLength: length + 2 }), (bytes) => {
        expect(schema.safeParse(base64Url(bytes)).success).toBe(bytes.length === length);
      }),
      { numRuns: 200 },
    );
  });

  test('has one encoding only: of the last characters those without stray bits', () => {
    const stem = base64Url(new Uint8Array(length).fill(255)).slice(0, -1);
    const accepted = ALPHABET.split('').filter((last) => schema.safeParse(stem + last).success);
    expect(accepted).toHaveLength(lastCharacters);
    for (const last of accepted) expect(base64Url(Buffer.from(stem + last, 'base64url'))).toBe(stem + last);
  });

  test('is neither padded nor in the other alphabet', () => {
    const good = base64Url(new Uint8Array(length).fill(251));
    expect(schema.safeParse(good).success).toBe(true);
    expect(good).toMatch(/[-_]/);
    for (const bad of [
      `${good}=`,
      good.replace('-', '+'),
      good.replaceAll('_', '/'),
      ` ${good}`,
      `${good}\n`,
    ]) {
      if (bad !== good) expect(schema.safeParse(bad).success, bad).toBe(false);
    }
  });
});

test('a time is a whole number of milliseconds since 1970 that have a date', () => {
  for (const good of [0, 1_800_000_000_000, 8.64e15]) expect(timeMs.safeParse(good).success).toBe(true);
  for (const bad of [-1, 0.5, 8.64e15 + 1, 2 ** 53, Infinity, Number.NaN, '0', new Date(0)]) {
    expect(timeMs.safeParse(bad).success, String(bad)).toBe(false);
  }
});
