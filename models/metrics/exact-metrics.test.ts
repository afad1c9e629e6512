import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactMetrics, lossSums } from '#models/metrics/exact-metrics.ts';

const logit = (pd: number) => Math.log(pd / (1 - pd));

/** P(p_bad > p_good) + ½ P(=), over all pairs. */
function pairwiseAuc(scores: readonly number[], bad: readonly number[]): number {
  let wins = 0;
  let pairs = 0;
  scores.forEach((high, i) => {
    scores.forEach((low, j) => {
      if (bad[i] !== 1 || bad[j] !== 0) return;
      pairs++;
      wins += high > low ? 1 : high === low ? 0.5 : 0;
    });
  });
  return wins / pairs;
}

/** max |F_bad − F_good| over all thresholds. */
function thresholdKs(scores: readonly number[], bad: readonly number[]): number {
  const share = (label: number, threshold: number) => {
    const own = scores.filter((_, i) => bad[i] === label);
    return own.filter((score) => score <= threshold).length / own.length;
  };
  return Math.max(...scores.map((threshold) => Math.abs(share(1, threshold) - share(0, threshold))));
}

describe('exactMetrics', () => {
  test('gives the golden values of the design, with two rows of the same score', () => {
    const bad = Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 1, 1, 0);
    const pds = [0.05, 0.1, 0.15, 0.2, 0.35, 0.35, 0.4, 0.6, 0.8, 0.3];
    const metrics = exactMetrics(Float64Array.from(pds, logit), bad);
    expect([metrics.rows, metrics.bads]).toEqual([10, 4]);
    expect(metrics.auc).toBeCloseTo(0.7708333, 7);
    expect(2 * metrics.auc - 1).toBeCloseTo(0.5416667, 7);
    expect(metrics.ks).toBeCloseTo(0.5, 12);
    expect(metrics.brier).toBeCloseTo(0.177, 12);
    expect(metrics.logLoss).toBeCloseTo(0.5358992, 7);
    expect(metrics.meanPd).toBeCloseTo(0.33, 12);
  });

  test('agrees with counting all pairs and trying all thresholds, ties and all', () => {
    const row = fc.tuple(fc.constantFrom(-2, -1, -0.5, 0, 0.25, 1, 3), fc.nat({ max: 1 }));
    fc.assert(
      fc.property(fc.array(row, { minLength: 2, maxLength: 60 }), (rows) => {
        const scores = rows.map(([score]) => score);
        const bad = rows.map(([, label]) => label);
        fc.pre(bad.includes(0) && bad.includes(1));
        const metrics = exactMetrics(Float64Array.from(scores), Uint8Array.from(bad));
        expect(metrics.auc).toBeCloseTo(pairwiseAuc(scores, bad), 12);
        expect(metrics.ks).toBeCloseTo(thresholdKs(scores, bad), 12);
      }),
      { numRuns: 200 },
    );
  });

  test('does not depend on the order of rows', () => {
    const logits = Float64Array.of(3, -1, 2, 2, 0);
    const bad = Uint8Array.of(1, 0, 0, 1, 1);
    const turned = exactMetrics(logits.toReversed(), bad.toReversed());
    const straight = exactMetrics(logits, bad);
    expect([turned.auc, turned.ks]).toEqual([straight.auc, straight.ks]);
    expect(straight.auc).toBeCloseTo(4.5 / 6, 12); // pairs: 3 beats both, 2 beats −1 and ties, 0 beats −1
  });

  test('calls a perfect order 1, the reverse 0 and equal scores one half', () => {
    const bad = Uint8Array.of(0, 0, 1, 1);
    const of = (...scores: number[]) => exactMetrics(Float64Array.from(scores), bad);
    expect(of(1, 2, 3, 4)).toMatchObject({ auc: 1, ks: 1 });
    expect(of(4, 3, 2, 1)).toMatchObject({ auc: 0, ks: 1 });
    expect(of(7, 7, 7, 7)).toMatchObject({ auc: 0.5, ks: 0 });
  });

  test('has no discrimination to give where a class is empty, but the rest', () => {
    for (const label of [0, 1]) {
      const metrics = exactMetrics(Float64Array.of(0, 0), Uint8Array.of(label, label));
      expect([metrics.auc, metrics.ks]).toEqual([Number.NaN, Number.NaN]);
      expect(metrics.logLoss).toBeCloseTo(Math.LN2, 12);
      expect([metrics.brier, metrics.meanPd, metrics.bads]).toEqual([0.25, 0.5, 2 * label]);
    }
  });
});

describe('lossSums', () => {
  test('are sums over rows by the textbook formulas', () => {
    const pds = [0.02, 0.3, 0.5, 0.97];
    const bad = [0, 1, 0, 1];
    const sums = lossSums(Float64Array.from(pds, logit), Uint8Array.from(bad));
    expect(sums.logLoss).toBeCloseTo(-Math.log(0.98) - Math.log(0.3) - Math.log(0.5) - Math.log(0.97), 12);
    expect(sums.brier).toBeCloseTo(0.02 ** 2 + 0.7 ** 2 + 0.5 ** 2 + 0.03 ** 2, 12);
    expect(sums.pd).toBeCloseTo(1.79, 12);
  });

  test('stay finite for scores of any size: being wrong by 800 of log-odds costs 800', () => {
    const sums = lossSums(Float64Array.of(800, -800, 800, -800), Uint8Array.of(0, 1, 1, 0));
    expect(sums.logLoss).toBe(1600);
    expect(sums.brier).toBe(2);
    expect(sums.pd).toBe(2);
  });

  test('of no rows are 0', () => {
    expect(lossSums(new Float64Array(0), new Uint8Array(0))).toEqual({ logLoss: 0, brier: 0, pd: 0 });
  });
});
