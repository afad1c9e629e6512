import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backend as nodeBackend } from '#shared/crypto/backend-node.ts';
import { backend as portableBackend } from '#shared/crypto/backend-portable.ts';
import { fromHex, toHex } from '#shared/crypto/hash.ts';
import {
  agreementPublicKey,
  agreeSecret,
  deriveKey,
  isSafeAgreementKey,
} from '#shared/crypto/key-agreement.ts';

const BACKENDS = [nodeBackend, portableBackend] as const;
const P = 2n ** 255n - 19n;
const A = 486_662n;

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function readLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
}

/** Euler's criterion. */
function isSquare(value: bigint): boolean {
  let [power, base] = [1n, ((value % P) + P) % P];
  for (let exponent = (P - 1n) / 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) power = (power * base) % P;
    base = (base * base) % P;
  }
  return power === 1n;
}

const BASE = littleEndian(9n);
const TOP_BIT = 1n << 255n;

describe.each(BACKENDS)('X25519 on the $name back end', (using) => {
  test.each([
    {
      scalar: 'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
      u: 'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
      product: 'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    },
    {
      scalar: '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
      u: 'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493', // top bit set
      product: '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
    },
  ])('gives the published product of RFC 7748 section 5.2: $scalar', ({ scalar, u, product }) => {
    expect(toHex(agreeSecret(fromHex(scalar), fromHex(u), using))).toBe(product);
  });

  test('iterated 1 and 1000 times gives the published values of section 5.2', () => {
    let [k, u] = [BASE, BASE];
    for (let i = 1; i <= 1000; i++) {
      [k, u] = [agreeSecret(k, u, using), k];
      if (i === 1) {
        expect(toHex(k)).toBe('422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079');
      }
    }
    expect(toHex(k)).toBe('684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51');
  });

  test('agrees on the published secret of section 6.1 from either side', () => {
    const alice = fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
    const bob = fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
    const [ofAlice, ofBob] = [agreementPublicKey(alice, using), agreementPublicKey(bob, using)];
    expect(toHex(ofAlice)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
    expect(toHex(ofBob)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
    const secret = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
    expect(toHex(agreeSecret(alice, ofBob, using))).toBe(secret);
    expect(toHex(agreeSecret(bob, ofAlice, using))).toBe(secret);
  });

  test('ignores the five bits of the secret that are clamped, and the top bit of the key', () => {
    const secret = littleEndian(2n ** 254n + 0x1234567890abcdefn * 8n);
    const key = agreementPublicKey(littleEndian(77n), using);
    const expected = toHex(agreeSecret(secret, key, using));
    const highBit = littleEndian(readLittleEndian(key) | TOP_BIT);
    expect(toHex(agreeSecret(secret, highBit, using))).toBe(expected);
    for (const bit of [0, 1, 2, 254, 255]) {
      const other = littleEndian(readLittleEndian(secret) ^ (1n << BigInt(bit)));
      expect(toHex(agreeSecret(other, key, using)), `bit ${bit}`).toBe(expected);
      expect(toHex(agreementPublicKey(other, using))).toBe(toHex(agreementPublicKey(secret, using)));
    }
    const different = littleEndian(readLittleEndian(secret) ^ 8n);
    expect(toHex(agreeSecret(different, key, using))).not.toBe(expected);
  });

  test('leaves the secret as it was', () => {
    const secret = new Uint8Array(32).fill(0xff);
    agreeSecret(secret, BASE, using);
    agreementPublicKey(secret, using);
    expect(secret).toEqual(new Uint8Array(32).fill(0xff));
  });
});

describe('the two back ends', () => {
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

  test('agree with each other and with the other side for any two secrets', () => {
    fc.assert(
      fc.property(bytes32, bytes32, (one, other) => {
        const key = agreementPublicKey(other, nodeBackend);
        expect(toHex(agreementPublicKey(other, portableBackend))).toBe(toHex(key));
        expect(toHex(agreementPublicKey(other))).toBe(toHex(key));
        const secret = toHex(agreeSecret(one, key, nodeBackend));
        expect(toHex(agreeSecret(one, key, portableBackend))).toBe(secret);
        expect(toHex(agreeSecret(other, agreementPublicKey(one, portableBackend)))).toBe(secret);
      }),
      { numRuns: 60 },
    );
  });

  test('agree for any 32 bytes that a bank may send as its key, on the curve or on its twist', () => {
    fc.assert(
      fc.property(bytes32, bytes32, (secret, key) => {
        fc.pre(isSafeAgreementKey(key));
        const [one, other] = BACKENDS.map((using) => toHex(agreeSecret(secret, key, using)));
        expect(one).toBe(other);
      }),
      { numRuns: 60 },
    );
  });

  test('agree for keys that are not reduced modulo p, from p + 2 on', () => {
    const secret = littleEndian(0xdeadbeefn);
    for (let u = P + 2n; u < 2n ** 255n; u++) {
      const reduced = toHex(agreeSecret(secret, littleEndian(u - P)));
      for (const using of BACKENDS) {
        expect(toHex(agreeSecret(secret, littleEndian(u), using))).toBe(reduced);
      }
    }
  });
});

describe('keys of small order', () => {
  /** D. J. Bernstein's list at cr.yp.to/ecdh.html. */
  const ORDER_8 = [
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  ].map((hex) => readLittleEndian(fromHex(hex)));
  const REDUCED = [0n, 1n, P - 1n, ...ORDER_8];
  const ENCODINGS = REDUCED.flatMap((u) => [u, u + P])
    .filter((u) => u < TOP_BIT)
    .flatMap((u) => [u, u | TOP_BIT])
    .map(littleEndian);

  test('are 0, ±1 and the two of order 8: doubling takes no other u to these, on curve or twist', () => {
    // the double of u is (u² − 1)² / 4u(u² + Au + 1); where the denominator is 0 it is the point at infinity
    expect(isSquare(A * A - 4n)).toBe(false); // so that u² + Au + 1 has no root, and 0 alone has order 2
    // the double is 0 for u = ±1; it is −1 where v = u + 1/u solves v² + 4v + 4A − 4 = 0
    expect(isSquare(2n - A)).toBe(false);
    // it is 1 where v² − 4v − 4 − 4A = 0, for one of whose two roots u² − vu + 1 has roots: the two u
    const [u, other] = ORDER_8 as [bigint, bigint];
    const v = u + other;
    expect((u * other) % P).toBe(1n);
    expect((v * v - 4n * v - 4n - 4n * A) % P).toBe(0n);
    expect(isSquare(v * v - 4n)).toBe(true);
    expect(isSquare((4n - v) * (4n - v) - 4n)).toBe(false);
  });

  test('have fourteen encodings, for which one back end throws and the other gives zeros', () => {
    expect(new Set(ENCODINGS.map(toHex)).size).toBe(14);
    for (const key of ENCODINGS) {
      expect(() => nodeBackend.x25519(new Uint8Array(32).fill(5), key)).toThrow();
      expect(portableBackend.x25519(new Uint8Array(32).fill(5), key)).toEqual(new Uint8Array(32));
    }
  });

  test.each(BACKENDS)('are refused before $name sees them, whatever the secret', (using) => {
    for (const key of ENCODINGS) {
      expect(isSafeAgreementKey(key), toHex(key)).toBe(false);
      for (const fill of [0, 5, 255]) {
        expect(() => agreeSecret(new Uint8Array(32).fill(fill), key, using)).toThrow(
          expect.objectContaining({ code: 'WEAK_KEY' }),
        );
      }
    }
  });

  test.each([0, 31, 33, 64])(
    'are no more dangerous than a key of %i bytes, which is refused too',
    (length) => {
      const key = new Uint8Array(length).fill(9);
      expect(isSafeAgreementKey(key)).toBe(false);
      expect(() => agreeSecret(new Uint8Array(32).fill(1), key)).toThrow(
        expect.objectContaining({ code: 'WEAK_KEY' }),
      );
    },
  );

  test('are not confused with their neighbours, with which both back ends agree on a secret', () => {
    const neighbours = REDUCED.flatMap((u) => [u - 2n, u + 2n]).filter((u) => u > 1n && u < P - 1n);
    expect(neighbours).toHaveLength(7);
    for (const key of [...neighbours, 9n].map(littleEndian)) {
      expect(isSafeAgreementKey(key), toHex(key)).toBe(true);
      const [one, other] = BACKENDS.map((using) =>
        toHex(agreeSecret(new Uint8Array(32).fill(7), key, using)),
      );
      expect(one).toBe(other);
      expect(one).not.toBe('00'.repeat(32));
    }
  });
});

test('a derived key is the first 32 bytes of HKDF-SHA256: RFC 5869 test case 1', () => {
  const key = deriveKey(
    new Uint8Array(22).fill(0x0b),
    fromHex('000102030405060708090a0b0c'),
    fromHex('f0f1f2f3f4f5f6f7f8f9'),
  );
  expect(toHex(key)).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf');
});
