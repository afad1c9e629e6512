/**
 * Ed25519 with the gaps between implementations closed, so that every verifier agrees on every signature:
 *  - S must be below the group order (tweetnacl accepts S + kL, OpenSSL does not);
 *  - the public key must be a canonical encoding and not of small order (both accept forgeries under those).
 */
import { backend } from '#shared/crypto/backend.ts';
import { fromHex, toHex } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { CryptoBackend } from '#shared/crypto/crypto-backend.ts';

/** Group order L = 2^252 + 27742317777372353535851937790883648493, little-endian. */
const ORDER = fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010');
/** Field prime p = 2^255 - 19, little-endian. */
const PRIME = fromHex('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f');

/** All encodings, canonical or not, of the eight points of small order. */
const SMALL_ORDER_KEYS = new Set([
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
]);

/** Whether `key` may be enrolled: 32 bytes, y < p, not of small order. */
export function isSafePublicKey(key: Uint8Array): boolean {
  if (key.length !== 32 || SMALL_ORDER_KEYS.has(toHex(key))) return false;
  const y = new Uint8Array(key); // a copy, also of a Buffer
  y[31] = y[31]! & 0x7f; // the top bit is the sign of x
  return isBelow(y, PRIME);
}

/** @throws FederationError WEAK_KEY */
export function assertSafePublicKey(key: Uint8Array): void {
  if (!isSafePublicKey(key)) {
    throw new FederationError('WEAK_KEY', 'expected an Ed25519 public key of full order in canonical form');
  }
}

export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return backend.ed25519PublicKey(seed);
}

/** 64-byte signature. Deterministic (RFC 8032): the same seed and message give the same bytes. */
export function signBytes(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return backend.ed25519Sign(seed, message);
}

/** @param using the back end, an argument for differential tests only */
export function isValidSignature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  using: CryptoBackend = backend,
): boolean {
  if (signature.length !== 64 || !isBelow(signature.subarray(32), ORDER)) return false;
  return isSafePublicKey(publicKey) && using.ed25519Verify(publicKey, message, signature);
}

/** Little-endian a < b. Only ever sees public values, so it need not be constant-time. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = b.length - 1; i >= 0; i--) {
    if (a[i]! !== b[i]!) return a[i]! < b[i]!;
  }
  return false;
}
