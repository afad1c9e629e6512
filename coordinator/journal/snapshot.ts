/**
 * Where the fold had got to when the coordinator last closed, so that the next start need not fold a long
 * ledger again. It is a cache: signed by the ledger's key over all its bytes, held against the entry it ends
 * with, and made anew from the entries when it is missing, damaged, of another version or of another ledger.
 */
import { readFile } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import type { Restored } from '#coordinator/journal/restore.ts';
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import { equalBytes, sha256, utf8 } from '#shared/crypto/hash.ts';
import { leafHash } from '#shared/crypto/merkle-hash.ts';
import { isValidSignature, publicKeyOf, signBytes } from '#shared/crypto/signatures.ts';
import type { FederationState } from '#shared/ledger/federation-state.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { replaceFile } from '#shared/platform/files/durable-file.ts';
import { VERSION } from '#shared/protocol/version.ts';

const SIGNATURE_BYTES = 64;
/** Of what is kept: one more with every change to FederationState, which a version may not come with. */
const FORM = 3;

interface Content {
  readonly version: string;
  readonly form: number;
  readonly state: FederationState;
  readonly levels: Uint8Array[];
}

const signed = (bytes: Uint8Array): Uint8Array =>
  utf8(`tallystick/v1 snapshot\n${Buffer.from(sha256(bytes)).toString('hex')}`);

/** @param restored nothing of which changes while this works */
export async function writeSnapshot(
  path: string,
  { state, tree }: Restored,
  logSeed: Uint8Array,
): Promise<void> {
  const content: Content = { version: VERSION, form: FORM, state, levels: tree.levelBytes() };
  const bytes = serialize(content);
  const file = Buffer.concat([signBytes(logSeed, signed(bytes)), bytes]);
  await replaceFile(path, file, { flush: true, now: false });
}

/** @returns undefined when there is none that can be used */
export async function readSnapshot(
  path: string,
  store: EntryStore,
  logSeed: Uint8Array,
): Promise<Restored | undefined> {
  let file: Buffer;
  try {
    file = await readFile(path);
  } catch {
    return undefined;
  }
  const signature = file.subarray(0, SIGNATURE_BYTES);
  const bytes = file.subarray(SIGNATURE_BYTES);
  // before anything is made of the bytes
  if (!isValidSignature(publicKeyOf(logSeed), signed(bytes), signature)) return undefined;
  const content = contentOf(bytes);
  if (content === undefined) return undefined;
  const { version, form, state, levels } = content;
  const tree = MerkleTree.fromLevels(levels);
  if (version !== VERSION || form !== FORM || tree.size === 0) return undefined;
  const [last] = await store.page(tree.size - 1, 1);
  const isOurs =
    last?.seq === tree.size - 1 && equalBytes(leafHash(utf8(last.text)), tree.leaf(tree.size - 1));
  return isOurs ? { state, tree } : undefined;
}

/** Another release of Node may write a form that this one cannot read. */
function contentOf(bytes: Uint8Array): Content | undefined {
  try {
    return deserialize(bytes) as Content;
  } catch {
    return undefined;
  }
}
