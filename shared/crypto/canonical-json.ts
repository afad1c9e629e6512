/**
 * RFC 8785 (JCS) for plain JSON, strict: only null, booleans, finite numbers, well-formed strings, arrays
 * and plain objects. Everything signed or hashed goes through here, so two encodings of one value do not
 * exist: what is parsed must be byte-for-byte what would have been written.
 */
import { base64Length, toBase64, writeBase64 } from '#shared/crypto/base64.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const DEPTH_MAX = 64;

/** Bytes in place of the string that is their padded base64: ten million weights are long enough once. */
export class Base64Text {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  toString(): string {
    return toBase64(this.bytes);
  }
}
type Piece = string | Base64Text;

/**
 * @throws FederationError CANON for undefined, NaN, infinities, lone surrogates, BigInt, Date, class
 *   instances, sparse arrays, or nesting deeper than 64
 */
export function canonicalJson(value: unknown): string {
  const pieces: Piece[] = [];
  write(value, 0, pieces);
  return pieces.join('');
}

/** The same as UTF-8, with base64 written in its place at once. @throws FederationError CANON as above */
export function canonicalBytes(value: unknown): Uint8Array<ArrayBuffer> {
  const pieces: Piece[] = [];
  write(value, 0, pieces);
  const parts: (Uint8Array | Base64Text)[] = [];
  let text = '';
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      text += piece;
      continue;
    }
    parts.push(utf8(text), piece);
    text = '';
  }
  parts.push(utf8(text));
  const lengths = parts.map((part) =>
    part instanceof Base64Text ? base64Length(part.bytes.length) : part.length,
  );
  const bytes = new Uint8Array(lengths.reduce((a, b) => a + b));
  let at = 0;
  parts.forEach((part, i) => {
    const place = bytes.subarray(at, (at += lengths[i]!));
    if (part instanceof Base64Text) writeBase64(part.bytes, place);
    else place.set(part);
  });
  return bytes;
}

function write(value: unknown, depth: number, pieces: Piece[]): void {
  if (depth > DEPTH_MAX) throw invalid(`nesting deeper than ${DEPTH_MAX}`);
  switch (typeof value) {
    case 'boolean':
      pieces.push(value ? 'true' : 'false');
      return;
    case 'number':
      if (!Number.isFinite(value)) throw invalid('a number that is not finite');
      pieces.push(JSON.stringify(value)); // ECMAScript number formatting is what RFC 8785 prescribes
      return;
    case 'string':
      writeText(value, pieces);
      return;
    case 'object':
      if (value === null) pieces.push('null');
      else if (value instanceof Base64Text) pieces.push('"', value, '"');
      else if (Array.isArray(value)) writeArray(value, depth, pieces);
      else writeObject(value, depth, pieces);
      return;
    default:
      throw invalid(`a value of type ${typeof value}`);
  }
}

function writeText(text: string, pieces: Piece[]): void {
  if (!text.isWellFormed()) throw invalid('a lone surrogate');
  pieces.push(JSON.stringify(text));
}

function writeArray(items: readonly unknown[], depth: number, pieces: Piece[]): void {
  pieces.push('[');
  for (let i = 0; i < items.length; i++) {
    if (i > 0) pieces.push(',');
    write(items[i], depth + 1, pieces);
  }
  pieces.push(']');
}

function writeObject(object: object, depth: number, pieces: Piece[]): void {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) throw invalid('an object that is not plain');
  const entries = Object.entries(object);
  // RFC 8785 3.2.3: keys sorted by UTF-16 code units, which is how JavaScript compares strings
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  pieces.push('{');
  for (let i = 0; i < entries.length; i++) {
    const [key, value] = entries[i]!;
    if (i > 0) pieces.push(',');
    writeText(key, pieces);
    pieces.push(':');
    write(value, depth + 1, pieces);
  }
  pieces.push('}');
}

/**
 * Parses bytes or text that must already be canonical. This removes duplicate keys and alternative
 * encodings in one comparison.
 * @throws FederationError CANON
 */
export function parseCanonicalJson(text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw new FederationError('CANON', 'expected canonical JSON, got text that is not JSON', { cause });
  }
  if (canonicalJson(value) !== text) {
    throw invalid(
      'an encoding that is not the canonical one (key order, spacing, numbers or duplicate keys)',
    );
  }
  return value;
}

function invalid(what: string): FederationError {
  return new FederationError('CANON', `expected canonical JSON (RFC 8785), got ${what}`);
}
