/**
 * What one dealer committed to for one recipient, shown without the rest of its share table: whoever has the
 * root that the dealer signed can check it.
 */
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { equalBytes } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { SeedKind } from '#shared/secure-sum/session-context.ts';
import {
  HASH_BYTES,
  rootOfCommitments,
  ShareTableLayout,
  shareRootOf,
} from '#shared/secure-sum/share-table-layout.ts';

export interface CommitmentProof {
  /** The first half of the table's header, base64url: for each recipient the root over its commitments. */
  readonly roots: string;
  /** All commitments for this recipient, base64url: slot by slot, mask then self. */
  readonly commitments: string;
}

export function proveCommitments(
  table: Uint8Array,
  context: { banks: number; slots: number },
  to: number,
): CommitmentProof {
  const layout = new ShareTableLayout(context);
  const at = layout.segmentAt(to);
  return {
    roots: toBase64Url(table.subarray(0, layout.headerBytes / 2)),
    commitments: toBase64Url(table.subarray(at, at + layout.commitmentBytes)),
  };
}

/**
 * @param shareRoot that the dealer signed
 * @returns its commitment to the share of one kind that `to` was dealt for a slot
 * @throws FederationError VECROOT when the proof does not belong to the root
 */
export function provenCommitment(
  proof: CommitmentProof,
  context: { banks: number; slots: number },
  shareRoot: string,
  slot: number,
  to: number,
  kind: SeedKind,
): Uint8Array {
  const layout = new ShareTableLayout(context);
  const [roots, commitments] = [fromBase64Url(proof.roots), fromBase64Url(proof.commitments)];
  const fits =
    roots.length === layout.headerBytes / 2 &&
    commitments.length === layout.commitmentBytes &&
    shareRootOf(roots) === shareRoot &&
    equalBytes(rootOfCommitments(commitments), roots.subarray(to * HASH_BYTES, (to + 1) * HASH_BYTES));
  if (!fits)
    throw new FederationError('VECROOT', 'the commitments do not belong to the root that the dealer signed');
  const at = layout.commitmentAt(slot, kind);
  return commitments.subarray(at, at + HASH_BYTES);
}
