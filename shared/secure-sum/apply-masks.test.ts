import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '#shared/crypto/hash.ts';
import { agreementPublicKey } from '#shared/crypto/key-agreement.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import type { Ring } from '#shared/ring/field.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';
import { applyMasks, applyMasksInSlices } from '#shared/secure-sum/apply-masks.ts';
import { seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { inputMasks, selfMaskKey, type Mask } from '#shared/secure-sum/mask-keys.ts';

const RINGS: Ring[] = ['u32', 'u64'];
const WORD_BYTES = { u32: 4, u64: 8 };
/** Around one word, one block of the cipher, one and two pieces of 64 KiB in either ring, and far beyond. */
const LENGTHS = [
  1, 2, 3, 4, 5, 8191, 8192, 8193, 16_383, 16_384, 16_385, 24_577, 32_767, 49_153, 100_003, 300_000,
];

function keyFor(name: string): Uint8Array {
  return utf8(name.padEnd(32, '.'));
}

function randomWords(ring: Ring, length: number, name: string): RingWords {
  const words = createWords(ring, length);
  bytesOf(words).set(seededBytes(keyFor(name))(words.byteLength));
  return words;
}

const MASKS: Mask[] = [
  { key: keyFor('first'), sign: 'add' },
  { key: keyFor('second'), sign: 'subtract' },
  { key: keyFor('third'), sign: 'subtract' },
];

/** Word by word in integers of any size, with OpenSSL's stream in one piece from a zero counter. */
function maskedByDefinition(words: RingWords, masks: readonly Mask[]): bigint[] {
  const width = words.BYTES_PER_ELEMENT;
  const streams = masks.map(({ key, sign }) => ({
    sign: sign === 'add' ? 1n : -1n,
    bytes: createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(words.byteLength)),
  }));
  return Array.from(words, BigInt).map((word, i) => {
    const added = streams.reduce((sum, { sign, bytes }) => {
      const at = i * width;
      return sum + sign * (width === 4 ? BigInt(bytes.readUInt32LE(at)) : bytes.readBigUInt64LE(at));
    }, word);
    return BigInt.asUintN(8 * width, added);
  });
}

function masked<Words extends RingWords>(words: Words, masks: readonly Mask[], fromWord = 0): Words {
  const copy = words.slice() as Words;
  applyMasks(copy, masks, fromWord);
  return copy;
}

