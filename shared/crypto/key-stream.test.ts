/** What the two back ends make of symmetric keys: HKDF, the AES-256-CTR key stream and AES-256-GCM. */
import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backend as nodeBackend } from '#shared/crypto/backend-node.ts';
import { backend as portableBackend } from '#shared/crypto/backend-portable.ts';
import { fromHex, toHex } from '#shared/crypto/hash.ts';

const BACKENDS = [nodeBackend, portableBackend] as const;
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Bytes from one to the other, as RFC 5869 writes its long inputs. */
function counting(from: number, to: number): Uint8Array {
  return Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
}

describe.each(BACKENDS)('HKDF-SHA256 on the $name back end', (backend) => {
  test.each([
    {
      name: '1',
      secret: new Uint8Array(22).fill(0x0b),
      salt: counting(0x00, 0x0c),
      info: counting(0xf0, 0xf9),
      key: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    },
    {
      name: '2',
      secret: counting(0x00, 0x4f),
      salt: counting(0x60, 0xaf),
      info: counting(0xb0, 0xff),
      key:
        'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09' +
        'da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
    },
    {
      name: '3',
      secret: new Uint8Array(22).fill(0x0b),
      salt: new Uint8Array(0),
      info: new Uint8Array(0),
      key: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    },
  ])('gives the key of RFC 5869 test case $name', ({ secret, salt, info, key }) => {
    expect(toHex(backend.hkdf(secret, salt, info, key.length / 2))).toBe(key);
  });
});

test('both back ends derive the same key from any secret, salt and info', () => {
  const any = fc.uint8Array({ maxLength: 100 });
  fc.assert(
    fc.property(any, any, any, fc.integer({ min: 1, max: 100 }), (secret, salt, info, length) => {
      const [one, other] = BACKENDS.map((backend) => toHex(backend.hkdf(secret, salt, info, length)));
      expect(one).toBe(other);
      expect(one).toHaveLength(2 * length);
    }),
    { numRuns: 60 },
  );
});

/** OpenSSL's stream, from a counter block, in one piece. */
function reference(key: Uint8Array, counter: string, length: number): string {
  return createCipheriv('aes-256-ctr', key, fromHex(counter)).update(Buffer.alloc(length)).toString('hex');
}

test('the cipher that serves as reference gives NIST SP 800-38A F.5.5', () => {
  const key = fromHex('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4');
  const text = fromHex(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
      '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  );
  const cipher = createCipheriv('aes-256-ctr', key, fromHex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'));
  expect(cipher.update(text).toString('hex')).toBe(
    '601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5' +
      '2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6',
  );
});

describe.each(BACKENDS)('the key stream of the $name back end', (backend) => {
  // AES-256 of sixteen zero bytes, which is a counter of zero: NIST AESAVS appendix C.3, and the GCM
  // specification's H of the zero key
  test.each([
    ['00'.repeat(32), 'dc95c078a2408989ad48a21492842087'],
    ['c47b0294dbbbee0fec4757f22ffeee3587ca4730c3d33b691df38bab076bc558', '46f2fb342d6f0ab477476fc501242c5f'],
    ['28d46cffa158533194214a91e712fc2b45b518076675affd910edeca5f41ac64', '4bf3b0a69aeb6657794f2901b1440ad4'],
  ])('of key %s begins with the published block', (key, block) => {
    expect(toHex(backend.keyStream(fromHex(key), 0).next(16))).toBe(block);
  });

  test('is the same whatever pieces it is taken in', () => {
    const pieces = fc.array(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 3000 })), { maxLength: 12 });
    fc.assert(
      fc.property(bytes32, fc.nat({ max: 100_000 }), pieces, (key, blocks, lengths) => {
        const total = lengths.reduce((sum, length) => sum + length, 0);
        const stream = backend.keyStream(key, 16 * blocks);
        const taken = lengths.map((length) => {
          const piece = stream.next(length);
          expect(piece).toHaveLength(length);
          return toHex(piece);
        });
        const counter = blocks.toString(16).padStart(32, '0');
        expect(taken.join('')).toBe(reference(key, counter, total));
      }),
      { numRuns: 60 },
    );
  });

  test('is the same in pieces beyond 64 KiB', () => {
    const key = new Uint8Array(32).fill(3);
    const stream = backend.keyStream(key, 0);
    const taken = [65_535, 65_536, 65_537, 200_001].map((length) => toHex(stream.next(length)));
    expect(taken.join('') === reference(key, '00'.repeat(16), 396_609)).toBe(true);
  });

  test.each([
    [2 ** 12 - 32, '000000000000000000000000000000fe'],
    [2 ** 20 - 32, '0000000000000000000000000000fffe'],
    [2 ** 36 - 32, '000000000000000000000000fffffffe'], // the counter leaves 32 bits: 64 GiB
    [2 ** 36, '00000000000000000000000100000000'],
    [2 ** 53 - 32, '00000000000000000001fffffffffffe'],
  ])('goes on from byte %i as the counter does', (fromByte, counter) => {
    const key = new Uint8Array(32).fill(4);
    const stream = backend.keyStream(key, fromByte);
    const taken = toHex(stream.next(40)) + toHex(stream.next(60));
    expect(taken).toBe(reference(key, counter, 100));
  });

  test('is not disturbed by another one that is read in between', () => {
    const [key, otherKey] = [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6)];
    const [stream, other] = [backend.keyStream(key, 0), backend.keyStream(otherKey, 0)];
    let [taken, takenOfOther] = ['', ''];
    for (const length of [10, 16, 7, 33]) {
      taken += toHex(stream.next(length));
      takenOfOther += toHex(other.next(length + 1));
    }
    expect(taken).toBe(reference(key, '00'.repeat(16), 66));
    expect(takenOfOther).toBe(reference(otherKey, '00'.repeat(16), 70));
  });
});

