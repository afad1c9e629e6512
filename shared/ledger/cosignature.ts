/**
 * C2SP tlog-cosignature, version 1: a witness has seen the ledger grow to a checkpoint, and to no other of
 * that size.
 *
 *   signed:  "cosignature/v1\\n" ‖ "time <seconds>\\n" ‖ text of the note
 *   line:    — <name> base64(key id, 4 bytes ‖ time, 8 bytes big-endian ‖ Ed25519 signature)
 *
 * The algorithm byte of the key id is 0x04.
 */
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { isValidSignature, signBytes } from '#shared/crypto/signatures.ts';
import { keyId, noteText, signatureLine, type Checkpoint } from '#shared/ledger/checkpoint.ts';

const COSIGNATURE_V1 = 0x04;

function cosignedBytes(checkpoint: Checkpoint, time: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${noteText(checkpoint)}`);
}

/**
 * @param time seconds since 1970
 * @returns base64url
 */
export function signCosignature(checkpoint: Checkpoint, time: number, witnessSeed: Uint8Array): string {
  return toBase64Url(signBytes(witnessSeed, cosignedBytes(checkpoint, time)));
}

/** @param witnessKey base64url */
export function isCosignedBy(
  checkpoint: Checkpoint,
  { time, signature }: { readonly time: number; readonly signature: string },
  witnessKey: string,
): boolean {
  return isValidSignature(
    fromBase64Url(witnessKey),
    cosignedBytes(checkpoint, time),
    fromBase64Url(signature),
  );
}

/** As a line of the note. */
export function cosignatureLine(
  name: string,
  { time, signature }: { readonly time: number; readonly signature: string },
  witnessKey: string,
): string {
  const bigEndian = new Uint8Array(8);
  new DataView(bigEndian.buffer).setBigUint64(0, BigInt(time));
  const id = keyId(name, COSIGNATURE_V1, fromBase64Url(witnessKey));
  return signatureLine(name, id, bigEndian, fromBase64Url(signature));
}
