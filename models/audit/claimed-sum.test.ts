import { describe, expect, test } from 'vitest';
import { claimIn } from '#models/audit/claimed-sum.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import type { FixedSurvivors, PastRound } from '#shared/ledger/federation-state.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { VectorSketcher, type Sketch } from '#shared/secure-sum/vector-sketch.ts';

const CHALLENGE = sha256(utf8('survivors'));
const VECTORS = [
  Uint32Array.of(0xffff_fffe, 7, 0),
  Uint32Array.of(3, 8, 0x8000_0000),
  Uint32Array.of(0xffff_ffff, 9, 1),
];
const WORDS = Uint32Array.of(0, 24, 0x8000_0001);
const CARRIES = Uint8Array.of(2, 0, 0);

function past(
  maskedSum: FixedSurvivors['maskedSum'],
  sketches: readonly (readonly [number, Sketch | undefined])[] = [],
): PastRound {
  const fixed = { survivors: [0, 1, 2], hash: toHex(CHALLENGE), at: 0, maskedSum };
  const open = { payload: { round: 4 }, masked: { fixed, certificates: new Map(sketches) } };
  return { open } as unknown as PastRound;
}

/** What the audit says of a claim, having added all vectors. */
function verdictOn(maskedSum: FixedSurvivors['maskedSum']): string {
  const claim = claimIn(past(maskedSum), new Uint32Array(3))!;
  for (const [bank, vector] of VECTORS.entries()) {
    const taken = claim.vectorOf(bank);
    taken.add(vector.subarray(0, 2), 0);
    taken.add(vector.subarray(2), 2);
  }
  try {
    claim.assertRight();
  } catch (error) {
    return (error as Error).message;
  }
  return 'right';
}

describe('a claimed sum', () => {
  const right = { words: vectorRoot(WORDS), carries: vectorRoot(CARRIES) };

  test('is right when its words and what is above them are those of the vectors', () => {
    expect(verdictOn(right)).toBe('right');
  });

  test.each([
    ['words', { ...right, words: vectorRoot(Uint32Array.of(0, 24, 0x8000_0000)) }],
    ['carries', { ...right, carries: vectorRoot(Uint8Array.of(1, 0, 0)) }],
  ])('is not right with other %s', (_what, claimed) => {
    expect(verdictOn(claimed)).toContain('round 4: the masked vectors do not sum to what was claimed');
  });

  test('is none where the ledger has none, and none of u64 words', () => {
    expect(claimIn(past(undefined), new Uint32Array(3))).toBeUndefined();
    expect(claimIn(past(right), new BigUint64Array(3))).toBeUndefined();
    expect(claimIn({ open: { payload: {} } } as unknown as PastRound, new Uint32Array(3))).toBeUndefined();
  });

  test.each([
    ['its own sketch', 0, true],
    ["another bank's", 1, false],
    ['none', undefined, true],
  ])('says of a bank that signed %s whether it is the one of its vector', (_what, whose, isAsSigned) => {
    const sketcher = new VectorSketcher(CHALLENGE);
    if (whose !== undefined) sketcher.add(VECTORS[whose]!);
    const signed = whose === undefined ? undefined : sketcher.sketch();
    const taken = claimIn(past(right, [[0, signed]]), new Uint32Array(3))!.vectorOf(0);
    taken.add(VECTORS[0]!, 0);
    expect(taken.isAsSigned()).toBe(isAsSigned);
  });
});
