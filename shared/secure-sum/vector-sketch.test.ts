import { createCipheriv, createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addCounting } from '#shared/ring/ring-sum.ts';
import {
  isSameSketch,
  SKETCH_PRIMES,
  sketchOfWide,
  sumOfSketches,
  VectorSketcher,
  type Sketch,
} from '#shared/secure-sum/vector-sketch.ts';

const CHALLENGE = new Uint8Array(createHash('sha256').update('a challenge').digest());

function sketch(words: Uint32Array, challenge = CHALLENGE): Sketch {
  const sketcher = new VectorSketcher(challenge);
  sketcher.add(words);
  return sketcher.sketch();
}

/** The formula at the head of the module, in BigInt and with coefficients from OpenSSL. */
function sketchByHand(words: readonly bigint[], challenge = CHALLENGE): number[] {
  const draw = (purpose: string): ((place: number) => bigint) => {
    const key = createHash('sha256').update(`tallystick/v1 ${purpose}\0`).update(challenge).digest();
    const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(60_000));
    return (place) =>
      ((BigInt(stream.readUInt32LE(8 * place)) & 0x1fffffn) << 32n) +
      BigInt(stream.readUInt32LE(8 * place + 4));
  };
  const [column, row] = [draw('sketch-columns'), draw('sketch-rows')];
  return SKETCH_PRIMES.map((prime, k) => {
    const p = BigInt(prime);
    let sum = 0n;
    words.forEach((word, i) => {
      sum += row(5 * Math.floor(i / 512) + k) * column(5 * (i % 512) + k) * word;
    });
    return Number(sum % p);
  });
}

function randomWords(length: number, seed: number): Uint32Array {
  const bytes = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(
    Buffer.alloc(4 * length),
  );
  return new Uint32Array(new Uint8Array(bytes).buffer);
}

/** The vectors' sum as integers: low words, and a byte above each. */
function wideSum(vectors: readonly Uint32Array[]): { words: Uint32Array; carries: Uint8Array } {
  const words = new Uint32Array(vectors[0]!.length);
  const carries = new Uint8Array(words.length);
  for (const vector of vectors) addCounting(words, carries, vector);
  return { words, carries };
}

const sketchOf = ({ words, carries }: { words: Uint32Array; carries: Uint8Array }): Sketch =>
  sketchOfWide(sketch(words), sketch(Uint32Array.from(carries)));

describe('a sketch', () => {
  test('is taken modulo the five largest primes below 2^33', () => {
    const isPrime = (n: number): boolean => {
      for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
      return true;
    };
    const found = [];
    for (let n = 2 ** 33 - 1; found.length < 5; n--) if (isPrime(n)) found.push(n);
    expect(SKETCH_PRIMES).toEqual(found);
  });

  test.each([0, 1, 15, 16, 17, 511, 512, 513, 6000])('of %d words is the one its formula says', (length) => {
    const words = randomWords(length, 3);
    expect(sketch(words)).toEqual(sketchByHand([...words].map(BigInt)));
  });

  test('is exact where every word is the largest', () => {
    const words = new Uint32Array(1500).fill(0xffff_ffff);
    expect(sketch(words)).toEqual(sketchByHand([...words].map(BigInt)));
  });

  test('is the same in whatever pieces the vector comes', () => {
    const words = randomWords(1400, 4);
    const whole = sketch(words);
    fc.assert(
      fc.property(fc.array(fc.nat(1400), { maxLength: 8 }), (cuts) => {
        const sketcher = new VectorSketcher(CHALLENGE);
        const ends = [...cuts, 1400].sort((a, b) => a - b);
        ends.forEach((end, i) => sketcher.add(words.subarray(ends[i - 1] ?? 0, end)));
        expect(sketcher.sketch()).toEqual(whole);
      }),
    );
  });

  test('of 40 000 words uses coefficients beyond those that are drawn at once, each row its own', () => {
    const differing = [0, 64 * 512, 78 * 512].map((place) => {
      const words = new Uint32Array(40_000);
      words[place] = 1;
      return sketch(words).join();
    });
    expect(new Set(differing).size).toBe(3);
  });

  test('is another one under another challenge', () => {
    const words = randomWords(100, 5);
    const other = sketch(words, new Uint8Array(32));
    expect(other).toEqual(sketchByHand([...words].map(BigInt), new Uint8Array(32)));
    sketch(words).forEach((value, k) => expect(value).not.toBe(other[k]));
  });
});

describe('the sketches of vectors', () => {
  test('add up to the sketch of their sum as integers', () => {
    const some = fc.tuple(fc.integer({ min: 1, max: 128 }), fc.integer({ min: 1, max: 1100 }));
    fc.assert(
      fc.property(some, ([count, length]) => {
        const vectors = Array.from({ length: count }, (_, i) => randomWords(length, i));
        expect(sumOfSketches(vectors.map((vector) => sketch(vector)))).toEqual(sketchOf(wideSum(vectors)));
      }),
      { numRuns: 20 },
    );
  });

  test('add up also when 128 of them are as large as can be', () => {
    const vector = new Uint32Array(600).fill(0xffff_ffff);
    const vectors = Array.from({ length: 128 }, () => vector);
    expect(sumOfSketches(vectors.map((one) => sketch(one)))).toEqual(sketchOf(wideSum(vectors)));
  });
});

describe('a claimed sum that is not the sum', () => {
  const vectors = Array.from({ length: 5 }, (_, i) => randomWords(1300, 40 + i));
  const signed = sumOfSketches(vectors.map((vector) => sketch(vector)));
  const right = wideSum(vectors);
  const claim = (change: (claimed: typeof right) => void): boolean => {
    const claimed = { words: right.words.slice(), carries: right.carries.slice() };
    change(claimed);
    return isSameSketch(sketchOf(claimed), signed);
  };

  test('fits no sketch; the right one does', () => {
    expect(claim(() => {})).toBe(true);
    expect(claim(({ words }) => void words[7]!++)).toBe(false);
    expect(claim(({ words }) => void (words[1299]! ^= 0x8000_0000))).toBe(false);
    expect(claim(({ carries }) => void carries[600]!++)).toBe(false);
    expect(claim(({ words, carries }) => ([words[3], carries[3]] = [words[4]!, carries[4]!]))).toBe(false);
  });

  test('does not hide behind a multiple of a prime: four others see it', () => {
    for (const [k, prime] of SKETCH_PRIMES.entries()) {
      const claimed = { words: right.words.slice(), carries: right.carries.slice() };
      const value = BigInt(claimed.words[9]!) + (BigInt(claimed.carries[9]!) << 32n) + BigInt(prime);
      claimed.words[9] = Number(value & 0xffff_ffffn);
      claimed.carries[9] = Number(value >> 32n);
      const found = sketchOf(claimed);
      expect(found.map((number, j) => number === signed[j])).toEqual(SKETCH_PRIMES.map((_, j) => j === k));
      expect(isSameSketch(found, signed)).toBe(false);
    }
  });

  test('is seen by each prime alone, whichever word is changed by whatever', () => {
    fc.assert(
      fc.property(fc.nat(1299), fc.integer({ min: 1, max: 0xffff_ffff }), (place, by) => {
        const words = right.words.slice();
        words[place] = words[place]! + by; // modulo 2^32
        if (words[place] === right.words[place]) return;
        const found = sketchOf({ words, carries: right.carries });
        found.forEach((number, k) => expect(number).not.toBe(signed[k]));
      }),
    );
  });
});
