import { describe, expect, test } from 'vitest';
import {
  betaDistribution,
  chiSquareQuantile,
  twoSidedNormalTail,
} from '#models/metrics/special-functions.ts';

/** P(X ≥ k) of a binomial, which is I_p(k, n − k + 1), summed term by term. */
function binomialTail(n: number, k: number, p: number): number {
  let term = (1 - p) ** n;
  let below = 0;
  for (let i = 0; i < k; i++) {
    below += term;
    term *= ((n - i) / (i + 1)) * (p / (1 - p));
  }
  return 1 - below;
}

describe('betaDistribution', () => {
  test.each([
    [10, 3, 0.1],
    [10, 3, 0.8],
    [50, 1, 0.01],
    [200, 30, 0.2],
  ])('I_p(k, n − k + 1) is the binomial tail, n = %d, k = %d, p = %d', (n, k, p) => {
    expect(betaDistribution(p, k, n - k + 1)).toBeCloseTo(binomialTail(n, k, p), 11);
  });

  test('is 0 and 1 at the ends, and the arcsine law for a = b = ½', () => {
    expect([betaDistribution(0, 2, 3), betaDistribution(1, 2, 3)]).toEqual([0, 1]);
    expect(betaDistribution(0.3, 0.5, 0.5)).toBeCloseTo((2 / Math.PI) * Math.asin(Math.sqrt(0.3)), 12);
  });
});

describe('chi-square and normal', () => {
  test.each([
    [3.841458820694124, 1],
    [16.918977604620448, 9],
    [124.34211340400408, 100],
  ])('5 %% lie above %d with %d degrees of freedom', (x, degrees) => {
    expect(chiSquareQuantile(0.95, degrees)).toBeCloseTo(x, 8);
  });

  test('5 % of a normal lie beyond 1.96, on both sides together', () => {
    expect(twoSidedNormalTail(1.959963984540054)).toBeCloseTo(0.05, 12);
    expect(twoSidedNormalTail(-1.959963984540054)).toBeCloseTo(0.05, 12);
    expect(twoSidedNormalTail(0)).toBe(1);
  });
});
