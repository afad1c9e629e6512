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
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from '#shared/crypto/base64.ts';
import { equalBytes, fromHex, sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { isValidSignature, publicKeyOf, signBytes } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** Hex. */
  readonly root: string;
}

const ED25519 = 0x01;

/** A key of the ledger, base64url, and the size of the first head that it signs. */
export interface LogKey {
  readonly key: string;
  readonly from: number;
}

/**
 * The key that signs heads of this size. A key that was changed from signs no later ones: it may have been changed
 * because somebody else has it, who could otherwise go on writing heads.
 * @param keys in order; the charter's from size 1
 */
export function logKeyAt(keys: readonly LogKey[], size: number): string {
  return (keys.findLast(({ from }) => from <= size) ?? keys[0]!).key;
}

/** C2SP signed-note key id: the first four bytes of SHA-256(name ‖ "\n" ‖ algorithm ‖ public key). */
export function keyId(name: string, algorithm: number, publicKey: Uint8Array): Uint8Array {
  return sha256(utf8(`${name}\n`), Uint8Array.of(algorithm), publicKey).slice(0, 4);
}

/** What is signed: the note up to the empty line. */
export function noteText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(fromHex(root))}\n`;
}

/** One signature line of a note, without its newline. */
export function signatureLine(name: string, ...parts: readonly Uint8Array[]): string {
  const blob = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    blob.set(part, offset);
    offset += part.length;
  }
  return `— ${name} ${toBase64(blob)}`;
}

/** @param logSeed the ledger's signing key, which is not the coordinator's identity key */
export function signHead(origin: string, size: number, root: Uint8Array, logSeed: Uint8Array): SignedHead {
  const text = noteText({ origin, size, root: toHex(root) });
  return { size, root: toHex(root), signature: toBase64Url(signBytes(logSeed, utf8(text))) };
}

/**
 * @param logKey the ledger's key in force, base64url
 * @throws FederationError SIG
 */
export function assertHeadSigned(origin: string, head: SignedHead, logKey: string): void {
  const text = utf8(noteText({ origin, ...head }));
  if (!isValidSignature(fromBase64Url(logKey), text, fromBase64Url(head.signature)))
    throw new FederationError(
      'SIG',
      `the ledger's head of ${head.size} entries is not signed by the ledger's key`,
    );
}

/** A head as a C2SP note. @param cosignatures further signature lines */
export function noteOf(
  origin: string,
  head: SignedHead,
  logKey: string,
  cosignatures: readonly string[] = [],
): string {
  const id = keyId(origin, ED25519, fromBase64Url(logKey));
  const lines = [signatureLine(origin, id, fromBase64Url(head.signature)), ...cosignatures];
  return `${noteText({ origin, ...head })}\n${lines.map((line) => `${line}\n`).join('')}`;
}

/** @see signHead */
export function signCheckpoint(origin: string, size: number, root: Uint8Array, logSeed: Uint8Array): string {
  return noteOf(origin, signHead(origin, size, root, logSeed), toBase64Url(publicKeyOf(logSeed)));
}

/** A checkpoint as read from a note. */
export interface OpenedCheckpoint extends Checkpoint {
  readonly head: SignedHead;
  /** Its other signature lines: of witnesses, or of nobody known. */
  readonly others: readonly string[];
}

/**
 * Reads a checkpoint and verifies the ledger's own signature. Signatures of other names (cosignatures) are
 * returned as they are.
 * @throws FederationError SCHEMA when it is not a checkpoint of this origin, SIG when it is not signed
 */
export function openCheckpoint(note: string, origin: string, logKey: Uint8Array): OpenedCheckpoint {
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
  const text = utf8(noteText(checkpoint));
  const lines = signatures.trimEnd().split('\n');
  for (const line of lines) {
    const [, name, blob64] = line.split(' ');
    if (name !== origin) continue;
    const blob = signatureBlob(blob64!);
    if (!equalBytes(blob.subarray(0, 4), keyId(origin, ED25519, logKey))) continue;
    const signature = blob.subarray(4);
    if (!isValidSignature(logKey, text, signature)) continue;
    const { size: entries, root: hex } = checkpoint;
    const head = { size: entries, root: hex, signature: toBase64Url(signature) };
    return { ...checkpoint, head, others: lines.filter((other) => other !== line) };
  }
  throw new FederationError(
    'SIG',
    `the checkpoint of "${origin}" does not carry a valid signature of the ledger's key`,
  );
}

/**
 * The same for a ledger whose key has changed: the head must be by the key in force at its size.
 * @throws FederationError SCHEMA | SIG
 */
export function openCheckpointOf(note: string, origin: string, keys: readonly LogKey[]): OpenedCheckpoint {
  if (keys.length === 0) throw new FederationError('SIG', 'no key to check the note with');
  const size = Number(note.split('\n', 2)[1]);
  return openCheckpoint(note, origin, fromBase64Url(logKeyAt(keys, size)));
}

function signatureBlob(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new FederationError('SCHEMA', 'expected signatures in canonical base64', { cause });
  }
}
