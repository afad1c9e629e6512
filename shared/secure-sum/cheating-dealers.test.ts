/**
 * A dealer that signs what it should not have dealt: its table fits its header and its roots, so that only
 * the recipient can find out. What nobody finds out before the sum is opened is in open-sum.test.ts.
 */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { backend } from '#shared/crypto/backend-portable.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { agreeSecret, agreementPublicKey, deriveKey } from '#shared/crypto/key-agreement.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { drawSecrets, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { dealShares, openPackage, packageFor } from '#shared/secure-sum/share-table.ts';
import { rootsOfTable, ShareTableLayout } from '#shared/secure-sum/share-table-layout.ts';

/** Five banks, three slots, threshold four: all different. Bank 1 deals, bank 3 receives. */
const CONTEXT = {
  sessionHash: sha256(utf8('open-session')),
  rosterHash: sha256(utf8('advertised keys')),
  banks: 5,
  slots: 3,
  threshold: 4,
};
const LAYOUT = new ShareTableLayout(CONTEXT);
const BANKS = [0, 1, 2, 3, 4];

function drawnBy(bank: number) {
  const random = seededBytes(sha256(utf8(`bank ${bank} among cheating dealers`)));
  return { secrets: drawSecrets(CONTEXT.slots, random), random };
}

const secretsOf = BANKS.map((bank) => drawnBy(bank).secrets);
const channelKeys = secretsOf.map(({ channelSecret }) => agreementPublicKey(channelSecret));
const HONEST = dealShares(CONTEXT, 1, secretsOf[1]!, channelKeys, drawnBy(1).random);

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
}

function hash(...parts: Uint8Array[]): Uint8Array {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

/** RFC 6962 section 2.1, over hashes of leaves. */
function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return hash(Uint8Array.of(1), merkleRoot(leaves.slice(0, k)), merkleRoot(leaves.slice(k)));
}

/** What a dealer with other intentions signs: any table, with the header and the roots that go with it. */
function signedTable(changed: Uint8Array, from: number) {
  const table = changed.slice();
  const leaf = (bytes: Uint8Array) => hash(Uint8Array.of(0), bytes);
  const heads = BANKS.map((to) => {
    const segment = table.subarray(LAYOUT.segmentAt(to), LAYOUT.segmentAt(to) + LAYOUT.segmentBytes);
    const commitments = Array.from({ length: 6 }, (_, i) => segment.subarray(i * 32, i * 32 + 32));
    return { root: merkleRoot(commitments), cipher: leaf(to === from ? utf8('') : segment.subarray(192)) };
  });
  heads.forEach(({ root, cipher }, to) => {
    table.set(root, to * 32);
    table.set(cipher, (5 + to) * 32);
  });
  const shareRoot = toHex(merkleRoot(heads.map(({ root }) => leaf(root))));
  return { table, signed: { shareRoot, cipherRoot: toHex(merkleRoot(heads.map(({ cipher }) => cipher))) } };
}

type Signed = ReturnType<typeof signedTable>;

/** The shares that bank 3 reads out of a table of bank 1. */
function openedBy3({ table, signed }: Signed): Uint8Array {
  expect(rootsOfTable(table, CONTEXT, 1)).toEqual(signed); // the coordinator sees nothing wrong
  const { channelSecret } = secretsOf[3]!;
  return openPackage(packageFor(table, CONTEXT, 3), CONTEXT, 1, 3, signed, channelSecret, channelKeys[1]!);
}

describe('a dealer that signs what it should not have dealt', () => {
  const own = LAYOUT.segmentAt(3);
  const open = (changed: Uint8Array) => {
    try {
      openedBy3(signedTable(changed, 1));
    } catch (error) {
      if (error instanceof FederationError) return `${error.code}: ${error.message}`;
      throw error;
    }
    return 'accepted';
  };
  /** Bank 1's channel to bank 3, with any text on it. */
  const sealedFor3 = (text: Uint8Array) => {
    const route = Uint8Array.of(0, 1, 0, 3);
    const info = Buffer.concat([utf8('tallystick/v1 share-channel\0'), route]);
    const agreed = agreeSecret(secretsOf[1]!.channelSecret, channelKeys[3]!);
    const key = deriveKey(agreed, CONTEXT.sessionHash, info);
    const bound = Buffer.concat([CONTEXT.sessionHash, CONTEXT.rosterHash, route]);
    return backend.gcmSeal(key, new Uint8Array(12), text, bound);
  };
  const withText = (text: Uint8Array) => {
    const changed = HONEST.slice();
    changed.set(sealedFor3(text), own + LAYOUT.commitmentBytes);
    return changed;
  };
  const text = openedBy3(signedTable(HONEST, 1));

  test('is not blamed for an honest text, sealed by another implementation', () => {
    expect(Buffer.compare(withText(text), HONEST)).toBe(0);
    expect(open(withText(text))).toBe('accepted');
  });

  test('is found out by each recipient whose ciphertext is another’s', () => {
    const other = LAYOUT.segmentAt(2) + LAYOUT.commitmentBytes;
    const changed = HONEST.slice();
    changed.copyWithin(own + LAYOUT.commitmentBytes, other, other + LAYOUT.cipherBytes);
    expect(open(changed)).toMatch(/^SHARE_CT: .*bank 1.*decrypted/);
  });

  test('is found out when any one commitment is not of the share it goes with', () => {
    for (let at = 0; at < LAYOUT.commitmentBytes; at += 32) {
      const outcome = open(flip(HONEST, (own + at + 5) * 8));
      expect(outcome).toMatch(new RegExp(`^SHARE_CT: .*bank 1.*slot ${Math.floor(at / 64)} does not fit`));
    }
  });

  test('is found out when any one byte of a share is another, with the commitments it had', () => {
    for (let at = 0; at < text.length; at++) {
      expect(open(withText(flip(text, at * 8)))).toMatch(/^SHARE_CT: .*bank 1.*does not fit/);
    }
  });

  test('is found out when a share has the coordinate of another bank, though its commitment fits', () => {
    const wrong = text.with(32, 5); // slot 0, mask seed
    const where = Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 3, 0);
    const label = utf8('\0tallystick/v1 share-commitment\0');
    const changed = withText(wrong);
    changed.set(hash(label, CONTEXT.sessionHash, where, wrong.subarray(0, 33)), own);
    expect(open(changed)).toMatch(/^SHARE_CT: .*bank 1.*slot 0 does not fit/);
  });
});
