import { describe, expect, test } from 'vitest';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { assertShareFits, BankFault } from '#shared/secure-sum/open-sum.ts';
import { splitSecret } from '#shared/secure-sum/secret-sharing.ts';
import { shareCommitment } from '#shared/secure-sum/share-table-layout.ts';

const SESSION = sha256(utf8('session'));
const random = seededBytes(sha256(utf8('revealed shares')));
/** By dealer, kind and bank: five banks, threshold three. */
const SHARES = Array.from({ length: 5 }, () => ({
  mask: splitSecret(random(32), 5, 3, random),
  self: splitSecret(random(32), 5, 3, random),
}));

describe('a revealed share', () => {
  const where = { sessionHash: SESSION, slot: 3 };
  const share = SHARES[4]!.self[2]!;
  const commitment = shareCommitment(SESSION, 3, 4, 2, 'self', share);
  const outcomeOf = (run: () => void): string => {
    try {
      run();
    } catch (error) {
      if (error instanceof BankFault) return `${error.code} of bank ${error.culprit}`;
      throw error;
    }
    return 'accepted';
  };

  test('that the dealer committed to fits', () => {
    expect(outcomeOf(() => assertShareFits(share, where, 4, 2, 'self', commitment))).toBe('accepted');
  });

  test('with any one bit flipped is held against the bank that revealed it', () => {
    for (let bit = 0; bit < share.length * 8; bit++) {
      const flipped = share.with(bit >> 3, share[bit >> 3]! ^ (1 << (bit & 7)));
      const run = () => assertShareFits(flipped, where, 4, 2, 'self', commitment);
      expect(outcomeOf(run), `bit ${bit}`).toBe('SHARE_BAD of bank 2');
    }
  });

  test('of another dealer, bank, seed, slot or session, or of another length, does not fit', () => {
    const { mask, self } = SHARES[4]!;
    const otherSession = { sessionHash: sha256(utf8('another session')), slot: 3 };
    for (const run of [
      () => assertShareFits(SHARES[3]!.self[2]!, where, 4, 2, 'self', commitment),
      () => assertShareFits(self[1]!, where, 4, 2, 'self', commitment),
      () => assertShareFits(mask[2]!, where, 4, 2, 'self', commitment),
      () => assertShareFits(share, where, 4, 2, 'mask', commitment),
      () => assertShareFits(share, where, 3, 2, 'self', commitment),
      () => assertShareFits(share, { ...where, slot: 2 }, 4, 2, 'self', commitment),
      () => assertShareFits(share, otherSession, 4, 2, 'self', commitment),
      () => assertShareFits(share.subarray(0, 32), where, 4, 2, 'self', commitment),
      () => assertShareFits(Uint8Array.of(...share, 3), where, 4, 2, 'self', commitment),
      () => assertShareFits(new Uint8Array(0), where, 4, 2, 'self', commitment),
    ]) {
      expect(outcomeOf(run)).toBe('SHARE_BAD of bank 2');
    }
  });

  test('whose coordinate is another bank’s is refused, though the dealer committed to it', () => {
    const wrong = share.with(32, 5);
    const fits = shareCommitment(SESSION, 3, 4, 2, 'self', wrong);
    expect(outcomeOf(() => assertShareFits(wrong, where, 4, 2, 'self', fits))).toBe('SHARE_BAD of bank 2');
  });
});
