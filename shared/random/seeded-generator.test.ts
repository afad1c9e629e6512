import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';

type Parts = (string | number)[];

/** xoshiro128** of Blackman and Vigna's C source, on BigInt, its state as the header says. */
function* reference(parts: Parts): Generator<number> {
  const text = JSON.stringify(['tallystick/v1 seeded-generator', ...parts]);
  const digest = createHash('sha256').update(text).digest();
  const mask = 0xffff_ffffn;
  const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
  const s = [0, 4, 8, 12].map((at) => BigInt(digest.readUInt32BE(at))) as [bigint, bigint, bigint, bigint];
  s[3] |= 1n;
  for (;;) {
    yield Number((rotl((s[1] * 5n) & mask, 7n) * 9n) & mask);
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11n);
  }
}

function take(words: Iterator<number>, count: number): number[] {
  return Array.from({ length: count }, () => words.next().value as number);
}

/** Computed by a Python program. Should one of these change, no run of the past can be replayed. */
const GOLDEN: [parts: Parts, words: number[]][] = [
  [[], [0x96be2ae8, 0x338c212d, 0x7aa924c3, 0xf75bf2c4, 0xb324356a, 0x994b7631]],
  [
    ['initial-weights', 's'],
    [0x028a70e7, 0x1f22c08e, 0xa5ee2b27, 0x1a2e3e69, 0x83804153, 0xe80f3c0f],
  ],
  [
    ['holdout', 'größe', 7],
    [0x7e4d3fc3, 0x57d8fa4b, 0x103a6cb9, 0xe236ad35, 0x95ba505d, 0x21e9738e],
  ],
  [
    ['a', 1.5],
    [0xd8e621c0, 0xfba921b6, 0x40b4c0b7, 0xc891f010, 0x1bd89798, 0x2cb01796],
  ],
];

describe('the stream', () => {
  test.each(GOLDEN)('of %j begins with the words it always began with', (parts, words) => {
    const generator = new SeededGenerator(...parts);
    expect(words.map(() => generator.nextUint32())).toEqual(words);
  });

  test('is xoshiro128** for any parts and any length', () => {
    const part = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.integer());
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), fc.nat({ max: 300 }), (parts, count) => {
        const out = new Uint32Array(count);
        new SeededGenerator(...parts).fill(out);
        expect([...out]).toEqual(take(reference(parts), count));
      }),
      { numRuns: 80 },
    );
  });

  test('is the same however it is drawn', () => {
    const expected = take(reference(['mixed']), 25);
    const generator = new SeededGenerator('mixed');
    const drawn: number[] = [];
    for (const size of [0, 3, 1, 7]) {
      const part = new Uint32Array(size);
      generator.fill(part);
      drawn.push(...part, generator.nextUint32());
    }
    generator.fill(new Uint32Array(0));
    const rest = new Uint32Array(10);
    generator.fill(rest);
    expect([...drawn, ...rest]).toEqual(expected);
  });

  test('depends on where one part ends and the next begins, and on their types', () => {
    const firsts = [['ab'], ['a', 'b'], ['', 'ab'], ['ab', ''], ['a', 'b', ''], ['1'], [1], ['"a","b"']].map(
      (parts) => new SeededGenerator(...parts).nextUint32(),
    );
    expect(new Set(firsts).size).toBe(firsts.length);
  });
});

describe('nextUnit', () => {
  test('is 53 bits of two words, as another implementation computes it', () => {
    const generator = new SeededGenerator('initial-weights', 's');
    expect([generator.nextUnit(), generator.nextUnit()]).toEqual([0.009924941671073606, 0.6481654130091378]);
  });

  test('is uniform on [0, 1): twenty equal bins pass a chi-square test', () => {
    const generator = new SeededGenerator('uniform');
    const bins = new Float64Array(20);
    const draws = 100_000;
    for (let i = 0; i < draws; i++) {
      const u = generator.nextUnit();
      bins[Math.floor(u * 20)]! += 1;
    }
    expect(bins.reduce((a, b) => a + b, 0)).toBe(draws); // none fell outside
    const expected = draws / 20;
    const chiSquare = bins.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(57); // 19 degrees of freedom, p = 1e-5
  });
});

describe('shuffle', () => {
  test('gives the permutation it always gave', () => {
    // Fisher-Yates with j = ⌊draw · (i + 1) / 2^32⌋, by the Python program
    expect([...new SeededGenerator('holdout', 'seed').shuffle(range(12))]).toEqual([
      7, 2, 10, 11, 8, 3, 5, 1, 0, 6, 9, 4,
    ]);
  });

  test('is a permutation, for any length and seed', () => {
    fc.assert(
      fc.property(fc.nat({ max: 500 }), fc.string(), (count, seed) => {
        const shuffled = new SeededGenerator(seed).shuffle(range(count));
        expect([...shuffled].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
      { numRuns: 60 },
    );
  });

  test('works in place, on whatever the array holds', () => {
    const values = Uint32Array.of(9, 9, 4, 7);
    expect(new SeededGenerator('s').shuffle(values)).toBe(values);
    expect([...values].sort((a, b) => a - b)).toEqual([4, 7, 9, 9]);
  });

  test('gives each of the 24 orders of four equally often: a chi-square test', () => {
    const generator = new SeededGenerator('orders');
    const counts = new Map<string, number>();
    const draws = 24_000;
    for (let i = 0; i < draws; i++) {
      const order = generator.shuffle(range(4)).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(63); // 23 degrees of freedom, p = 1e-5
  });
});

test('range counts from 0', () => {
  expect([...range(4)]).toEqual([0, 1, 2, 3]);
  expect(range(0)).toHaveLength(0);
});
