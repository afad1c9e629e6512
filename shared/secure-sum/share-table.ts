/**
 * One dealer's shares for everybody, as one body:
 *
 *   header    for each recipient: root over the commitments to its shares, 32 bytes
 *             for each recipient: leaf hash of its ciphertext, 32 bytes
 *   segments  for each recipient: commitments to its shares, 32 bytes each, slot by slot, mask then self;
 *             then its ciphertext (zeros in the dealer's own)
 *
 * The dealer signs two Merkle roots over the header: with header and segment a recipient can check its part
 * alone, and when a share is revealed later everybody can check it against its commitment. Shares carry 256
 * random bits, so a plain hash hides them.
 */
import { agreeSecret, deriveKey } from '#shared/crypto/key-agreement.ts';
import { backend } from '#shared/crypto/backend.ts';
import { leafHash, MerkleRootBuilder } from '#shared/crypto/merkle-hash.ts';
import { equalBytes, toHex } from '#shared/crypto/hash.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { join, label, u16, u32 } from '#shared/secure-sum/binary-labels.ts';
import type { SessionSecrets } from '#shared/secure-sum/deal-secrets.ts';
import { splitSecret } from '#shared/secure-sum/secret-sharing.ts';
import {
  SEED_KINDS,
  SHARE_BYTES,
  type SeedKind,
  type SessionContext,
} from '#shared/secure-sum/session-context.ts';

export const HASH_BYTES = 32;
const TAG_BYTES = 16;
const COMMITMENT = label('share-commitment');
/** Each channel key encrypts one message. */
const NONCE = new Uint8Array(12);

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
}

/** The two roots that the dealer signs, in hex. */
export interface ShareRoots {
  readonly shareRoot: string;
  readonly cipherRoot: string;
}

/**
 * Splits a dealer's seeds, encrypts each bank its shares and commits to them all.
 * @param channelKeys of all banks, in roster order
 * @param random goes on where the secrets were drawn; coefficients slot by slot, mask seed before self seed
 */
export function dealShares(
  context: SessionContext,
  from: number,
  secrets: SessionSecrets,
  channelKeys: readonly Uint8Array[],
  random: RandomBytes,
): Uint8Array<ArrayBuffer> {
  const layout = new ShareTableLayout(context);
  const { banks, threshold, sessionHash } = context;
  const shares = secrets.slots.map(({ maskSeed, selfSeed }) => ({
    mask: splitSecret(maskSeed, banks, threshold, random),
    self: splitSecret(selfSeed, banks, threshold, random),
  }));
  const table = new Uint8Array(layout.bytes);
  for (let to = 0; to < banks; to++) {
    const text = new Uint8Array(layout.cipherBytes - TAG_BYTES);
    const segment = table.subarray(layout.segmentAt(to), layout.segmentAt(to) + layout.segmentBytes);
    shares.forEach((ofSlot, slot) => {
      SEED_KINDS.forEach((kind, k) => {
        const at = slot * SEED_KINDS.length + k;
        const share = ofSlot[kind][to]!;
        text.set(share, at * SHARE_BYTES);
        segment.set(shareCommitment(sessionHash, slot, from, to, kind, share), at * HASH_BYTES);
      });
    });
    if (to === from) continue;
    const { key, bound } = channel(context, from, to, secrets.channelSecret, channelKeys[to]!);
    segment.set(backend.gcmSeal(key, NONCE, text, bound), layout.commitmentBytes);
  }
  table.set(headerOf(table, layout, from));
  return table;
}

