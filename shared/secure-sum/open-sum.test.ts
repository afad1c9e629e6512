import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import type { Ring } from '#shared/ring/field.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { drawSecrets, publicKeysOf, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { inputMasks } from '#shared/secure-sum/mask-keys.ts';
import { BankFault, masksOfSum, openedSeed, type FixedSlot } from '#shared/secure-sum/open-sum.ts';
import { splitSecret } from '#shared/secure-sum/secret-sharing.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';

const RINGS: Ring[] = ['u32', 'u64'];
const SESSION = sha256(utf8('session'));
const ROUND = sha256(utf8('round'));

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function subsets(items: readonly number[]): number[][] {
  return items.reduce<number[][]>((found, item) => [...found, ...found.map((some) => [...some, item])], [[]]);
}

/** A slot of a session of `banks`, of which `dealers` dealt, with a vector of each dealer in both rings. */
class Slot {
  readonly slot: number;
  readonly threshold: number;
  readonly dealers: readonly number[];
  readonly slotKeys = new Map<number, Uint8Array>();
  readonly seedCommitments = new Map<number, Uint8Array>();
  /** By dealer and kind: the share of each bank. */
  readonly shares = new Map<number, { mask: Uint8Array[]; self: Uint8Array[] }>();
  private readonly plain = new Map<string, RingWords>();
  private readonly masked = new Map<string, RingWords>();

  constructor(banks: number, dealers = range(banks), words = 5, slot = 0) {
    this.slot = slot;
    this.dealers = dealers;
    this.threshold = thresholdsFor(banks).threshold;
    const secrets = new Map(
      dealers.map((bank) => {
        const random = seededBytes(sha256(utf8(`bank ${bank} of ${banks} in slot ${slot}`)));
        const drawn = drawSecrets(slot + 1, random);
        const keys = publicKeysOf(drawn, SESSION, bank);
        const own = drawn.slots[slot]!;
        this.slotKeys.set(bank, keys.slotKeys[slot]!);
        this.seedCommitments.set(bank, keys.seedCommitments[slot]!);
        this.shares.set(bank, {
          mask: splitSecret(own.maskSeed, banks, this.threshold, random),
          self: splitSecret(own.selfSeed, banks, this.threshold, random),
        });
        for (const ring of RINGS) {
          const vector = createWords(ring, words);
          bytesOf(vector).set(random(vector.byteLength));
          if (words > 1) bytesOf(vector).fill(bank % 2 ? 0xff : 0, 0, vector.BYTES_PER_ELEMENT);
          this.plain.set(`${ring} ${bank}`, vector);
        }
        return [bank, own] as const;
      }),
    );
    for (const bank of dealers) {
      const masks = inputMasks(ROUND, slot, bank, secrets.get(bank)!, dealers, this.slotKeys);
      for (const ring of RINGS) {
        const vector = this.plain.get(`${ring} ${bank}`)!.slice();
        applyMasks(vector, masks);
        this.masked.set(`${ring} ${bank}`, vector);
      }
    }
  }

  fixed(survivors: readonly number[]): FixedSlot {
    const { slot, threshold, dealers, slotKeys, seedCommitments } = this;
    const published = { slot, threshold, dealers, slotKeys, seedCommitments };
    return { ...published, sessionHash: SESSION, roundHash: ROUND, survivors };
  }

  /** What each of `revealers` reveals: of every dealer the share that `survivors` calls for. */
  revealed(revealers: readonly number[], survivors: readonly number[]): Map<number, Uint8Array[]> {
    const shareOf = (dealer: number, revealer: number) =>
      this.shares.get(dealer)![openedSeed(dealer, survivors)][revealer]!;
    return new Map(revealers.map((bank) => [bank, this.dealers.map((dealer) => shareOf(dealer, bank))]));
  }

  sum(of: 'plain' | 'masked', ring: Ring, survivors: readonly number[]): RingWords {
    const sum = createWords(ring, this.plain.get(`${ring} ${this.dealers[0]!}`)!.length);
    for (const bank of survivors) addInto(sum, this[of].get(`${ring} ${bank}`)!);
    return sum;
  }

  /** 'exact', another sum, or the code and the culprit of the refusal. */
  outcome(survivors: readonly number[], revealers: readonly number[], fixed = this.fixed(survivors)): string {
    try {
      const masks = masksOfSum(fixed, this.revealed(revealers, survivors));
      const exact = RINGS.every((ring) => {
        const sum = this.sum('masked', ring, survivors);
        applyMasks(sum, masks);
        return Buffer.compare(bytesOf(sum), bytesOf(this.sum('plain', ring, survivors))) === 0;
      });
      return exact ? 'exact' : 'another sum';
    } catch (error) {
      if (error instanceof BankFault) return `${error.code} of bank ${error.culprit}`;
      if (error instanceof FederationError) return error.code;
      throw error;
    }
  }
}

