import { hkdfSync, randomBytes, scryptSync } from 'node:crypto';
import nacl from 'tweetnacl';
import { describe, expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { openSealedKey, sealKey, type SealedKey, type Secret } from '#shared/crypto/sealed-key.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

// each opening runs scrypt, about 100 ms, so the table of damages is short
const KEY = Uint8Array.from({ length: 32 }, (_, i) => 200 - 3 * i);
const SECRET = 'correct horse — Batterie 🐎';
const random = (length: number) => new Uint8Array(randomBytes(length));
const sealed = sealKey(KEY, 'identity key', SECRET, random);

function refusalOf(value: unknown, secret: Secret): FederationError {
  try {
    openSealedKey(value, secret);
  } catch (error) {
    if (error instanceof FederationError) return error;
    throw error;
  }
  throw new Error('it was opened');
}

/** The same text with one bit of its bytes flipped. */
function flipped(base64Url: string, byte: number): string {
  const bytes = fromBase64Url(base64Url);
  bytes[(byte + bytes.length) % bytes.length]! ^= 1;
  return toBase64Url(bytes);
}

describe('a sealed key', () => {
  test('survives a trip through JSON and is opened by its secret', () => {
    expect(openSealedKey(JSON.parse(JSON.stringify(sealed)), SECRET)).toEqual(KEY);
  });

  test("is NaCl's secretbox under scrypt with N = 2^15, r = 8, p = 1, as OpenSSL computes it", () => {
    const { kdf } = sealed;
    if (kdf.name !== 'scrypt') throw new Error(kdf.name);
    const { N, r, p, salt } = kdf;
    expect([N, r, p]).toEqual([32_768, 8, 1]);
    const derived = scryptSync(SECRET, fromBase64Url(salt), 32, { N, r, p, maxmem: 2 ** 26 });
    const nonce = fromBase64Url(sealed.nonce);
    const opened = nacl.secretbox.open(fromBase64Url(sealed.box), nonce, new Uint8Array(derived));
    expect(opened).toEqual(KEY);
  });

  test("under a key file's random bytes is NaCl's secretbox under HKDF-SHA-256, as OpenSSL computes it", () => {
    const secret = random(32);
    const { kdf, nonce, box } = sealKey(KEY, 'identity key', secret, random);
    expect(kdf.name).toBe('hkdf-sha256');
    const salt = fromBase64Url(kdf.salt);
    const derived = new Uint8Array(hkdfSync('sha256', secret, salt, 'tallystick/v1 sealed key', 32));
    expect(nacl.secretbox.open(fromBase64Url(box), fromBase64Url(nonce), derived)).toEqual(KEY);
    expect(refusalOf({ v: 1, what: 'k', kdf, nonce, box }, random(32)).code).toBe('KEY_FILE');
  });

  test('that scrypt sealed under the text of a key file is opened by its bytes', () => {
    const text = 'A'.repeat(43);
    expect(openSealedKey(sealKey(KEY, 'k', text, random), utf8(text))).toEqual(KEY);
  });

  test('never shows the key, and never repeats a salt or a nonce', () => {
    const again = sealKey(KEY, 'identity key', SECRET, random);
    expect(JSON.stringify(sealed)).not.toContain(toBase64Url(KEY));
    expect(again.kdf.salt).not.toBe(sealed.kdf.salt);
    expect(again.nonce).not.toBe(sealed.nonce);
    expect(again.box).not.toBe(sealed.box);
  });

  test('has a salt of 16 bytes and a nonce of 24, drawn from the source it is given', () => {
    const asked: number[] = [];
    const counted = sealKey(KEY, 'k', SECRET, (length) => {
      asked.push(length);
      return new Uint8Array(length).fill(asked.length);
    });
    expect(asked).toEqual([16, 24]);
    expect(fromBase64Url(counted.kdf.salt)).toEqual(new Uint8Array(16).fill(1));
    expect(fromBase64Url(counted.nonce)).toEqual(new Uint8Array(24).fill(2));
  });

  test.each([
    ['another case', 'Correct horse — Batterie 🐎'],
    ['a space at the end', `${SECRET} `],
    ['nothing', ''],
  ])('stays shut for a secret with %s, and the error names neither', (_what, secret) => {
    const refusal = refusalOf(sealed, secret);
    expect(refusal.code).toBe('KEY_FILE');
    expect(refusal.message).toContain('identity key');
    for (const hidden of [SECRET, secret.trim() || 'Batterie', toBase64Url(KEY), sealed.box]) {
      expect(refusal.message).not.toContain(hidden);
    }
  });

  const damages: [what: string, damage: (whole: SealedKey) => SealedKey][] = [
    ['a flipped bit in the tag', (s) => ({ ...s, box: flipped(s.box, 0) })],
    ['a flipped bit in the key', (s) => ({ ...s, box: flipped(s.box, -1) })],
    ['a flipped bit in the nonce', (s) => ({ ...s, nonce: flipped(s.nonce, 5) })],
    ['a flipped bit in the salt', (s) => ({ ...s, kdf: { ...s.kdf, salt: flipped(s.kdf.salt, 15) } })],
    ['a box cut by a byte', (s) => ({ ...s, box: toBase64Url(fromBase64Url(s.box).slice(0, -1)) })],
    ['a box shorter than its tag', (s) => ({ ...s, box: 'AAAA' })],
    ['a nonce cut by a byte', (s) => ({ ...s, nonce: toBase64Url(fromBase64Url(s.nonce).slice(1)) })],
    ['a box that is not base64url', (s) => ({ ...s, box: `${s.box}=` })],
    ['a salt that is not base64url', (s) => ({ ...s, kdf: { ...s.kdf, salt: '+' } })],
  ];

  test.each(damages)('with %s is not opened by the right secret', (_what, damage) => {
    const refusal = refusalOf(damage(sealed), SECRET);
    expect(refusal.code).toBe('KEY_FILE');
    expect(refusal.message).not.toContain(SECRET);
  });

  test.each([
    ['null', null],
    ['text', '{"v":1'],
    ['a JSON text of it, not parsed', JSON.stringify(sealed)],
    ['an empty object', {}],
    ['another version', { ...sealed, v: 2 }],
    ['a cheaper scrypt', { ...sealed, kdf: { ...sealed.kdf, N: 2 } }],
    ['an scrypt that takes all memory', { ...sealed, kdf: { ...sealed.kdf, N: 2 ** 30 } }],
    ['another function', { ...sealed, kdf: { ...sealed.kdf, name: 'pbkdf2' } }],
    ['a field too many', { ...sealed, hint: 'horse' }],
    ['no nonce', { ...sealed, nonce: undefined }],
  ])('is not expected in %s, which is refused before any work', (_what, value) => {
    const refusal = refusalOf(value, SECRET);
    expect(refusal.code).toBe('KEY_FILE');
    expect(refusal.message).not.toContain(SECRET);
  });
});
