import { fromBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';

/**
 * What two people read to each other to know that they mean the same key: 32 hex digits of SHA-256 in groups
 * of four, 128 bits against somebody who looks for a second key with the same fingerprint.
 * @param publicKey base64url
 */
export function keyFingerprint(publicKey: string): string {
  const digest = toHex(sha256(utf8('tallystick/v1 fingerprint\n'), fromBase64Url(publicKey)));
  return digest.slice(0, 32).match(/.{4}/g)!.join('-');
}
