/**
 * A checkpoint: the signed head of the ledger, as a C2SP tlog-checkpoint in a C2SP signed-note.
 *
 *   <origin>\n
 *   <size, decimal>\n
 *   <base64 root>\n
 *   \n
 *   — <name> <base64(key id, 4 bytes ‖ Ed25519 signature)>\n
 *
 * The signature is over the text up to and including the newline before the empty line. The key id is the
 * first four bytes of SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key).
 */
import { fromBase64, toBase64 } from '#shared/crypto/base64.ts';
import { equalBytes, sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { isValidSignature, publicKeyOf, signBytes } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** Hex. */
  readonly root: string;
}

const ED25519 = 0x01;

function keyId(name: string, publicKey: Uint8Array): Uint8Array {
  return sha256(utf8(`${name}\n`), Uint8Array.of(ED25519), publicKey).slice(0, 4);
}

function noteText(checkpoint: Checkpoint, root: Uint8Array): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(root)}\n`;
}

/** @param logSeed the ledger's signing key, which is not the coordinator's identity key */
export function signCheckpoint(origin: string, size: number, root: Uint8Array, logSeed: Uint8Array): string {
  const text = noteText({ origin, size, root: toHex(root) }, root);
  const signature = signBytes(logSeed, utf8(text));
  const blob = new Uint8Array(4 + signature.length);
  blob.set(keyId(origin, publicKeyOf(logSeed)));
  blob.set(signature, 4);
  return `${text}\n— ${origin} ${toBase64(blob)}\n`;
}

/**
 * Reads a checkpoint and verifies the ledger's own signature. Signatures of other names (cosignatures) are
 * passed over.
 * @throws FederationError SCHEMA when it is not a checkpoint of this origin, SIG when it is not signed
 */
export function openCheckpoint(note: string, origin: string, logKey: Uint8Array): Checkpoint {
  const match =
    /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n\n((?:— [^\s]+ [A-Za-z0-9+/]+={0,2}\n)+)$/.exec(
      note,
    );
  if (match === null) throw new FederationError('SCHEMA', 'expected a signed note with a checkpoint');
  const [, noteOrigin, size, root64, signatures] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
  ];
  if (noteOrigin !== origin) {
    throw new FederationError('SCHEMA', `expected a checkpoint of "${origin}", got one of "${noteOrigin}"`);
  }
  let root: Uint8Array;
  try {
    root = fromBase64(root64);
  } catch (cause) {
    throw new FederationError('SCHEMA', 'expected the root in canonical base64', { cause });
  }
  const checkpoint = { origin, size: Number(size), root: toHex(root) };
  const text = utf8(noteText(checkpoint, root));
  for (const line of signatures.trimEnd().split('\n')) {
    const [, name, blob64] = line.split(' ');
    if (name !== origin) continue;
    const blob = signatureBlob(blob64!);
    if (!equalBytes(blob.subarray(0, 4), keyId(origin, logKey))) continue;
    if (isValidSignature(logKey, text, blob.subarray(4))) return checkpoint;
  }
  throw new FederationError(
    'SIG',
    `the checkpoint of "${origin}" does not carry a valid signature of the ledger's key`,
  );
}

function signatureBlob(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new FederationError('SCHEMA', 'expected signatures in canonical base64', { cause });
  }
}
