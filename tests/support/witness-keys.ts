/** Witness keys and signed heads for parties that are played by a test. */
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signHead } from '#shared/ledger/checkpoint.ts';
import { recordEntry, type Entry } from '#shared/ledger/entry.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';

export function witnessSeedOf(id: string): Uint8Array {
  return sha256(utf8(`tests/witness/${id}`));
}

export function witnessKeyOf(id: string): string {
  return toBase64Url(publicKeyOf(witnessSeedOf(id)));
}

/** The head of a ledger of these entries. */
export function headOver(entries: readonly Entry[], origin: string, logSeed: Uint8Array): SignedHead {
  const tree = new MerkleTree();
  for (const entry of entries) tree.append(recordEntry(entry).leaf);
  return signHead(origin, tree.size, tree.root(), logSeed);
}
