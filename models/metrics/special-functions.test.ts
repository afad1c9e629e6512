import { describe, expect, test } from 'vitest';
import {
  betaDistribution,
  chiSquareQuantile,
  chiSquareTail,
  logGamma,
  twoSidedNormalTail,
  upperGamma,
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

/** P(X < a) of a Poisson, which is Q(a, x) for whole a, summed term by term. */
function poissonBelow(a: number, x: number): number {
  let term = Math.exp(-x);
  let sum = 0;
  for (let i = 0; i < a; i++) {
    sum += term;
    term *= x / (i + 1);
  }
  return sum;
}

describe('logGamma', () => {
  test('is the logarithm of the factorial, and of √π at one half', () => {
    let factorial = 0;
    for (let n = 1; n <= 60; n++) {
      expect(logGamma(n)).toBeCloseTo(factorial, 10);
      factorial += Math.log(n);
    }
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 12);
    expect(logGamma(0.25)).toBeCloseTo(1.2880225246980774, 12);
  });
});

describe('upperGamma', () => {
  test.each([
    [1, 0.3],
    [3, 2],
    [3, 9],
    [10, 4],
    [10, 25],
    [40, 41],
  ])('Q(%d, %d) is the Poisson sum', (a, x) => {
    expect(upperGamma(a, x)).toBeCloseTo(poissonBelow(a, x), 12);
  });

  test('is 1 at zero', () => expect(upperGamma(2.5, 0)).toBe(1));
});

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
    expect(chiSquareTail(x, degrees)).toBeCloseTo(0.05, 12);
    expect(chiSquareQuantile(0.95, degrees)).toBeCloseTo(x, 8);
  });

  test('5 % of a normal lie beyond 1.96, on both sides together', () => {
    expect(twoSidedNormalTail(1.959963984540054)).toBeCloseTo(0.05, 12);
    expect(twoSidedNormalTail(-1.959963984540054)).toBeCloseTo(0.05, 12);
    expect(twoSidedNormalTail(0)).toBe(1);
  });
});