describe('a key stream that should begin inside a block', () => {
  const PLACES = [1, 4, 8, 15, 17, 65_537];

  test.each(PLACES)('at byte %i is refused by OpenSSL', (fromByte) => {
    expect(() => nodeBackend.keyStream(new Uint8Array(32), fromByte)).toThrow(RangeError);
  });

  test.each(PLACES)('at byte %i is refused by the portable back end', (fromByte) => {
    expect(() => portableBackend.keyStream(new Uint8Array(32), fromByte)).toThrow(RangeError);
  });
});

describe.each(BACKENDS)('AES-256-GCM on the $name back end', (backend) => {
  const other = backend === nodeBackend ? portableBackend : nodeBackend;
  const KEY = fromHex('feffe9928665731c6d6a8f9467308308'.repeat(2));

  // McGrew and Viega, test cases 13, 14 and 16
  test.each([
    {
      name: '13',
      key: '00'.repeat(32),
      nonce: '00'.repeat(12),
      text: '',
      bound: '',
      sealed: '530f8afbc74536b9a963b4f1c4cb738b',
    },
    {
      name: '14',
      key: '00'.repeat(32),
      nonce: '00'.repeat(12),
      text: '00'.repeat(16),
      bound: '',
      sealed: 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    },
    {
      name: '16',
      key: toHex(KEY),
      nonce: 'cafebabefacedbaddecaf888',
      text: 'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      bound: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      sealed:
        '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
        '76fc6ece0f4e1768cddf8853bb2d551b',
    },
  ])('seals and opens test case $name', ({ key, nonce, text, bound, sealed }) => {
    const [k, n, t, b] = [fromHex(key), fromHex(nonce), fromHex(text), fromHex(bound)];
    expect(toHex(backend.gcmSeal(k, n, t, b))).toBe(sealed);
    expect(toHex(backend.gcmOpen(k, n, fromHex(sealed), b)!)).toBe(text);
  });

  test('opens what the other back end sealed', () => {
    const any = fc.uint8Array({ maxLength: 200 });
    const nonces = fc.uint8Array({ minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(bytes32, nonces, any, any, (key, nonce, text, bound) => {
        const sealed = other.gcmSeal(key, nonce, text, bound);
        expect(sealed).toHaveLength(text.length + 16);
        expect(toHex(backend.gcmOpen(key, nonce, sealed, bound)!)).toBe(toHex(text));
      }),
      { numRuns: 60 },
    );
  });

  test('opens nothing after any one bit of text, tag, bound data, nonce or key was flipped', () => {
    const [nonce, text, bound] = [counting(1, 12), counting(40, 72), counting(200, 219)];
    const sealed = backend.gcmSeal(KEY, nonce, text, bound);
    expect(backend.gcmOpen(KEY, nonce, sealed, bound)).toEqual(text);
    const everyBit = (bytes: Uint8Array) =>
      Array.from({ length: bytes.length * 8 }, (_, bit) => flip(bytes, bit));
    const opened = [
      ...everyBit(sealed).map((flipped) => backend.gcmOpen(KEY, nonce, flipped, bound)),
      ...everyBit(bound).map((flipped) => backend.gcmOpen(KEY, nonce, sealed, flipped)),
      ...everyBit(nonce).map((flipped) => backend.gcmOpen(KEY, flipped, sealed, bound)),
      ...everyBit(KEY).map((flipped) => backend.gcmOpen(flipped, nonce, sealed, bound)),
    ];
    expect(opened).toHaveLength(8 * (49 + 20 + 12 + 32));
    expect(opened.filter((text) => text !== undefined)).toEqual([]);
  });

  test('opens nothing of another length, down to no bytes at all', () => {
    const [nonce, bound] = [counting(1, 12), counting(1, 5)];
    const sealed = backend.gcmSeal(KEY, nonce, counting(1, 20), bound);
    for (let length = 0; length < sealed.length; length++) {
      expect(backend.gcmOpen(KEY, nonce, sealed.subarray(0, length), bound), `${length}`).toBeUndefined();
    }
    expect(backend.gcmOpen(KEY, nonce, Uint8Array.of(...sealed, 0), bound)).toBeUndefined();
    expect(backend.gcmOpen(KEY, nonce, sealed, bound.subarray(1))).toBeUndefined();
  });
});
