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
import { equalBytes } from '#shared/crypto/hash.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { join, label, u16 } from '#shared/secure-sum/binary-labels.ts';
import type { SessionSecrets } from '#shared/secure-sum/deal-secrets.ts';
import {
  HASH_BYTES,
  headerEntries,
  headerOf,
  rootsOfHeader,
  shareCommitment,
  ShareTableLayout,
  TAG_BYTES,
  type ShareRoots,
} from '#shared/secure-sum/share-table-layout.ts';
import { splitSecret } from '#shared/secure-sum/secret-sharing.ts';
import { SEED_KINDS, SHARE_BYTES, type SessionContext } from '#shared/secure-sum/session-context.ts';

/** Each channel key encrypts one message. */
const NONCE = new Uint8Array(12);

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

function bad(from: number, why: string): FederationError {
  return new FederationError('SHARE_CT', `the shares dealt by bank ${from}: ${why}`);
}
