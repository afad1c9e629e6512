import { createHash, hkdfSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { backend as portableBackend } from '#shared/crypto/backend-portable.ts';
import { toHex, utf8 } from '#shared/crypto/hash.ts';
import { agreementPublicKey } from '#shared/crypto/key-agreement.ts';
import { seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { inputMasks, pairMaskKey, selfMaskKey, selfSeedCommitment } from '#shared/secure-sum/mask-keys.ts';

const random = seededBytes(utf8('mask keys of the mask-keys test.'));
const ROUND = random(32);
const SESSION = random(32);
const BANKS = 6;
const secrets = Array.from({ length: BANKS }, () => ({ maskSeed: random(32), selfSeed: random(32) }));
const publicKeys = secrets.map(({ maskSeed }) => agreementPublicKey(maskSeed));
const slotKeys = new Map(publicKeys.map((key, bank) => [bank, key]));

/** Every a < b. */
const PAIRS = secrets.flatMap((_, a) => secrets.flatMap((_, b) => (a < b ? [[a, b] as const] : [])));

/** Indices and slots whose bytes differ in every place, so that no width or order of bytes passes by chance. */
const INDEX = 0x0102;
const HIGHER = 0x0304;
const SLOT = 0x05060708;

/** Section 2.3 of the design, in node:crypto and hex. */
function hkdf(secret: Uint8Array, info: string): string {
  return Buffer.from(hkdfSync('sha256', secret, ROUND, Buffer.from(info, 'latin1'), 32)).toString('hex');
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.slice().with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
}

describe('a pair key', () => {
  test('is HKDF of the agreed secret, salted with the round, over both banks and the slot', () => {
    const agreed = portableBackend.x25519(secrets[1]!.maskSeed, publicKeys[2]!);
    const expected = hkdf(agreed, 'tallystick/v1 pair-mask\0\x01\x02\x03\x04\x05\x06\x07\x08');
    const [seed, key] = [secrets[1]!.maskSeed, publicKeys[2]!];
    expect(toHex(pairMaskKey(ROUND, SLOT, [INDEX, HIGHER], seed, key))).toBe(expected);
    expect(toHex(pairMaskKey(ROUND, SLOT, [HIGHER, INDEX], seed, key))).toBe(expected);
  });

  test('is the same from either side for every pair', () => {
    for (const [a, b] of PAIRS) {
      const ofA = pairMaskKey(ROUND, 3, [a, b], secrets[a]!.maskSeed, publicKeys[b]!);
      const ofB = pairMaskKey(ROUND, 3, [b, a], secrets[b]!.maskSeed, publicKeys[a]!);
      expect(toHex(ofA)).toBe(toHex(ofB));
    }
  });

  test('under a key of small order is refused', () => {
    const weak = new Uint8Array(32).with(0, 1);
    expect(() => pairMaskKey(ROUND, 0, [0, 1], secrets[0]!.maskSeed, weak)).toThrow(
      expect.objectContaining({ code: 'WEAK_KEY' }),
    );
  });
});

describe('a self key', () => {
  test('is HKDF of the self seed, salted with the round, over bank and slot', () => {
    const expected = hkdf(secrets[4]!.selfSeed, 'tallystick/v1 self-mask\0\x01\x02\x05\x06\x07\x08');
    expect(toHex(selfMaskKey(ROUND, SLOT, INDEX, secrets[4]!.selfSeed))).toBe(expected);
  });
});

test('no two of all rounds, slots, pairs and banks have one key, even where all seeds are the same', () => {
  const rounds = [ROUND, SESSION, flip(ROUND, 0), flip(ROUND, 255), new Uint8Array(32)];
  const slots = [0, 1, 2, 256, 65_536, 2 ** 32 - 1];
  const { maskSeed, selfSeed } = secrets[0]!;
  const keys = rounds.flatMap((round) =>
    slots.flatMap((slot) => [
      ...PAIRS.map((pair) => pairMaskKey(round, slot, pair, maskSeed, publicKeys[1]!)),
      ...[0, 1, 2, 255, 256].map((bank) => selfMaskKey(round, slot, bank, selfSeed)),
      ...[0, 1].map((bank) => selfMaskKey(round, slot, bank, maskSeed)),
    ]),
  );
  expect(keys).toHaveLength(5 * 6 * (15 + 7));
  expect(new Set(keys.map(toHex)).size).toBe(keys.length);
});

test('any one bit of a seed, but those that X25519 ignores, changes the key', () => {
  const pairKey = (seed: Uint8Array) => toHex(pairMaskKey(ROUND, 0, [0, 1], seed, publicKeys[1]!));
  const selfKey = (seed: Uint8Array) => toHex(selfMaskKey(ROUND, 0, 0, seed));
  const { maskSeed, selfSeed } = secrets[0]!;
  for (let bit = 0; bit < 256; bit++) {
    const clamped = bit < 3 || bit >= 254;
    expect(pairKey(flip(maskSeed, bit)) === pairKey(maskSeed), `bit ${bit}`).toBe(clamped);
    expect(selfKey(flip(selfSeed, bit))).not.toBe(selfKey(selfSeed));
  }
});

describe('the commitment to a self seed', () => {
  test('is SHA-256 over label, session, slot, bank and seed', () => {
    const { selfSeed } = secrets[2]!;
    const hash = createHash('sha256')
      .update('tallystick/v1 self-seed\0')
      .update(SESSION)
      .update(Buffer.from('050607080102', 'hex'))
      .update(selfSeed);
    expect(toHex(selfSeedCommitment(SESSION, SLOT, INDEX, selfSeed))).toBe(hash.digest('hex'));
  });

  test('changes with each of them', () => {
    const commitments = [SESSION, ROUND].flatMap((session) =>
      [0, 1, 256].flatMap((slot) =>
        [0, 1, 256].flatMap((bank) =>
          secrets.map(({ selfSeed }) => toHex(selfSeedCommitment(session, slot, bank, selfSeed))),
        ),
      ),
    );
    expect(new Set(commitments).size).toBe(2 * 3 * 3 * BANKS);
  });
});

describe('the masks of a vector', () => {
  test('are the own stream, a stream to add for each higher bank and one to subtract for each lower', () => {
    const masks = inputMasks(ROUND, 7, 2, secrets[2]!, [0, 1, 2, 3, 4, 5], slotKeys);
    const named = masks.map(({ key, sign }) => `${sign} ${toHex(key)}`);
    const pair = (other: number) =>
      toHex(pairMaskKey(ROUND, 7, [2, other], secrets[2]!.maskSeed, publicKeys[other]!));
    expect(named.toSorted()).toEqual(
      [
        `add ${toHex(selfMaskKey(ROUND, 7, 2, secrets[2]!.selfSeed))}`,
        `subtract ${pair(0)}`,
        `subtract ${pair(1)}`,
        `add ${pair(3)}`,
        `add ${pair(4)}`,
        `add ${pair(5)}`,
      ].toSorted(),
    );
  });

  test('leave out banks whose keys do not count', () => {
    const dealers = [1, 2, 5];
    const masks = inputMasks(ROUND, 0, 2, secrets[2]!, dealers, slotKeys);
    expect(masks).toHaveLength(3);
    const ofAll = inputMasks(ROUND, 0, 2, secrets[2]!, [0, 1, 2, 3, 4, 5], slotKeys);
    for (const mask of masks) expect(ofAll).toContainEqual(mask);
  });

  test('of two banks name the key between them once with each sign, for every set of dealers', () => {
    for (const dealers of [
      [0, 1, 2],
      [0, 3, 5],
      [1, 2, 4, 5],
      [0, 1, 2, 3, 4, 5],
    ]) {
      const signs = new Map<string, string[]>();
      for (const bank of dealers) {
        for (const { key, sign } of inputMasks(ROUND, 1, bank, secrets[bank]!, dealers, slotKeys)) {
          signs.set(toHex(key), [...(signs.get(toHex(key)) ?? []), sign]);
        }
      }
      const found = [...signs.values()].map((both) => both.toSorted().join());
      const n = dealers.length;
      expect(found.filter((both) => both === 'add')).toHaveLength(n);
      expect(found.filter((both) => both === 'add,subtract')).toHaveLength((n * (n - 1)) / 2);
      expect(found).toHaveLength(n + (n * (n - 1)) / 2);
    }
  });

  test('do not cancel between banks that were asked different questions', () => {
    const asked = inputMasks(ROUND, 0, 0, secrets[0]!, [0, 1, 2], slotKeys);
    const other = inputMasks(flip(ROUND, 100), 0, 1, secrets[1]!, [0, 1, 2], slotKeys);
    const keys = new Set([...asked, ...other].map(({ key }) => toHex(key)));
    expect(keys.size).toBe(6);
  });
});
