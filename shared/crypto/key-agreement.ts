/**
 * X25519 (RFC 7748) with the gap between implementations closed: a public key of small order, for which one
 * back end throws and the other returns zeros, is refused by both.
 */
import { backend } from '#shared/crypto/backend.ts';
import { toHex } from '#shared/crypto/hash.ts';
import type { CryptoBackend } from '#shared/crypto/crypto-backend.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** u-coordinates whose multiples are all of small order, little-endian, the ignored top bit cleared. */
const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', // p − 1
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', // p
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', // p + 1
]);

/** Whether an agreement with this key can be secret. */
export function isSafeAgreementKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 32) return false;
  const u = new Uint8Array(publicKey); // a copy, also of a Buffer
  u[31] = u[31]! & 0x7f;
  return !SMALL_ORDER.has(toHex(u));
}

/** @param secret 32 random bytes, clamped at use */
export function agreementPublicKey(secret: Uint8Array, using: CryptoBackend = backend): Uint8Array {
  return using.x25519PublicKey(secret);
}

/**
 * The 32 bytes that the holders of both secrets share.
 * @param using the back end, an argument for differential tests only
 * @throws FederationError WEAK_KEY
 */
export function agreeSecret(
  secret: Uint8Array,
  publicKey: Uint8Array,
  using: CryptoBackend = backend,
): Uint8Array {
  if (!isSafeAgreementKey(publicKey)) {
    throw new FederationError('WEAK_KEY', 'expected an X25519 public key of full order');
  }
  return using.x25519(secret, publicKey);
}

/** HKDF-SHA256 (RFC 5869) to 32 bytes. */
export function deriveKey(secret: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array {
  return backend.hkdf(secret, salt, info, 32);
}
