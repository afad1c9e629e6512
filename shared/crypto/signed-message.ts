/**
 * A signed message: `{type, payload, sig}`.
 *
 *   sigInput(type, payload) = utf8("tallystick/v1 " + type + "\n" + JCS(payload))
 *   messageHash             = SHA-256(sigInput)
 *   sig                     = Ed25519(identity key, sigInput)
 *
 * The type is inside the signed bytes, so a signature for one purpose is never valid for another.
 */
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { isValidSignature, signBytes } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface SignedMessage<Type extends string = string, Payload = unknown> {
  readonly type: Type;
  readonly payload: Payload;
  /** Unpadded base64url, 64 bytes. */
  readonly sig: string;
}

function signatureInput(type: string, payload: unknown): Uint8Array {
  if (!/^[a-z0-9-]+$/.test(type)) throw new RangeError(`message type "${type}" is not [a-z0-9-]+`);
  return utf8(`tallystick/v1 ${type}\n${canonicalJson(payload)}`);
}

/** SHA-256 of the signed bytes, hex: the name by which later messages refer to this one. */
export function messageHash(type: string, payload: unknown): string {
  return toHex(sha256(signatureInput(type, payload)));
}

/** @param seed the 32-byte identity key of the sender */
export function signMessage<Type extends string, Payload>(
  type: Type,
  payload: Payload,
  seed: Uint8Array,
): SignedMessage<Type, Payload> {
  return { type, payload, sig: toBase64Url(signBytes(seed, signatureInput(type, payload))) };
}

/**
 * @param publicKey the sender's pinned key, base64url
 * @throws FederationError SIG when the signature is not the sender's over exactly this type and payload
 */
export function assertSignedBy(message: SignedMessage, publicKey: string): void {
  const input = signatureInput(message.type, message.payload);
  if (!isValidSignature(fromBase64Url(publicKey), input, fromBase64Url(message.sig))) {
    throw new FederationError(
      'SIG',
      `expected "${message.type}" to be signed by its sender's enrolled key; the signature does not verify`,
    );
  }
}
