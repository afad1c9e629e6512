import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backend as nodeBackend } from '#shared/crypto/backend-node.ts';
import { backend as portableBackend } from '#shared/crypto/backend-portable.ts';
import { fromHex, toHex, utf8 } from '#shared/crypto/hash.ts';
import { isSafeAgreementKey } from '#shared/crypto/key-agreement.ts';
import {
  assertSafePublicKey,
  isSafePublicKey,
  isValidSignature,
  publicKeyOf,
  signBytes,
} from '#shared/crypto/signatures.ts';

const { vectors } = JSON.parse(
  readFileSync(new URL('../../tests/vectors/ed25519.json', import.meta.url), 'utf8'),
) as {
  vectors: { name: string; seed: string; publicKey: string; message: string; signature: string }[];
};

const BACKENDS = [nodeBackend, portableBackend] as const;
const L = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
const P = 2n ** 255n - 19n;

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function readLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
}

/** y and the sign of x, as RFC 8032 section 5.1.2 puts them together. */
function encodePoint(y: bigint, sign: 0 | 1): Uint8Array {
  return littleEndian(y | (BigInt(sign) << 255n));
}

/** base^exponent modulo p. */
function power(base: bigint, exponent: bigint): bigint {
  if (exponent === 0n) return 1n;
  const root = power(base, exponent >> 1n);
  return (root * root * (exponent & 1n ? base : 1n)) % P;
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes);
  flipped[bit >> 3]! ^= 1 << (bit & 7);
  return flipped;
}

/** The y of the four points of order 8, from section 9.3 of the design and Hisil's tables. */
const ORDER_8_Y = [
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
].map((hex) => readLittleEndian(fromHex(hex)));

/** y of order 1, 4, 2 and 8, with the non-canonical y + p where that fits 255 bits. */
const SMALL_ORDER = [1n, P + 1n, 0n, P, P - 1n, ...ORDER_8_Y].flatMap((y) =>
  ([0, 1] as const).map((sign) => encodePoint(y, sign)),
);

describe('RFC 8032 section 7.1', () => {
  describe.each(BACKENDS)('on the $name back end', (backend) => {
    test.each(vectors)('$name gives the published key and signature, and verifies', (vector) => {
      const seed = fromHex(vector.seed);
      const message = fromHex(vector.message);
      expect(toHex(backend.ed25519PublicKey(seed))).toBe(vector.publicKey);
      expect(toHex(backend.ed25519Sign(seed, message))).toBe(vector.signature);
      expect(isValidSignature(fromHex(vector.publicKey), message, fromHex(vector.signature), backend)).toBe(
        true,
      );
    });
  });

  test('publicKeyOf and signBytes give the published values', () => {
    const { seed, publicKey, message, signature } = vectors[2]!;
    expect(toHex(publicKeyOf(fromHex(seed)))).toBe(publicKey);
    expect(toHex(signBytes(fromHex(seed), fromHex(message)))).toBe(signature);
  });
});

