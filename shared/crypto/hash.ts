/** SHA-256, the only hash of the protocol, and the byte/text conversions that go with it. */
import { backend } from '#shared/crypto/backend.ts';

const encoder = new TextEncoder();
/** Below it, parts are joined first: nodes of trees and messages, which are hashed by the thousand. */
const JOINED_BYTES_MAX = 4096;
const joined = new Uint8Array(JOINED_BYTES_MAX);

/** SHA-256 of the concatenation of `parts`, 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return backend.sha256(parts[0]!);
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > JOINED_BYTES_MAX) {
    const state = backend.createSha256();
    for (const part of parts) state.update(part);
    return state.digest();
  }
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return backend.sha256(joined.subarray(0, length));
}

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i]!]!;
  return text;
}

const NOT_A_DIGIT = 255;
/** Values by character code: agents read the leaf of every entry, so a pattern and `parseInt` would be felt. */
const HEX_VALUES = new Uint8Array(128).fill(NOT_A_DIGIT);
Array.from('0123456789abcdef').forEach((digit, value) => (HEX_VALUES[digit.charCodeAt(0)] = value));

/** @throws RangeError when `text` is not an even number of lower-case hex digits */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >>> 1);
  let isHex = text.length % 2 === 0;
  for (let i = 0; i < bytes.length; i++) {
    const high = HEX_VALUES[text.charCodeAt(2 * i)] ?? NOT_A_DIGIT;
    const low = HEX_VALUES[text.charCodeAt(2 * i + 1)] ?? NOT_A_DIGIT;
    if (high === NOT_A_DIGIT || low === NOT_A_DIGIT) isHex = false;
    bytes[i] = (high << 4) | low;
  }
  if (!isHex) throw new RangeError('expected lower-case hex digits');
  return bytes;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
