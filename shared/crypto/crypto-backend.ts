/**
 * What a cryptographic back end provides. There are two: `backend-node.ts` (OpenSSL, used by every server
 * and agent) and `backend-portable.ts` (tweetnacl and noble-hashes, used in browsers and as the oracle in
 * differential tests). `#shared/crypto/backend.ts` resolves to the right one.
 *
 * Signatures and agreements are never called directly: `signatures.ts` and `key-agreement.ts` close off the
 * behaviours in which the two differ. Streams and GCM are the same in both.
 */
export interface Sha256 {
  update(bytes: Uint8Array): this;
  digest(): Uint8Array;
}

/** The key stream of one AES-256-CTR key. */
export interface KeyStream {
  /** The next `length` bytes, valid until the next call. */
  next(length: number): Uint8Array;
}

export interface CryptoBackend {
  readonly name: 'node' | 'portable';
  /** SHA-256 of bytes that are at hand; of a few, several times faster than piece by piece. */
  sha256(bytes: Uint8Array): Uint8Array;
  createSha256(): Sha256;
  /** Ed25519 (RFC 8032). `seed` is the 32-byte private key. */
  ed25519PublicKey(seed: Uint8Array): Uint8Array;
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  /** May accept non-canonical S or small-order keys: callers check those first. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** X25519 (RFC 7748). The 32-byte secret is clamped at use. */
  x25519PublicKey(secret: Uint8Array): Uint8Array;
  /** May return zeros or throw for a public key of small order: callers check. */
  x25519(secret: Uint8Array, publicKey: Uint8Array): Uint8Array;
  /** HKDF-SHA256 (RFC 5869), extract and expand. */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** AES-256-CTR from a zero counter block; `fromByte` is a multiple of 16. */
  keyStream(key: Uint8Array, fromByte: number): KeyStream;
  /** AES-256-GCM; the 16-byte tag follows the ciphertext. */
  gcmSeal(key: Uint8Array, nonce: Uint8Array, text: Uint8Array, bound: Uint8Array): Uint8Array;
  /** Undefined when the tag does not fit. */
  gcmOpen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, bound: Uint8Array): Uint8Array | undefined;
}