/** The dealer's own shares are not in its table: it has the seeds. */
export function ownShares(
  context: SessionContext,
  from: number,
  secrets: SessionSecrets,
  random: RandomBytes,
): Uint8Array {
  const text = new Uint8Array(context.slots * SEED_KINDS.length * SHARE_BYTES);
  secrets.slots.forEach(({ maskSeed, selfSeed }, slot) => {
    [maskSeed, selfSeed].forEach((seed, k) => {
      const share = splitSecret(seed, context.banks, context.threshold, random)[from]!;
      text.set(share, (slot * SEED_KINDS.length + k) * SHARE_BYTES);
    });
  });
  return text;
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

/** The part of a table that one recipient needs: header and its segment. */
export function packageFor(
  table: Uint8Array,
  context: { banks: number; slots: number },
  to: number,
): Uint8Array {
  const layout = new ShareTableLayout(context);
  return join(
    table.subarray(0, layout.headerBytes),
    table.subarray(layout.segmentAt(to), layout.segmentAt(to) + layout.segmentBytes),
  );
}

/**
 * What a dealer sent to this bank, checked: the package belongs to the signed roots, it decrypts under the
 * channel and the roster, and every share fits its commitment.
 * @returns the shares, slot by slot, mask then self
 * @throws FederationError SHARE_CT
 */
export function openPackage(
  bytes: Uint8Array,
  context: SessionContext,
  from: number,
  to: number,
  signed: ShareRoots,
  channelSecret: Uint8Array,
  dealerChannelKey: Uint8Array,
): Uint8Array {
  const layout = new ShareTableLayout(context);
  if (bytes.length !== layout.headerBytes + layout.segmentBytes) throw bad(from, 'it has the wrong length');
  const header = bytes.subarray(0, layout.headerBytes);
  const segment = bytes.subarray(layout.headerBytes);
  const roots = rootsOfHeader(header);
  if (roots.shareRoot !== signed.shareRoot || roots.cipherRoot !== signed.cipherRoot) {
    throw bad(from, 'it does not belong to the roots that the dealer signed');
  }
  const [commitmentsRoot, cipherLeaf] = headerEntries(segment, layout, to === from);
  if (
    !equalBytes(header.subarray(to * HASH_BYTES, (to + 1) * HASH_BYTES), commitmentsRoot) ||
    !equalBytes(
      header.subarray((layout.banks + to) * HASH_BYTES, (layout.banks + to + 1) * HASH_BYTES),
      cipherLeaf,
    )
  ) {
    throw bad(from, 'it does not fit its own header');
  }
  const { key, bound } = channel(context, from, to, channelSecret, dealerChannelKey);
  const text = backend.gcmOpen(key, NONCE, segment.subarray(layout.commitmentBytes), bound);
  if (text === undefined) {
    throw bad(from, 'it cannot be decrypted: the dealer was shown another roster, or cheats');
  }
  for (let at = 0; at < layout.slots * SEED_KINDS.length; at++) {
    const slot = Math.floor(at / SEED_KINDS.length);
    const share = text.subarray(at * SHARE_BYTES, (at + 1) * SHARE_BYTES);
    const kind = SEED_KINDS[at % SEED_KINDS.length]!;
    const commitment = shareCommitment(context.sessionHash, slot, from, to, kind, share);
    if (
      share[SHARE_BYTES - 1] !== to + 1 ||
      !equalBytes(commitment, segment.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
    ) {
      throw bad(from, `the share of slot ${slot} does not fit its commitment`);
    }
  }
  return text;
}

/** One share in a text of shares. */
export function shareIn(shares: Uint8Array, slot: number, kind: SeedKind): Uint8Array {
  const at = slot * SEED_KINDS.length + SEED_KINDS.indexOf(kind);
  return shares.subarray(at * SHARE_BYTES, (at + 1) * SHARE_BYTES);
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
  const at = layout.segmentAt(to) + (slot * SEED_KINDS.length + SEED_KINDS.indexOf(kind)) * HASH_BYTES;
  return table.subarray(at, at + HASH_BYTES);
}

function channel(
  { sessionHash, rosterHash }: SessionContext,
  from: number,
  to: number,
  secret: Uint8Array,
  publicKey: Uint8Array,
): { key: Uint8Array; bound: Uint8Array } {
  const info = join(label('share-channel'), u16(from), u16(to));
  return {
    key: deriveKey(agreeSecret(secret, publicKey), sessionHash, info),
    bound: join(sessionHash, rosterHash, u16(from), u16(to)),
  };
}

function headerOf(table: Uint8Array, layout: ShareTableLayout, from: number): Uint8Array {
  const header = new Uint8Array(layout.headerBytes);
  for (let to = 0; to < layout.banks; to++) {
    const segment = table.subarray(layout.segmentAt(to), layout.segmentAt(to) + layout.segmentBytes);
    const [commitmentsRoot, cipherLeaf] = headerEntries(segment, layout, to === from);
    header.set(commitmentsRoot, to * HASH_BYTES);
    header.set(cipherLeaf, (layout.banks + to) * HASH_BYTES);
  }
  return header;
}

function headerEntries(
  segment: Uint8Array,
  layout: ShareTableLayout,
  own: boolean,
): [Uint8Array, Uint8Array] {
  const cipher = own ? new Uint8Array(0) : segment.subarray(layout.commitmentBytes);
  return [rootOfCommitments(segment.subarray(0, layout.commitmentBytes)), leafHash(cipher)];
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

function rootsOfHeader(header: Uint8Array): ShareRoots {
  const half = header.length / 2;
  const ciphers = new MerkleRootBuilder();
  for (let at = half; at < header.length; at += HASH_BYTES) ciphers.add(header.slice(at, at + HASH_BYTES));
  return { shareRoot: shareRootOf(header.subarray(0, half)), cipherRoot: toHex(ciphers.root()) };
}

function bad(from: number, why: string): FederationError {
  return new FederationError('SHARE_CT', `the shares dealt by bank ${from}: ${why}`);
}
