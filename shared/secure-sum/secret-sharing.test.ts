import fc from 'fast-check';
import { combine as packageCombine, split as packageSplit } from 'shamir-secret-sharing';
import { describe, expect, test } from 'vitest';
import { toHex, utf8 } from '#shared/crypto/hash.ts';
import { seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { combineShares, splitSecret } from '#shared/secure-sum/secret-sharing.ts';

/** Product in the field of AES, by shifting and adding: FIPS 197 section 4.2. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let [factor, rest] = [a, b]; rest > 0; rest >>= 1) {
    if (rest & 1) product ^= factor;
    factor = (factor << 1) ^ (factor & 0x80 ? 0x11b : 0);
  }
  return product;
}

/** Reproducible randomness, another for each test. */
function randomFor(name: string) {
  return seededBytes(utf8(name.padEnd(32, '.')));
}

function subsets<T>(items: readonly T[]): T[][] {
  return items.reduce<T[][]>((found, item) => [...found, ...found.map((some) => [...some, item])], [[]]);
}

/** Split with given coefficients: degree 1 of all bytes, then degree 2, … */
function splitWith(secret: Uint8Array, count: number, coefficients: readonly Uint8Array[]): Uint8Array[] {
  const joined = Uint8Array.from(coefficients.flatMap((ofDegree) => [...ofDegree]));
  return splitSecret(secret, count, coefficients.length + 1, (length) => {
    expect(length).toBe(joined.length);
    return joined;
  });
}

const secrets = fc.uint8Array({ minLength: 1, maxLength: 40 });

describe('splitting', () => {
  test('multiplies as in the examples of FIPS 197: {57}·{83} = {c1}, {57}·{13} = {fe}', () => {
    const shares = splitWith(Uint8Array.of(0), 255, [Uint8Array.of(0x57)]);
    expect(shares[0x83 - 1]).toEqual(Uint8Array.of(0xc1, 0x83));
    expect(shares[0x13 - 1]).toEqual(Uint8Array.of(0xfe, 0x13));
  });

  test('gives s + c·x for every coefficient c and coordinate x of the field', () => {
    const every = Uint8Array.from({ length: 256 }, (_, c) => c);
    const shares = splitWith(new Uint8Array(256).fill(0xa5), 255, [every]);
    shares.forEach((share, i) => {
      const expected = [...every.map((c) => 0xa5 ^ multiply(c, i + 1)), i + 1];
      expect([...share]).toEqual(expected);
    });
  });

  test('evaluates the polynomial whose coefficients come degree by degree, lowest first', () => {
    const secret = Uint8Array.of(7, 250);
    const [linear, square, cube] = [Uint8Array.of(1, 91), Uint8Array.of(130, 2), Uint8Array.of(77, 201)];
    splitWith(secret, 9, [linear, square, cube]).forEach((share, i) => {
      const x = i + 1;
      const [xx, xxx] = [multiply(x, x), multiply(x, multiply(x, x))];
      const value = (b: number) =>
        secret[b]! ^ multiply(linear[b]!, x) ^ multiply(square[b]!, xx) ^ multiply(cube[b]!, xxx);
      expect([...share]).toEqual([value(0), value(1), x]);
    });
  });

  test('draws its coefficients at once and leaves the secret as it was', () => {
    const asked: number[] = [];
    const secret = Uint8Array.of(1, 2, 3, 4, 5);
    splitSecret(secret, 7, 4, (length) => {
      asked.push(length);
      return new Uint8Array(length).fill(9);
    });
    expect(asked).toEqual([5 * 3]);
    expect([...secret]).toEqual([1, 2, 3, 4, 5]);
  });

  test.each([
    [5, 0],
    [5, 6],
    [0, 0],
    [256, 3],
    [300, 256],
    [5, -1],
    [5, Number.NaN],
    [Number.NaN, 2],
  ])('into %d shares with threshold %d is refused', (count, threshold) => {
    const random = randomFor('refused');
    expect(() => splitSecret(new Uint8Array(32), count, threshold, random)).toThrow(RangeError);
  });

  test.each([
    [1, 1],
    [255, 1],
    [255, 2],
    [255, 255],
  ])('into %d shares with threshold %d works', (count, threshold) => {
    const secret = randomFor('secret')(32);
    const shares = splitSecret(secret, count, threshold, randomFor(`${count} ${threshold}`));
    expect(shares.map((share) => share[32])).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(combineShares(shares.slice(-threshold))).toEqual(secret);
  });
});

describe('combining', () => {
  test('any threshold of shares or more, in any order, gives the secret; n up to 7, every subset', () => {
    const random = randomFor('every subset');
    for (let n = 1; n <= 7; n++) {
      for (let t = 1; t <= n; t++) {
        const secret = random(32);
        const shares = splitSecret(secret, n, t, random);
        for (const some of subsets(shares)) {
          if (some.length === 0) continue;
          const opened = toHex(combineShares(some.length % 2 ? some : some.toReversed()));
          if (some.length >= t) expect(opened).toBe(toHex(secret));
          else expect(opened).not.toBe(toHex(secret));
        }
      }
    }
  });

  test('works for the largest session: 128 banks, of which 85 open a seed', () => {
    const random = randomFor('largest');
    const secret = random(32);
    const shares = splitSecret(secret, 128, 85, random);
    expect(combineShares(shares.slice(0, 85))).toEqual(secret);
    expect(combineShares(shares.slice(43))).toEqual(secret);
    expect(combineShares(shares.slice(44))).not.toEqual(secret);
  });

  test('shares of which one claims to be of another bank gives something else', () => {
    const secret = randomFor('claims')(32);
    const shares = splitSecret(secret, 6, 3, randomFor('claimed'));
    for (let x = 4; x <= 255; x++) {
      const foreign = shares[2]!.with(32, x);
      expect(toHex(combineShares([shares[0]!, shares[1]!, foreign]))).not.toBe(toHex(secret));
    }
  });

  test('any one bit of any share changes the result', () => {
    const secret = randomFor('bits')(4);
    const shares = splitSecret(secret, 5, 3, randomFor('bits of it')).slice(1, 4);
    for (let at = 0; at < 3 * 4 * 8; at++) {
      const [which, bit] = [at % 3, Math.floor(at / 3)];
      const share = shares[which]!;
      const changed = share.with(bit >> 3, share[bit >> 3]! ^ (1 << (bit & 7)));
      expect(toHex(combineShares(shares.with(which, changed)))).not.toBe(toHex(secret));
    }
  });

  const [one, two, three] = splitSecret(Uint8Array.of(1, 2, 3), 3, 2, randomFor('refuse')) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  test.each([
    ['no shares', []],
    ['the same share twice', [one, two, one]],
    ['two shares with one coordinate', [one, two.with(3, 1)]],
    ['the coordinate 0, where the secret is', [one, two.with(3, 0)]],
    ['a share that is shorter', [one, two.subarray(1)]],
    ['a share that is longer', [one, two, Uint8Array.of(...three, 9)]],
    ['shares that are coordinates only', [Uint8Array.of(1), Uint8Array.of(2)]],
    ['empty shares', [new Uint8Array(0), new Uint8Array(0)]],
  ])('refuses %s', (_, shares) => {
    expect(() => combineShares(shares)).toThrow(RangeError);
  });
});

describe('fewer shares than the threshold say nothing', () => {
  test('for every secret byte exactly one polynomial of degree 1 fits a share one has seen', () => {
    const every = Uint8Array.from({ length: 256 }, (_, c) => c);
    const seen = splitWith(Uint8Array.of(0x3c), 4, [Uint8Array.of(0xd7)])[3]!;
    for (let candidate = 0; candidate < 256; candidate++) {
      const [, , , values] = splitWith(new Uint8Array(256).fill(candidate), 4, [every]);
      expect(values!.subarray(0, 256).filter((y) => y === seen[0])).toHaveLength(1);
    }
  });

  test('for every secret byte exactly one polynomial of degree 2 fits two shares one has seen', () => {
    const linear = Uint8Array.from({ length: 65_536 }, (_, i) => i & 255);
    const square = Uint8Array.from({ length: 65_536 }, (_, i) => i >> 8);
    const coefficients = new Uint8Array([...linear, ...square]);
    const [, second, third] = splitWith(Uint8Array.of(0x3c), 3, [Uint8Array.of(0xd7), Uint8Array.of(0x09)]);
    for (let candidate = 0; candidate < 256; candidate++) {
      const secret = new Uint8Array(65_536).fill(candidate);
      const [, ys, zs] = splitSecret(secret, 3, 3, () => coefficients);
      let fitting = 0;
      for (let i = 0; i < 65_536; i++) if (ys![i] === second![0] && zs![i] === third![0]) fitting++;
      expect(fitting, `secret ${candidate}`).toBe(1);
    }
  });

  test.each([0x00, 0xff])(
    'shares of the byte %i are uniform, and so is what too few of them give',
    (byte) => {
      const splits = 200_000;
      const secret = new Uint8Array(splits).fill(byte);
      const shares = splitSecret(secret, 5, 3, randomFor(`uniform ${byte}`));
      const tooFew = combineShares(shares.slice(1, 3));
      for (const bytes of [...shares.map((share) => share.subarray(0, splits)), tooFew]) {
        const counts = new Float64Array(256);
        for (const value of bytes) counts[value]!++;
        const expected = splits / 256;
        const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
        expect(chiSquare).toBeLessThan(255 + 5 * Math.sqrt(2 * 255)); // five standard deviations
        expect(chiSquare).toBeGreaterThan(255 - 5 * Math.sqrt(2 * 255));
      }
    },
  );
});

describe('against the audited package shamir-secret-sharing', () => {
  const parameters = fc
    .tuple(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 2, max: 12 }))
    .map(([a, b]) => ({ count: Math.max(a, b), threshold: Math.min(a, b) }));

  test('it combines what we split, from any threshold of shares', async () => {
    await fc.assert(
      fc.asyncProperty(secrets, parameters, fc.nat(), async (secret, { count, threshold }, seed) => {
        const shares = splitSecret(secret, count, threshold, randomFor(`ours ${seed}`));
        const from = seed % (count - threshold + 1);
        expect(await packageCombine(shares.slice(from, from + threshold))).toEqual(secret);
        expect(await packageCombine(shares)).toEqual(secret);
      }),
      { numRuns: 150 },
    );
  });

  test('we combine what it splits, whose coordinates are any of 1 to 255', async () => {
    await fc.assert(
      fc.asyncProperty(secrets, parameters, async (secret, { count, threshold }) => {
        const shares = await packageSplit(secret, count, threshold);
        expect(combineShares(shares.slice(0, threshold))).toEqual(secret);
        expect(combineShares(shares.slice(-threshold))).toEqual(secret);
      }),
      { numRuns: 150 },
    );
  });
});
