import { describe, expect, test } from 'vitest';
import { pointsOf, pointsPerLogOdds, scaling, scoreAtEvenOdds, scoreOfPd } from '#models/scoring/scaling.ts';
import { KNOWN_SCORES } from '#models/testing/known-scores.ts';

const S = scaling.parse({});
const UNCUT = { ...S, min: -10_000, max: 10_000 };

describe('the default scaling', () => {
  test('has the known factor and offset', () => {
    expect(pointsPerLogOdds(S)).toBeCloseTo(86.5617024533378, 10);
    expect(scoreAtEvenOdds(S)).toBeCloseTo(305.58656426348887, 10);
    expect(S).toEqual({ score: 600, odds: 30, pdo: 60, min: 300, max: 850 });
  });

  test.each(KNOWN_SCORES)('gives PD %d the score %d', (pd, score) => {
    expect(scoreOfPd(pd, UNCUT).score).toBeCloseTo(score, 6);
  });

  test('cuts scores to 300 … 850 and says so', () => {
    expect(scoreOfPd(0.001, S)).toEqual({ score: 850, clipped: true });
    expect(scoreOfPd(0.9, S)).toEqual({ score: 300, clipped: true });
    expect(scoreOfPd(0.05, S).clipped).toBe(false);
    expect(scoreOfPd(0.516129, UNCUT).score).toBeCloseTo(300, 3);
    expect(scoreOfPd(0.0018526, UNCUT).score).toBeCloseTo(850, 3);
  });

  test('gives more points for less risk', () => {
    expect(pointsOf(-Math.LN2, S)).toBeCloseTo(60, 10);
    expect(pointsOf(1, S)).toBeCloseTo(-86.5617024533378, 10);
  });
});

test('another scaling: 600 at 1:19 bad to good, 50 points', () => {
  const other = { ...S, odds: 19, pdo: 50 };
  expect(scoreOfPd(0.05, other).score).toBeCloseTo(600, 10);
  expect(scoreOfPd(1 / 39, other).score).toBeCloseTo(650, 10);
});

test('refuses a scaling upside down', () => {
  expect(scaling.safeParse({ min: 850, max: 300 }).success).toBe(false);
  expect(scaling.safeParse({ pdo: -60 }).success).toBe(false);
});
