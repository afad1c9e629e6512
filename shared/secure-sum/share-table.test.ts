import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { agreementPublicKey } from '#shared/crypto/key-agreement.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { drawSecrets, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { combineShares } from '#shared/secure-sum/secret-sharing.ts';
import { SEED_KINDS, type SessionContext } from '#shared/secure-sum/session-context.ts';
import { dealShares, openPackage, ownShares, packageFor } from '#shared/secure-sum/share-table.ts';
import {
  commitmentIn,
  rootsOfTable,
  shareIn,
  ShareTableLayout,
} from '#shared/secure-sum/share-table-layout.ts';

/** Five banks, three slots, threshold four: all different. */
const CONTEXT: SessionContext = {
  sessionHash: sha256(utf8('open-session')),
  rosterHash: sha256(utf8('advertised keys')),
  banks: 5,
  slots: 3,
  threshold: 4,
};
const LAYOUT = new ShareTableLayout(CONTEXT);
const BANKS = [0, 1, 2, 3, 4];
const SLOTS = [0, 1, 2];

function drawnBy(bank: number) {
  const random = seededBytes(sha256(utf8(`bank ${bank} of the share-table test`)));
  return { secrets: drawSecrets(CONTEXT.slots, random), random };
}

const secretsOf = BANKS.map((bank) => drawnBy(bank).secrets);
const channelKeys = secretsOf.map(({ channelSecret }) => agreementPublicKey(channelSecret));

function deal(from: number): Uint8Array {
  const { secrets, random } = drawnBy(from);
  return dealShares(CONTEXT, from, secrets, channelKeys, random);
}
const tables = BANKS.map(deal);
const roots = tables.map((table, from) => rootsOfTable(table, CONTEXT, from));

interface Opening {
  readonly bytes: Uint8Array;
  readonly context: SessionContext;
  readonly from: number;
  readonly to: number;
  readonly signed: { shareRoot: string; cipherRoot: string };
  readonly secret: Uint8Array;
  readonly dealerKey: Uint8Array;
}

/** Bank 3 opens what bank 1 dealt to it, honestly but for `changes`. */
function openedBy3(changes: Partial<Opening> = {}): Uint8Array {
  const honest: Opening = {
    bytes: packageFor(tables[1]!, CONTEXT, 3),
    context: CONTEXT,
    from: 1,
    to: 3,
    signed: roots[1]!,
    secret: secretsOf[3]!.channelSecret,
    dealerKey: channelKeys[1]!,
  };
  const { bytes, context, from, to, signed, secret, dealerKey } = { ...honest, ...changes };
  return openPackage(bytes, context, from, to, signed, secret, dealerKey);
}

function outcomeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof FederationError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
}