describe('the two back ends', () => {
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const messages = fc.uint8Array({ maxLength: 300 });

  test('derive the same key, sign the same bytes and accept each other for any seed and message', () => {
    fc.assert(
      fc.property(seeds, messages, (seed, message) => {
        const [one, other] = BACKENDS;
        const publicKey = one.ed25519PublicKey(seed);
        const signature = one.ed25519Sign(seed, message);
        expect(toHex(other.ed25519PublicKey(seed))).toBe(toHex(publicKey));
        expect(toHex(other.ed25519Sign(seed, message))).toBe(toHex(signature));
        expect(isValidSignature(publicKey, message, signature, one)).toBe(true);
        expect(isValidSignature(publicKey, message, signature, other)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('both refuse a signature after any one bit of it, of the key or of the message was flipped', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        fc.constantFrom('key', 'message', 'signature'),
        fc.nat(),
        (seed, message, what, at) => {
          const parts: Record<typeof what, Uint8Array> = {
            key: publicKeyOf(seed),
            message,
            signature: signBytes(seed, message),
          };
          parts[what] = flip(parts[what], at % (parts[what].length * 8));
          for (const backend of BACKENDS) {
            expect(isValidSignature(parts.key, parts.message, parts.signature, backend)).toBe(false);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('give the same answer for bytes that are no key and no signature', () => {
    const arbitrary64 = fc.uint8Array({ minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(seeds, messages, arbitrary64, (key, message, signature) => {
        const answers = BACKENDS.map((backend) => isValidSignature(key, message, signature, backend));
        expect(answers).toEqual([false, false]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a signature with S + kL in place of S', () => {
  const publicKey = fromHex(vectors[1]!.publicKey);
  const message = fromHex(vectors[1]!.message);
  const signature = fromHex(vectors[1]!.signature);
  const s = readLittleEndian(signature.subarray(32));
  const variants: Uint8Array[] = [];
  for (let k = 1n; s + k * L < 2n ** 256n; k++) {
    variants.push(Uint8Array.of(...signature.subarray(0, 32), ...littleEndian(s + k * L)));
  }

  test('exists for fifteen k, of which the portable back end alone accepts all and OpenSSL none', () => {
    expect(variants).toHaveLength(15);
    expect(variants.map((v) => portableBackend.ed25519Verify(publicKey, message, v))).not.toContain(false);
    expect(variants.map((v) => nodeBackend.ed25519Verify(publicKey, message, v))).not.toContain(true);
  });

  test.each(BACKENDS)('is refused for every k when $name verifies', (backend) => {
    for (const variant of variants)
      expect(isValidSignature(publicKey, message, variant, backend)).toBe(false);
    expect(isValidSignature(publicKey, message, signature, backend)).toBe(true);
  });
});

describe('keys of small order', () => {
  test('the two y of order 8 solve d·y⁴ + 2y² = 1, that is, their doubles have y = 0', () => {
    const inverseOf121666 = power(121_666n, P - 2n);
    const d = (P - 121_665n) * inverseOf121666;
    for (const y of ORDER_8_Y) expect((d * y ** 4n + 2n * y ** 2n) % P).toBe(1n);
    expect(ORDER_8_Y[0]! + ORDER_8_Y[1]!).toBe(P);
  });

  test('there are fourteen encodings, all of them refused at enrolment', () => {
    const encodings = new Set(SMALL_ORDER.map(toHex));
    expect(encodings.size).toBe(14);
    for (const key of SMALL_ORDER) {
      expect(isSafePublicKey(key)).toBe(false);
      expect(() => assertSafePublicKey(key)).toThrow(expect.objectContaining({ code: 'WEAK_KEY' }));
    }
  });

  test('anybody can forge a signature under each of them; we refuse it also where OpenSSL does not', () => {
    // S = 0 and R = −hA: A has at most eight multiples, so one of eight R fits most messages
    const points = [1n, 0n, P - 1n, ...ORDER_8_Y].flatMap((y) =>
      ([0, 1] as const).map((sign) => encodePoint(y, sign)),
    );
    const knowsThem = Number.parseFloat(process.versions.openssl) >= 3.5; // refuses such keys itself
    for (const key of SMALL_ORDER) {
      let forged = 0;
      for (let i = 0; i < 32; i++) {
        const message = utf8(`pay ${i}`);
        for (const r of points) {
          const signature = Uint8Array.of(...r, ...new Uint8Array(32));
          if (nodeBackend.ed25519Verify(key, message, signature)) forged++;
          for (const backend of BACKENDS)
            expect(isValidSignature(key, message, signature, backend)).toBe(false);
        }
      }
      if (!knowsThem) expect(forged, toHex(key)).toBeGreaterThan(0);
    }
  });

  test('the portable back end alone accepts a forgery under the identity key, for every message', () => {
    const key = encodePoint(1n, 0);
    const signature = Uint8Array.of(...key, ...new Uint8Array(32));
    for (const text of ['one', 'two', 'three']) {
      expect(portableBackend.ed25519Verify(key, utf8(text), signature)).toBe(true);
      expect(isValidSignature(key, utf8(text), signature, portableBackend)).toBe(false);
    }
  });
});

describe('public keys that are not canonical', () => {
  test('every y of p and above is refused, with either sign', () => {
    for (let y = P; y < 2n ** 255n; y++) {
      expect(isSafePublicKey(encodePoint(y, 0))).toBe(false);
      expect(isSafePublicKey(encodePoint(y, 1))).toBe(false);
    }
  });

  test('the largest y below p that is not of small order passes', () => {
    expect(isSafePublicKey(encodePoint(P - 2n, 0))).toBe(true);
    expect(isSafePublicKey(encodePoint(P - 2n, 1))).toBe(true);
  });

  test.each([0, 31, 33, 64])('a key of %i bytes is refused', (length) => {
    expect(isSafePublicKey(new Uint8Array(length).fill(7))).toBe(false);
  });

  test('keys of real seeds pass, also those whose x is odd', () => {
    const signs = new Set<number>();
    for (let i = 0; i < 16; i++) {
      const key = Uint8Array.from(publicKeyOf(new Uint8Array(32).fill(i)));
      signs.add(key[31]! >> 7);
      expect(isSafePublicKey(key)).toBe(true);
    }
    expect(signs).toEqual(new Set([0, 1]));
  });

  test('looking at a key leaves its bytes alone, also those of a Buffer', () => {
    const key = Buffer.alloc(32, 0xff);
    isSafePublicKey(key);
    isSafeAgreementKey(key);
    expect(key).toEqual(Buffer.alloc(32, 0xff));
  });
});

test.each([0, 63, 65])('a signature of %i bytes is refused without being verified', (length) => {
  const seed = new Uint8Array(32).fill(9);
  const whole = Uint8Array.from([...signBytes(seed, utf8('m')), 0]);
  for (const backend of BACKENDS) {
    expect(isValidSignature(publicKeyOf(seed), utf8('m'), whole.slice(0, length), backend)).toBe(false);
  }
});
