/**
 * What a cryptographic back end provides. There are two: `backend-node.ts` (OpenSSL, used by every server
 * and agent) and `backend-portable.ts` (tweetnacl and noble-hashes, used in browsers and as the oracle in
 * differential tests). `#shared/crypto/backend.ts` resolves to the right one.
 *
 * Neither is called directly: `hash.ts` and `signatures.ts` close off the behaviours in which they differ.
 */
export interface Sha256 {
  update(bytes: Uint8Array): this;
  digest(): Uint8Array;
}

export interface CryptoBackend {
  readonly name: 'node' | 'portable';
  createSha256(): Sha256;
  /** Ed25519 (RFC 8032). `seed` is the 32-byte private key. */
  ed25519PublicKey(seed: Uint8Array): Uint8Array;
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  /** May accept non-canonical S or small-order keys: callers check those first. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
