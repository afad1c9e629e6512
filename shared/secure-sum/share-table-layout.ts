/** Where what is in a share table (share-table.ts), and the two roots that its dealer signs. */
import { equalBytes, toHex } from '#shared/crypto/hash.ts';
import { leafHash, MerkleRootBuilder } from '#shared/crypto/merkle-hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { label, u16, u32 } from '#shared/secure-sum/binary-labels.ts';
import { SEED_KINDS, SHARE_BYTES, type SeedKind } from '#shared/secure-sum/session-context.ts';

export const HASH_BYTES = 32;

export const TAG_BYTES = 16;

const COMMITMENT = label('share-commitment');

/** Commitment to one share. */
export function shareCommitment(
  sessionHash: Uint8Array,
  slot: number,
  from: number,
  to: number,
  kind: SeedKind,
  share: Uint8Array,
): Uint8Array {
  const kindByte = Uint8Array.of(SEED_KINDS.indexOf(kind));
  return leafHash(COMMITMENT, sessionHash, u32(slot), u16(from), u16(to), kindByte, share);
}

/** Sizes and positions in a share table. */
export class ShareTableLayout {
  readonly banks: number;
  readonly slots: number;
  constructor({ banks, slots }: { banks: number; slots: number }) {
    this.banks = banks;
    this.slots = slots;
  }

  get headerBytes(): number {
    return this.banks * 2 * HASH_BYTES;
  }
  get commitmentBytes(): number {
    return this.slots * SEED_KINDS.length * HASH_BYTES;
  }
  get cipherBytes(): number {
    return this.slots * SEED_KINDS.length * SHARE_BYTES + TAG_BYTES;
  }
  get segmentBytes(): number {
    return this.commitmentBytes + this.cipherBytes;
  }
  get bytes(): number {
    return this.headerBytes + this.banks * this.segmentBytes;
  }
  segmentAt(to: number): number {
    return this.headerBytes + to * this.segmentBytes;
  }
  /** Of one commitment among those to a recipient. */
  commitmentAt(slot: number, kind: SeedKind): number {
    return (slot * SEED_KINDS.length + SEED_KINDS.indexOf(kind)) * HASH_BYTES;
  }
}

/** The two roots that the dealer signs, in hex. */
export interface ShareRoots {
  readonly shareRoot: string;
  readonly cipherRoot: string;
}

/**
 * The roots a table stands for, once every segment fits the header.
 * @throws FederationError SHAPE when the table is not one any honest dealer makes
 */
export function rootsOfTable(
  table: Uint8Array,
  context: { banks: number; slots: number },
  from: number,
): ShareRoots {
  const layout = new ShareTableLayout(context);
  if (table.length !== layout.bytes) {
    throw new FederationError(
      'SHAPE',
      `expected a share table of ${layout.bytes} bytes, got ${table.length}`,
    );
  }
  const header = table.subarray(0, layout.headerBytes);
  const own = layout.segmentAt(from) + layout.commitmentBytes;
  const isEmpty = table.subarray(own, own + layout.cipherBytes).every((byte) => byte === 0);
  if (!isEmpty || !equalBytes(header, headerOf(table, layout, from))) {
    throw new FederationError('SHAPE', 'the header of the share table does not fit its segments');
  }
  return rootsOfHeader(header);
}

export function headerOf(table: Uint8Array, layout: ShareTableLayout, from: number): Uint8Array {
  const header = new Uint8Array(layout.headerBytes);
  for (let to = 0; to < layout.banks; to++) {
    const segment = table.subarray(layout.segmentAt(to), layout.segmentAt(to) + layout.segmentBytes);
    const [commitmentsRoot, cipherLeaf] = headerEntries(segment, layout, to === from);
    header.set(commitmentsRoot, to * HASH_BYTES);
    header.set(cipherLeaf, (layout.banks + to) * HASH_BYTES);
  }
  return header;
}

export function headerEntries(
  segment: Uint8Array,
  layout: ShareTableLayout,
  own: boolean,
): [Uint8Array, Uint8Array] {
  const cipher = own ? new Uint8Array(0) : segment.subarray(layout.commitmentBytes);
  return [rootOfCommitments(segment.subarray(0, layout.commitmentBytes)), leafHash(cipher)];
}

export function rootsOfHeader(header: Uint8Array): ShareRoots {
  const half = header.length / 2;
  const ciphers = new MerkleRootBuilder();
  for (let at = half; at < header.length; at += HASH_BYTES) ciphers.add(header.slice(at, at + HASH_BYTES));
  return { shareRoot: shareRootOf(header.subarray(0, half)), cipherRoot: toHex(ciphers.root()) };
}

/** Over all commitments for one recipient. */
export function rootOfCommitments(commitments: Uint8Array): Uint8Array {
  const tree = new MerkleRootBuilder();
  for (let at = 0; at < commitments.length; at += HASH_BYTES) {
    tree.add(commitments.slice(at, at + HASH_BYTES)); // the builder keeps what it is given
  }
  return tree.root();
}

/** @param roots of each recipient's commitments, the first half of the header */
export function shareRootOf(roots: Uint8Array): string {
  const tree = new MerkleRootBuilder();
  for (let at = 0; at < roots.length; at += HASH_BYTES)
    tree.add(leafHash(roots.subarray(at, at + HASH_BYTES)));
  return toHex(tree.root());
}

/** The commitment in a dealer's table to the share of one kind that `to` holds for a slot. */
export function commitmentIn(
  table: Uint8Array,
  context: { banks: number; slots: number },
  slot: number,
  to: number,
  kind: SeedKind,
): Uint8Array {
  const layout = new ShareTableLayout(context);
  const at = layout.segmentAt(to) + layout.commitmentAt(slot, kind);
  return table.subarray(at, at + HASH_BYTES);
}

/** One share in a text of shares. */
export function shareIn(shares: Uint8Array, slot: number, kind: SeedKind): Uint8Array {
  const at = slot * SEED_KINDS.length + SEED_KINDS.indexOf(kind);
  return shares.subarray(at * SHARE_BYTES, (at + 1) * SHARE_BYTES);
}
