import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from '#shared/crypto/base64.ts';

/** RFC 4648 section 10, then the bytes on which the two alphabets differ. */
const VECTORS: [text: string, base64: string, base64Url: string][] = [
  ['', '', ''],
  ['f', 'Zg==', 'Zg'],
  ['fo', 'Zm8=', 'Zm8'],
  ['foo', 'Zm9v', 'Zm9v'],
  ['foob', 'Zm9vYg==', 'Zm9vYg'],
  ['fooba', 'Zm9vYmE=', 'Zm9vYmE'],
  ['foobar', 'Zm9vYmFy', 'Zm9vYmFy'],
  ['\u00fb\u00ef\u00ff\u00fe', '++///g==', '--___g'],
];

describe('encodings', () => {
  test.each(VECTORS)('%j is %s in base64 and %s in base64url', (text, base64, base64Url) => {
    const bytes = new Uint8Array(Buffer.from(text, 'latin1'));
    expect(toBase64(bytes)).toBe(base64);
    expect(toBase64Url(bytes)).toBe(base64Url);
    expect(fromBase64(base64)).toEqual(bytes);
    expect(fromBase64Url(base64Url)).toEqual(bytes);
  });

  test('agree with Buffer on any bytes, both ways', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
        expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  test('a view into a larger buffer is encoded alone', () => {
    expect(toBase64(Uint8Array.of(1, 2, 3, 4, 5).subarray(1, 4))).toBe('AgME');
  });

  test.each([24_575, 24_576, 24_577, 32_767, 32_768, 32_769, 73_729, 200_001])(
    '%i bytes, more than fit one call of fromCharCode, are encoded like Buffer does',
    (length) => {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
      expect(Buffer.compare(fromBase64(toBase64(bytes)), bytes)).toBe(0);
    },
  );
});

describe('text that is not the one canonical encoding', () => {
  test.each([
    ['padding', 'Zg=='],
    ['the other alphabet', '+_8A'],
    ['a space', 'Zm 9v'],
    ['a newline at the end', 'Zm9v\n'],
    ['trailing bits that are not 0', 'Zh'],
    ['trailing bits that are not 0, in the third character', 'Zm9'],
    ['a length no bytes have', 'Zm9vY'],
    ['a character outside ASCII', 'Zm9vé'],
  ])('base64url with %s is refused', (_what, text) => {
    expect(() => fromBase64Url(text)).toThrow(RangeError);
  });

  test.each([
    ['no padding', 'Zg'],
    ['too little padding', 'Zg='],
    ['too much padding', 'Zm8=='],
    ['padding alone', '=='],
    ['padding where none belongs', 'Zm9v=='],
    ['the other alphabet', '-_8A'],
    ['a newline inside', 'Zm9v\nYmFy'],
    ['trailing bits that are not 0', 'Zh=='],
    ['trailing bits that are not 0, in the third character', 'Zm9='],
    ['padding in the middle', 'Zg==Zg=='],
  ])('base64 with %s is refused', (_what, text) => {
    expect(() => fromBase64(text)).toThrow(RangeError);
  });

  test('of all two-character texts exactly the 256 that encode one byte are accepted', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const accepted = new Set<number>();
    let count = 0;
    for (const a of alphabet) {
      for (const b of alphabet) {
        try {
          accepted.add(fromBase64Url(a + b)[0]!);
          count++;
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }
    }
    expect(count).toBe(256);
    expect(accepted.size).toBe(256);
  });
});
