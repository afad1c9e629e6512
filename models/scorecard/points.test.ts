import { describe, expect, test } from 'vitest';
import { pointsOfGroups } from '#models/scorecard/points.ts';
import { scaling, scoreOfLogit } from '#models/scoring/scaling.ts';
import { KNOWN_SCORES } from '#models/testing/known-scores.ts';

const wide = { ...scaling.parse({}), min: -1e6, max: 1e6 };

describe('points', () => {
  // one characteristic whose groups have these PDs: β₀ = 0, β = 1, weight = log-odds
  test.each(KNOWN_SCORES)('and residual of a group of PD %d are the score %d', (pd, score) => {
    const [{ points, residual }] = pointsOfGroups(
      0,
      [{ coefficient: 1, woe: [Math.log(pd / (1 - pd))] }],
      { method: 'identity' },
      scaling.parse({}),
    ) as [{ points: number[]; residual: number[] }];
    expect(Number.isInteger(points[0])).toBe(true);
    expect(Math.abs(residual[0]!)).toBeLessThanOrEqual(0.5);
    expect(points[0]! + residual[0]!).toBeCloseTo(score, 5);
  });

  const inputs = [
    { coefficient: 0.9, woe: [-0.7, 0.1, 1.2] },
    { coefficient: 1.3, woe: [-0.2, 0.4] },
    { coefficient: 0.4, woe: [-1, 2] },
  ];

  test('of all characteristics add up to the score of the calibrated log-odds', () => {
    const map = { method: 'platt', slope: 0.8, intercept: -0.35 } as const;
    const points = pointsOfGroups(-1.7, inputs, map, wide);
    for (const groups of [
      [0, 0, 0],
      [2, 1, 0],
      [1, 0, 1],
    ]) {
      const z = inputs.reduce((sum, { coefficient, woe }, i) => sum + coefficient * woe[groups[i]!]!, -1.7);
      const score = groups.reduce((sum, g, i) => sum + points[i]!.points[g]! + points[i]!.residual[g]!, 0);
      expect(score).toBeCloseTo(scoreOfLogit(0.8 * z - 0.35, wide).score, 9);
      const rounded = groups.reduce((sum, g, i) => sum + points[i]!.points[g]!, 0);
      expect(Math.abs(rounded - score)).toBeLessThanOrEqual(1.5);
    }
  });

  test('are fewer for riskier groups', () => {
    const [first] = pointsOfGroups(-1.7, inputs, { method: 'identity' }, wide);
    expect(first!.points).toEqual(first!.points.toSorted((a, b) => b - a));
  });

  test('do not exist under a map that is not linear', () => {
    const map = { method: 'isotonic', logits: [0], values: [0] } as const;
    expect(() => pointsOfGroups(0, inputs, { ...map, logits: [0], values: [0] }, wide)).toThrow(RangeError);
  });
});