describe.each(RINGS)('masks on a vector of %s', (ring) => {
  test.each([1, 3, 4, 7, 8193, 16_385, 20_001])(
    'of %i words are added word by word, modulo 2^w',
    (length) => {
      const words = randomWords(ring, length, 'plain');
      expect(Array.from(masked(words, MASKS), BigInt)).toEqual(maskedByDefinition(words, MASKS));
    },
  );

  test('of all banks cancel in the sum, but for the own streams, at every length', () => {
    const round = keyFor('round');
    const random = seededBytes(keyFor('cancel'));
    const secrets = Array.from({ length: 3 }, () => ({ maskSeed: random(32), selfSeed: random(32) }));
    const slotKeys = new Map(secrets.map(({ maskSeed }, bank) => [bank, agreementPublicKey(maskSeed)]));
    const masks = secrets.map((own, bank) => inputMasks(round, 5, bank, own, [0, 1, 2], slotKeys));
    const own = secrets.map(({ selfSeed }, bank): Mask => {
      return { key: selfMaskKey(round, 5, bank, selfSeed), sign: 'subtract' };
    });
    for (const length of LENGTHS) {
      const plain = createWords(ring, length);
      const sum = createWords(ring, length);
      masks.forEach((ofBank, bank) => {
        const words = randomWords(ring, length, `bank ${bank}`);
        addInto(plain, words);
        addInto(sum, masked(words, ofBank));
      });
      applyMasks(sum, own);
      expect(Buffer.compare(bytesOf(sum), bytesOf(plain)), `${length} words`).toBe(0);
    }
  });

  test('are taken out again by the opposite masks, in any order', () => {
    const words = randomWords(ring, 50_001, 'restored');
    const vector = masked(words, MASKS);
    expect(Buffer.compare(bytesOf(vector), bytesOf(words))).not.toBe(0);
    const opposite = { add: 'subtract', subtract: 'add' } as const;
    applyMasks(
      vector,
      MASKS.toReversed().map(({ key, sign }) => ({ key, sign: opposite[sign] })),
    );
    expect(Buffer.compare(bytesOf(vector), bytesOf(words))).toBe(0);
  });

  test('are the same when ranges of words are done one by one', () => {
    const step = 16 / WORD_BYTES[ring];
    const words = randomWords(ring, 60_003, 'ranges');
    const whole = masked(words, MASKS);
    const cut = fc.array(fc.nat({ max: Math.floor(60_003 / step) }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(cut, (blocks) => {
        const parts = words.slice();
        const cuts = [0, ...blocks.toSorted((a, b) => a - b).map((block) => block * step), words.length];
        cuts.slice(1).forEach((end, i) => applyMasks(parts.subarray(cuts[i], end), MASKS, cuts[i]));
        expect(Buffer.compare(bytesOf(parts), bytesOf(whole))).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  test('are the same when they are applied slice by slice', () => {
    const words = randomWords(ring, 300_001, 'slices');
    const sliced = words.slice();
    const many = Array.from({ length: 120 }, (_, i) => MASKS[i % 3]!);
    const lengths = [...applyMasksInSlices(sliced, many)].map(({ length }) => length);
    expect(lengths.length).toBeGreaterThan(3);
    expect(Buffer.compare(bytesOf(sliced), bytesOf(masked(words, many)))).toBe(0);
  });

  test('far out in a vector are those of the counter at that place', () => {
    // 2^36 bytes: the counter no longer fits 32 bits
    const fromWord = 2 ** 36 / WORD_BYTES[ring];
    const counter = Buffer.from('00000000000000000000000100000000', 'hex');
    const cipher = createCipheriv('aes-256-ctr', MASKS[0]!.key, counter);
    const words = createWords(ring, 6);
    applyMasks(words, MASKS.slice(0, 1), fromWord);
    expect(Buffer.from(bytesOf(words))).toEqual(cipher.update(Buffer.alloc(words.byteLength)));
  });

  test('cannot begin in the middle of a block of the cipher', () => {
    const step = 16 / WORD_BYTES[ring];
    for (let fromWord = 1; fromWord < step; fromWord++) {
      expect(() => applyMasks(createWords(ring, 8), MASKS, fromWord)).toThrow(RangeError);
    }
  });

  test('touch only the words of a view into a larger vector', () => {
    const buffer = randomWords(ring, 20_011, 'view');
    const before = buffer.slice();
    applyMasks(buffer.subarray(3, 20_004), MASKS);
    expect(buffer.slice(0, 3)).toEqual(before.slice(0, 3));
    expect(buffer.slice(20_004)).toEqual(before.slice(20_004));
    const inside = masked(before.slice(3, 20_004), MASKS);
    expect(Buffer.compare(bytesOf(buffer.slice(3, 20_004)), bytesOf(inside))).toBe(0);
  });

  test('change nothing when there are none of them, or no words', () => {
    const words = randomWords(ring, 10, 'nothing');
    expect(masked(words, [])).toEqual(words);
    expect(masked(createWords(ring, 0), MASKS)).toHaveLength(0);
  });
});

/** Chi-square of counts against one expectation for all; uniform: degrees of freedom ± five deviations. */
function expectUniform(counts: Float64Array, total: number): void {
  const expected = total / counts.length;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const freedom = counts.length - 1;
  expect(Math.abs(chiSquare - freedom)).toBeLessThan(5 * Math.sqrt(2 * freedom));
}

describe.each(RINGS)('a masked vector of %s', (ring) => {
  const LENGTH = 2 ** 20;
  const top = ring === 'u32' ? 2n ** 32n - 1n : 2n ** 64n - 1n;
  const VALUES = [0n, 1n, top, top >> 1n, 0x01010101n];

  test.each(VALUES)('has uniform bytes in each place of a word whatever it hides, such as %i', (value) => {
    const words = createWords(ring, LENGTH);
    if (words instanceof Uint32Array) words.fill(Number(value));
    else words.fill(value);
    applyMasks(words, [{ key: keyFor(`hides ${value}`), sign: value % 2n ? 'add' : 'subtract' }]);
    const bytes = bytesOf(words);
    const width = WORD_BYTES[ring];
    for (let place = 0; place < width; place++) {
      const counts = new Float64Array(256);
      for (let i = place; i < bytes.length; i += width) counts[bytes[i]!]!++;
      expectUniform(counts, LENGTH);
    }
  });

  test('takes all values with the same chance, the smallest and the largest as well', () => {
    const words = createWords(ring, LENGTH);
    applyMasks(words, MASKS);
    const halves = new Uint16Array(words.buffer);
    const counts = new Float64Array(65_536);
    for (const half of halves) counts[half]!++;
    expectUniform(counts, halves.length);
    const expected = halves.length / 65_536;
    for (const value of [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff]) {
      expect(Math.abs(counts[value]! - expected), `${value}`).toBeLessThan(5 * Math.sqrt(expected));
    }
  });

  test('has no word in common with the same vector in another round, beyond chance', () => {
    const words = randomWords(ring, LENGTH, 'two rounds');
    const [one, other] = [masked(words, MASKS.slice(0, 1)), masked(words, MASKS.slice(1, 2))];
    let equal = 0;
    for (let i = 0; i < LENGTH; i++) if (one[i] === other[i] || one[i] === words[i]) equal++;
    expect(equal).toBeLessThan(3); // 2^20 words of 32 bits: one in 2048 runs has even one
  });
});
