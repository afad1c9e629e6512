import { describe, expect, test } from 'vitest';
import { rateFactor } from '#models/fedavg/learning-rate.ts';

describe('the local learning rate', () => {
  test('stays what it is unless told otherwise', () => {
    for (const round of [0, 7, 39]) expect(rateFactor({ kind: 'constant' }, round, 40)).toBe(1);
  });

  test.each([0, 0.1, 1])('falls along half a cosine to the share %d', (final) => {
    for (let round = 0; round <= 50; round++) {
      const expected = final + ((1 - final) * (1 + Math.cos((Math.PI * round) / 50))) / 2;
      expect(rateFactor({ kind: 'cosine', final }, round, 50)).toBeCloseTo(expected, 14);
    }
    expect(rateFactor({ kind: 'cosine', final }, 0, 50)).toBe(1);
  });

  test('falls in steps by a factor', () => {
    const factors = Array.from({ length: 8 }, (_, round) =>
      rateFactor({ kind: 'step', every: 3, factor: 0.5 }, round, 8),
    );
    expect(factors).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]);
  });
});
