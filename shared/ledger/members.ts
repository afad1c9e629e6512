/** The members of a consortium as people check them: by fingerprints, and by how each came to be one. */
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import type { FederationState, Participant } from '#shared/ledger/federation-state.ts';

export interface Member {
  readonly id: string;
  readonly status: Participant['status'];
  /** Of the key in force. */
  readonly fingerprint: string;
  /** Of the keys that it has changed from: each has signed the next. */
  readonly earlierFingerprints: readonly string[];
  readonly enrolledAt: number;
  /** When, and by which operator. */
  readonly admitted: Participant['admitted'];
  readonly revoked: Participant['revoked'];
}

export function membersOf({ participants }: FederationState): Member[] {
  return [...participants.values()].map(
    ({ id, status, identityKey, earlierKeys, enrolledAt, admitted, revoked }) => ({
      ...{ id, status, fingerprint: keyFingerprint(identityKey) },
      earlierFingerprints: earlierKeys.map((earlier) => keyFingerprint(earlier.identityKey)),
      ...{ enrolledAt, admitted, revoked },
    }),
  );
}

/** A fingerprint stands for a key and for those that it has signed over to. */
export function isOf(member: Member, fingerprint: string): boolean {
  return [member.fingerprint, ...member.earlierFingerprints].includes(fingerprint.toLowerCase());
}
