/**
 * Strict base64url without padding (RFC 4648 section 5), and padded base64 (section 4) for C2SP notes and
 * weights. Written out, because what platforms offer is lenient, different in each, or slow for ten million
 * weights.
 */
const SHARED = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const PAD = '='.charCodeAt(0);
const NOT_A_DIGIT = 255;

interface Alphabet {
  /** Character codes by value. */
  readonly digits: Uint8Array;
  /** Values by character code. */
  readonly values: Uint8Array;
}

function alphabet(last: string): Alphabet {
  const digits = Uint8Array.from(SHARED + last, (character) => character.charCodeAt(0));
  const values = new Uint8Array(256).fill(NOT_A_DIGIT);
  digits.forEach((code, value) => (values[code] = value));
  return { digits, values };
}
const STANDARD = alphabet('+/');
const URL_SAFE = alphabet('-_');
const ascii = new TextDecoder('latin1');

/** Characters of so many bytes in unpadded base64url. */
export function base64UrlLength(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}

/** Unpadded base64url. */
export function toBase64Url(bytes: Uint8Array): string {
  const out = new Uint8Array(base64UrlLength(bytes.length));
  encode(bytes, URL_SAFE, out);
  return ascii.decode(out);
}

/** @throws RangeError unless `text` is the one canonical encoding of some bytes */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  return decode(text, text.length, URL_SAFE);
}

/** Padded base64. */
export function toBase64(bytes: Uint8Array): string {
  const out = new Uint8Array(base64Length(bytes.length));
  writeBase64(bytes, out);
  return ascii.decode(out);
}

/** Characters of so many bytes in padded base64. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Padded base64 as ASCII. @param out of exactly its length */
export function writeBase64(bytes: Uint8Array, out: Uint8Array): void {
  encode(bytes, STANDARD, out.fill(PAD, Math.ceil((bytes.length * 4) / 3)));
}

/** @throws RangeError unless `text` is the one canonical padded encoding of some bytes */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new RangeError('expected padded base64');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return decode(text, text.length - padding, STANDARD);
}

function encode(bytes: Uint8Array, { digits }: Alphabet, out: Uint8Array): void {
  const whole = bytes.length - (bytes.length % 3);
  let at = 0;
  for (let i = 0; i < whole; i += 3) {
    const group = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    out[at++] = digits[group >>> 18]!;
    out[at++] = digits[(group >>> 12) & 63]!;
    out[at++] = digits[(group >>> 6) & 63]!;
    out[at++] = digits[group & 63]!;
  }
  if (whole < bytes.length) {
    const group = (bytes[whole]! << 16) | ((bytes[whole + 1] ?? 0) << 8);
    out[at++] = digits[group >>> 18]!;
    out[at++] = digits[(group >>> 12) & 63]!;
    if (whole + 2 === bytes.length) out[at++] = digits[(group >>> 6) & 63]!;
  }
}

/** @param length characters before the padding */
function decode(text: string, length: number, { values }: Alphabet): Uint8Array<ArrayBuffer> {
  if (length % 4 === 1) throw new RangeError('expected base64 of whole bytes');
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let at = 0;
  let group = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    const value = code < 256 ? values[code]! : NOT_A_DIGIT;
    if (value === NOT_A_DIGIT) throw new RangeError(`expected a base64 digit at position ${i}`);
    group = (group << 6) | value;
    if (i % 4 === 0) continue;
    // digits 1, 2 and 3 of four complete a byte; the bits after it belong to the next one
    const left = 6 - 2 * (i % 4);
    bytes[at++] = group >>> left;
    group &= (1 << left) - 1;
  }
  if (group !== 0) throw new RangeError('expected no bits after the last byte');
  return bytes;
}
