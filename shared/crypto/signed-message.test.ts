import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { assertSignedBy, messageHash, signMessage } from '#shared/crypto/signed-message.ts';

/** RFC 8032 TEST 1. */
const SEED = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
const KEY = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
const OTHER_KEY = toBase64Url(publicKeyOf(new Uint8Array(32).fill(3)));

/** Computed with Python's hashlib and cryptography over the bytes that section 2.1 of the design prescribes. */
const GOLDEN = {
  type: 'refuse-round',
  payload: { reason: 'zu groß', n: [1, -0.5, 1e21], code: 'POLICY' },
  hash: '52e96d007779c9afa42171630cdd63c5d6a999c074a5e297e83574e62047d53c',
  sig: '6cr86_30iSYfJvsDp08AvbJEYJ8Cl_FzHFT50TjQ8MZkdNFaLlYRRiuM9g5AkMIf5XPq21oNo0ajhWlKgiyhBA',
};

const refusedSignature = expect.objectContaining({ code: 'SIG' });

describe('a signed message', () => {
  test('has the hash and the signature that another implementation computes', () => {
    expect(messageHash(GOLDEN.type, GOLDEN.payload)).toBe(GOLDEN.hash);
    expect(signMessage(GOLDEN.type, GOLDEN.payload, SEED)).toEqual({
      type: GOLDEN.type,
      payload: GOLDEN.payload,
      sig: GOLDEN.sig,
    });
    expect(() => assertSignedBy(GOLDEN, KEY)).not.toThrow();
  });

  test('does not depend on the order in which its payload was built', () => {
    const { code, n, reason } = GOLDEN.payload;
    expect(messageHash(GOLDEN.type, { n, code, reason })).toBe(GOLDEN.hash);
  });

  test('is not valid as a message of another type', () => {
    expect(() => assertSignedBy({ ...GOLDEN, type: 'consent' }, KEY)).toThrow(refusedSignature);
    expect(messageHash('consent', GOLDEN.payload)).not.toBe(GOLDEN.hash);
  });

  test('is not valid under another key', () => {
    expect(() => assertSignedBy(GOLDEN, OTHER_KEY)).toThrow(refusedSignature);
  });

  test.each([
    ['a value', { ...GOLDEN.payload, code: 'POLICZ' }],
    ['a number in its last digit', { ...GOLDEN.payload, n: [1, -0.5000000000000001, 1e21] }],
    ['the order of an array', { ...GOLDEN.payload, n: [-0.5, 1, 1e21] }],
    ['a further key', { ...GOLDEN.payload, extra: null }],
    ['a missing key', { code: 'POLICY', n: GOLDEN.payload.n }],
    ['a number for a text', { ...GOLDEN.payload, reason: 1 }],
  ])('is not valid after a change of %s', (_what, payload) => {
    expect(() => assertSignedBy({ ...GOLDEN, payload }, KEY)).toThrow(refusedSignature);
    expect(messageHash(GOLDEN.type, payload)).not.toBe(GOLDEN.hash);
  });

  test('is not valid with any one bit of its signature flipped', () => {
    for (let bit = 0; bit < 512; bit += 7) {
      const sig = fromBase64Url(GOLDEN.sig);
      sig[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => assertSignedBy({ ...GOLDEN, sig: toBase64Url(sig) }, KEY)).toThrow(refusedSignature);
    }
  });

  test('of a type with other characters than [a-z0-9-] is never made, so no type can imitate a payload', () => {
    for (const type of ['', 'Consent', 'consent\n{}', 'con sent', 'consent_', 'é']) {
      expect(() => messageHash(type, {})).toThrow(RangeError);
      expect(() => signMessage(type, {}, SEED)).toThrow(RangeError);
    }
  });

  test('with a payload that has no canonical form is never made', () => {
    expect(() => signMessage('consent', { a: undefined }, SEED)).toThrow(
      expect.objectContaining({ code: 'CANON' }),
    );
  });

  test('of any JSON payload is valid as itself and not with another one', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (payload, other) => {
        const signed = signMessage('x', payload, SEED);
        expect(() => assertSignedBy(signed, KEY)).not.toThrow();
        if (messageHash('x', other) !== messageHash('x', payload)) {
          expect(() => assertSignedBy({ ...signed, payload: other }, KEY)).toThrow(refusedSignature);
        } else {
          expect(JSON.stringify(other)).toHaveLength(JSON.stringify(payload).length);
        }
      }),
      { numRuns: 60 },
    );
  });
});