describe('the sum that is opened', () => {
  test.each([3, 4, 5, 6])('is exact or refused for every dropout of %i banks, in both rings', (banks) => {
    const slot = new Slot(banks);
    const { threshold, quorum, minimum } = thresholdsFor(banks);
    let certified = 0;
    for (const survivors of subsets(range(banks))) {
      if (survivors.length < minimum) {
        expect(slot.outcome(survivors, range(banks))).toBe('exact'); // refused elsewhere
        continue;
      }
      for (const revealers of subsets(range(banks))) {
        const expected = revealers.length >= threshold ? 'exact' : 'SHARES';
        const outcome = slot.outcome(survivors, revealers.toReversed());
        expect(outcome, `${survivors.join()} in the sum, ${revealers.join()} reveal`).toBe(expected);
        if (revealers.length >= quorum) certified++;
      }
    }
    // the ways to have enough banks in the sum times the ways to have enough that certify it
    expect(certified).toBe({ 3: 1, 4: 5 * 5, 5: 16 * 6, 6: 22 * 7 }[banks]);
  });

  test('is not to be had without the masks, nor with those of other survivors', () => {
    const slot = new Slot(5);
    for (const ring of RINGS) {
      const plain = slot.sum('plain', ring, [0, 1, 3]);
      const sum = slot.sum('masked', ring, [0, 1, 3]);
      expect(Buffer.compare(bytesOf(sum), bytesOf(plain))).not.toBe(0);
      applyMasks(sum, masksOfSum(slot.fixed([0, 1, 2, 3]), slot.revealed([0, 1, 2], [0, 1, 2, 3])));
      expect(Buffer.compare(bytesOf(sum), bytesOf(plain))).not.toBe(0);
    }
  });

  test('is exact where some banks of the roster dealt nothing', () => {
    const slot = new Slot(7, [0, 2, 3, 5, 6], 9, 2);
    const { threshold } = thresholdsFor(7);
    for (const survivors of subsets([0, 2, 3, 5, 6])) {
      for (const revealers of subsets([0, 2, 3, 5, 6])) {
        const expected = revealers.length >= threshold ? 'exact' : 'SHARES';
        expect(slot.outcome(survivors, revealers)).toBe(expected);
      }
    }
  });

  test('is exact for any number of banks and words, and any who drop out or help', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 16 }),
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.nat(), { minLength: 16, maxLength: 16 }),
        fc.nat(16),
        (banks, words, order, dropouts) => {
          const slot = new Slot(banks, range(banks), words, words % 4);
          const shuffled = range(banks).sort((a, b) => order[a]! - order[b]!);
          const survivors = shuffled.slice(Math.min(dropouts, banks - 1)).sort((a, b) => a - b);
          expect(slot.outcome(survivors, shuffled.slice(0, slot.threshold))).toBe('exact');
          expect(slot.outcome(survivors, shuffled.slice(0, slot.threshold - 1))).toBe('SHARES');
        },
      ),
      { numRuns: 10 },
    );
  });

  test('is exact in a session of 128 banks, of which any 85 open it', () => {
    const dealers = range(128).filter((bank) => bank % 13 === 10); // 10, 23, … 127
    const slot = new Slot(128, dealers, 3);
    const survivors = dealers.filter((bank) => bank !== 36 && bank !== 127);
    expect(slot.outcome(survivors, range(128).slice(43))).toBe('exact');
    expect(slot.outcome(survivors, range(128).slice(0, 85))).toBe('exact');
    expect(slot.outcome(survivors, range(128).slice(44))).toBe('SHARES');
  });
});

test('of a bank in the sum its self seed is opened, of any other its mask seed, of none both', () => {
  for (const survivors of subsets(range(5))) {
    const kinds = range(5).map((dealer) => openedSeed(dealer, survivors));
    expect(kinds).toEqual(range(5).map((dealer) => (survivors.includes(dealer) ? 'self' : 'mask')));
  }
});

describe('a dealer whose shares fit their commitments, but not what it published, is named', () => {
  test.each(['self', 'mask'] as const)(
    'when one of its shares is off the polynomial of its %s seed',
    (kind) => {
      const slot = new Slot(6);
      const survivors = kind === 'self' ? range(6) : [0, 1, 3, 4, 5];
      const code = kind === 'self' ? 'DEALER_SELF' : 'DEALER_MASK';
      const shares = slot.shares.get(2)![kind];
      shares[4] = shares[4]!.with(17, shares[4]![17]! ^ 1);
      for (const revealers of subsets(range(6)).filter(({ length }) => length === slot.threshold)) {
        const expected = revealers.includes(4) ? `${code} of bank 2` : 'exact';
        expect(slot.outcome(survivors, revealers), `${revealers.join()} reveal`).toBe(expected);
      }
    },
  );

  test.each(range(5))('when it committed to another self seed: bank %i', (cheat) => {
    const slot = new Slot(5);
    slot.seedCommitments.set(cheat, new Slot(5, range(5), 1, 1).seedCommitments.get(cheat)!);
    expect(slot.outcome(range(5), [0, 1, 2])).toBe(`DEALER_SELF of bank ${cheat}`);
    const others = range(5).filter((bank) => bank !== cheat);
    expect(slot.outcome(others, [2, 3, 4])).toBe('exact'); // its self seed stays closed
  });

  test.each(range(5))('when it published the key of another mask seed: bank %i', (cheat) => {
    const slot = new Slot(5);
    const others = range(5).filter((bank) => bank !== cheat);
    slot.slotKeys.set(cheat, new Slot(5, range(5), 1, 1).slotKeys.get(cheat)!);
    expect(slot.outcome(others, [1, 2, 3])).toBe(`DEALER_MASK of bank ${cheat}`);
  });

  test('when it dealt its two seeds the wrong way round', () => {
    const slot = new Slot(5);
    const { mask, self } = slot.shares.get(3)!;
    slot.shares.set(3, { mask: self, self: mask });
    expect(slot.outcome(range(5), [0, 2, 4])).toBe('DEALER_SELF of bank 3');
    expect(slot.outcome([0, 1, 2, 4], [0, 2, 4])).toBe('DEALER_MASK of bank 3');
  });
});
