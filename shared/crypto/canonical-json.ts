/**
 * RFC 8785 (JCS) for plain JSON, strict: only null, booleans, finite numbers, well-formed strings, arrays
 * and plain objects. Everything signed or hashed goes through here, so two encodings of one value do not
 * exist: what is parsed must be byte-for-byte what would have been written.
 */
import { FederationError } from '#shared/protocol/error-codes.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const DEPTH_MAX = 64;

/**
 * @throws FederationError CANON for undefined, NaN, infinities, lone surrogates, BigInt, Date, class
 *   instances, sparse arrays, or nesting deeper than 64
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > DEPTH_MAX) throw invalid(`nesting deeper than ${DEPTH_MAX}`);
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value)) throw invalid('a number that is not finite');
      return JSON.stringify(value); // ECMAScript number formatting is what RFC 8785 prescribes
    case 'string':
      if (!value.isWellFormed()) throw invalid('a lone surrogate');
      return JSON.stringify(value);
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? canonicalArray(value, depth) : canonicalObject(value, depth);
    default:
      throw invalid(`a value of type ${typeof value}`);
  }
}

function canonicalArray(items: readonly unknown[], depth: number): string {
  const parts: string[] = [];
  for (let i = 0; i < items.length; i++) parts.push(canonicalJson(items[i], depth + 1));
  return `[${parts.join(',')}]`;
}

function canonicalObject(object: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) throw invalid('an object that is not plain');
  const entries = Object.entries(object);
  // RFC 8785 3.2.3: keys sorted by UTF-16 code units, which is how JavaScript compares strings
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const parts: string[] = [];
  for (const [key, value] of entries) {
    parts.push(`${canonicalJson(key, depth + 1)}:${canonicalJson(value, depth + 1)}`);
  }
  return `{${parts.join(',')}}`;
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
