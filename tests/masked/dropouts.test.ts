/**
 * Whoever falls silent and when, a masked round ends with exactly the sum of the survivors' vectors, or with
 * the code that says which of the three numbers was missed. Every pattern for three to six banks; random ones
 * for more (up to 128 in tests/soak).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { SimulatedConsortium } from '../support/secure-sum-simulation.ts';
import { expectedOutcome, OpenedRound, randomOutcomes, subsets } from './opened-round.ts';
describe.each([3, 4, 5, 6])('of %i banks', (count) => {
  const consortium = new SimulatedConsortium(count);
  let round: OpenedRound;
  beforeAll(async () => {
    const sealed = await consortium.sealed(1);
    round = await OpenedRound.of(consortium, sealed, 'u32', 5);
  });

  test('any may send no vector, and any fall silent after it: the sum is exact or the code is right', async () => {
    const tally = { sum: 0, refused: 0, tooFewVectors: 0 };
    for (const input of subsets(count)) {
      for (const unmask of subsets(count)) {
        const silent = { input, certificate: unmask, unmask };
        const outcome = await round.outcome(silent, consortium.banks);
        expect(outcome, JSON.stringify(silent)).toBe(expectedOutcome(count, silent));
        if (outcome === 'sum') tally.sum++;
        else if (outcome.startsWith('COHORT')) tally.tooFewVectors++;
        else tally.refused++;
      }
    }
    // The design counts 96 exact sums and 416 refusals out of 512 for five banks. Those are the 16 sets of at
    // least three vectors with all 32 sets of silent banks; with the 16 smaller sets there are 1024 in all.
    expect(tally).toEqual(
      {
        3: { sum: 1, refused: 7, tooFewVectors: 56 },
        4: { sum: 25, refused: 55, tooFewVectors: 176 },
        5: { sum: 96, refused: 416, tooFewVectors: 512 },
        6: { sum: 154, refused: 1254, tooFewVectors: 2688 },
      }[count],
    );
  });
});

test.each([3, 4])('of %i banks, who certifies and who reveals need not be the same', async (count) => {
  const consortium = new SimulatedConsortium(count);
  const round = await OpenedRound.of(consortium, await consortium.sealed(1), 'u32', 5);

  const outcomes = new Set<string>();
  for (const input of count === 3 ? subsets(3) : [[], [1]]) {
    for (const certificate of subsets(count)) {
      for (const unmask of subsets(count)) {
        const silent = { input, certificate, unmask };
        const outcome = await round.outcome(silent, consortium.banks);
        expect(outcome, JSON.stringify(silent)).toBe(expectedOutcome(count, silent));
        outcomes.add(outcome);
      }
    }
  }
  expect(outcomes).toContain('sum');
  expect(outcomes).toContain('CERTIFICATE void QUORUM');
  expect(outcomes).toContain('- void SHARES');
});

test.each([7, 16])(
  'of %i banks, at random: sums are exact in both rings, or the code is right',
  async (count) => {
    const outcomes = await randomOutcomes(count);
    expect(outcomes).toEqual(new Set(['sum', 'CERTIFICATE void QUORUM', 'COHORT void COHORT']));
  },
);
