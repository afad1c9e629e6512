import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backend as nodeBackend } from '#shared/crypto/backend-node.ts';
import { backend as portableBackend } from '#shared/crypto/backend-portable.ts';
import { equalBytes, fromHex, sha256, toHex, utf8 } from '#shared/crypto/hash.ts';

/** FIPS 180-4 examples (NIST CSRC). */
const VECTORS: [message: string, digest: string][] = [
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  [
    'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
    'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1',
  ],
  ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
];

describe('SHA-256', () => {
  describe.each([nodeBackend, portableBackend])('on the $name back end', (backend) => {
    test.each(VECTORS)('hashes %.20s to its published digest', (message, digest) => {
      expect(toHex(backend.createSha256().update(utf8(message)).digest())).toBe(digest);
      expect(toHex(backend.sha256(utf8(message)))).toBe(digest);
    });
  });

  test('of several parts is the hash of their concatenation, on both back ends', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 1500 }), { maxLength: 8 }), (parts) => {
        const expected = createHash('sha256').update(Buffer.concat(parts)).digest('hex');
        expect(toHex(sha256(...parts))).toBe(expected);
        for (const backend of [nodeBackend, portableBackend]) {
          const state = backend.createSha256();
          for (const part of parts) state.update(part);
          expect(toHex(state.digest())).toBe(expected);
          expect(toHex(backend.sha256(new Uint8Array(Buffer.concat(parts))))).toBe(expected);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('hex', () => {
  test('round trips and agrees with Buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
        expect(fromHex(toHex(bytes))).toEqual(bytes);
      }),
    );
  });

  test.each(['0', 'abc', 'AB', '0x', 'g0', ' 00', '00\n', '٠٠'])('%j is refused', (text) => {
    expect(() => fromHex(text)).toThrow(RangeError);
  });
});

describe('equalBytes', () => {
  test('is true for equal bytes only, and never for a prefix', () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(), Uint8Array.of())).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 2))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
  });
});