function hash(...parts: Uint8Array[]): Uint8Array {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

/** What bank `to` holds of a dealer's seeds. */
function sharesOf(from: number, to: number): Uint8Array {
  if (from === to) return ownShares(CONTEXT, from, drawnBy(from).secrets, drawnBy(from).random);
  const bytes = packageFor(tables[from]!, CONTEXT, to);
  const { channelSecret } = secretsOf[to]!;
  return openPackage(bytes, CONTEXT, from, to, roots[from]!, channelSecret, channelKeys[from]!);
}

describe('an honest table', () => {
  test('has the announced size: 64 bytes of header a bank, 130 a slot and bank, 16 for the tag', () => {
    expect(tables[1]).toHaveLength(5 * 64 + 5 * (3 * (64 + 66) + 16));
    expect(LAYOUT.bytes).toBe(tables[1]!.length);
    expect(packageFor(tables[1]!, CONTEXT, 3)).toHaveLength(5 * 64 + 3 * 130 + 16);
  });

  test('gives every bank shares of which any four open every seed of every dealer', () => {
    for (const from of BANKS) {
      const held = BANKS.map((to) => sharesOf(from, to));
      for (const slot of SLOTS) {
        for (const kind of SEED_KINDS) {
          const shares = held.map((text) => shareIn(text, slot, kind));
          const { maskSeed, selfSeed } = secretsOf[from]!.slots[slot]!;
          for (const absent of BANKS) {
            const opened = combineShares(shares.filter((_, to) => to !== absent));
            expect(toHex(opened)).toBe(toHex(kind === 'mask' ? maskSeed : selfSeed));
          }
          expect(toHex(combineShares(shares.slice(0, 3)))).not.toBe(toHex(maskSeed));
        }
      }
    }
  });

  test('carries for each share SHA-256 over 0, label, session, slot, banks, kind and share', () => {
    for (const to of BANKS) {
      for (const slot of SLOTS) {
        for (const [kindByte, kind] of SEED_KINDS.entries()) {
          const where = Uint8Array.of(0, 0, 0, slot, 0, 1, 0, to, kindByte);
          const label = utf8('\0tallystick/v1 share-commitment\0');
          const share = shareIn(sharesOf(1, to), slot, kind);
          const expected = hash(label, CONTEXT.sessionHash, where, share);
          expect(toHex(commitmentIn(tables[1]!, CONTEXT, slot, to, kind))).toBe(toHex(expected));
        }
      }
    }
  });

  test('is byte for byte the same when it is dealt again from the same seed', () => {
    expect(Buffer.compare(deal(1), tables[1]!)).toBe(0);
  });

  test('contains no share and no seed in clear', () => {
    for (const to of BANKS) {
      const text = Buffer.from(sharesOf(1, to));
      for (let at = 0; at < text.length; at += 33) {
        expect(Buffer.from(tables[1]!).includes(text.subarray(at, at + 32))).toBe(false);
      }
    }
  });
});

describe('a package is refused', () => {
  test('after any one bit of it was flipped, in the entries of other banks as well', () => {
    const bytes = packageFor(tables[1]!, CONTEXT, 3);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      expect(outcomeOf(() => openedBy3({ bytes: flip(bytes, bit) }))).toMatch(/^SHARE_CT: .*bank 1/);
    }
  });

  const bytes = packageFor(tables[1]!, CONTEXT, 3);
  const secretOf = (bank: number) => secretsOf[bank]!.channelSecret;
  test.each<[string, Partial<Opening>]>([
    ['by a bank that was shown another roster', { context: { ...CONTEXT, rosterHash: new Uint8Array(32) } }],
    ['in another session', { context: { ...CONTEXT, sessionHash: new Uint8Array(32) } }],
    ['as coming from another dealer', { from: 2 }],
    ['as coming from another dealer, with its key', { from: 2, dealerKey: channelKeys[2]! }],
    ['under the roots of another dealer', { signed: roots[2]! }],
    [
      'when the dealer signed other commitments',
      { signed: { ...roots[1]!, shareRoot: roots[0]!.shareRoot } },
    ],
    ['when the dealer signed other texts', { signed: { ...roots[1]!, cipherRoot: roots[0]!.cipherRoot } }],
    ['by another bank', { to: 2 }],
    ['by another bank, with its secret', { to: 2, secret: secretOf(2) }],
    ['with the secret of another bank', { secret: secretOf(2) }],
    ["when it is another bank's", { bytes: packageFor(tables[1]!, CONTEXT, 2) }],
    ["when it is another dealer's", { bytes: packageFor(tables[2]!, CONTEXT, 3) }],
    [
      "when it is another dealer's, with its roots",
      { bytes: packageFor(tables[2]!, CONTEXT, 3), signed: roots[2]! },
    ],
    ['when it is too short', { bytes: bytes.subarray(0, -1) }],
    ['when it is too long', { bytes: Uint8Array.of(...bytes, 0) }],
    ['when it is empty', { bytes: new Uint8Array(0) }],
    ['in a session of other slots', { context: { ...CONTEXT, slots: 2 } }],
    ['by the dealer itself', { bytes: packageFor(tables[1]!, CONTEXT, 1), to: 1, secret: secretOf(1) }],
  ])('%s', (_, changes) => {
    expect(outcomeOf(() => openedBy3())).toBe('accepted');
    expect(outcomeOf(() => openedBy3(changes))).toMatch(/^SHARE_CT: /);
  });
});

describe('a table is refused', () => {
  test('after any one bit of it was flipped, also where the dealer itself has no ciphertext', () => {
    const table = tables[1]!.slice();
    for (let bit = 0; bit < table.length * 8; bit++) {
      const byte = bit >> 3;
      table[byte]! ^= 1 << (bit & 7);
      expect(outcomeOf(() => rootsOfTable(table, CONTEXT, 1))).toMatch(/^SHAPE/);
      table[byte]! ^= 1 << (bit & 7);
    }
  });

  test.each([
    ['too short', tables[1]!.subarray(0, -1), CONTEXT],
    ['too long', Uint8Array.of(...tables[1]!, 0), CONTEXT],
    ['empty', new Uint8Array(0), CONTEXT],
    ['of one slot less', tables[1]!, { ...CONTEXT, slots: 2 }],
    ['of one bank more', tables[1]!, { ...CONTEXT, banks: 6 }],
  ])('when it is %s', (_, table, context) => {
    expect(outcomeOf(() => rootsOfTable(table, context, 1))).toMatch(/^SHAPE/);
  });

  test.each([0, 2, 3, 4])('as the table of bank %i, which did not deal it', (from) => {
    expect(outcomeOf(() => rootsOfTable(tables[1]!, CONTEXT, from))).toMatch(/^SHAPE/);
  });
});
