import { describe, expect, test } from 'vitest';
import { binColumn, binCount, binOf, featureBins } from '#models/preprocessing/bins.ts';
import { dataContract } from '#shared/contract/contract.ts';
import type { Column } from '#shared/contract/table.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'bins',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'months', type: 'number', min: 0, max: 100 },
    { name: 'purpose', type: 'category', categories: ['car', 'house', 'other debt'] },
  ],
});

describe('bins', () => {
  const months = { edges: [3, 10, 24], special: [-1, 10.5] };

  test('an edge belongs to the bin below it, specials and missing come after the ranges', () => {
    const values = [-5, 3, 3.0001, 10, 24, 25, 1e9, -1, 10.5, NaN];
    expect(values.map((x) => binOf(months, x))).toEqual([0, 0, 1, 1, 2, 3, 3, 4, 5, 6]);
    expect(binCount(months)).toBe(7);
  });

  test('count edges below the value, as a plain count does', () => {
    const edges = Array.from({ length: 33 }, (_, i) => i * i - 40);
    for (let x = -60; x < 1100; x += 0.5) {
      expect(binOf({ edges, special: [] }, x)).toBe(edges.filter((e) => e < x).length);
    }
  });

  test('categories keep the order of the contract, then other, then missing', () => {
    const bins = { categories: 3 };
    expect([1, 2, 3, 4, 0].map((code) => binOf(bins, code))).toEqual([0, 1, 2, 3, 4]);
    expect(binCount(bins)).toBe(5);
  });

  test('a column is binned row by row', () => {
    const [number, category] = contract.features;
    const numbers = { feature: number, values: Float64Array.of(NaN, 10, -1) } as unknown as Column;
    const codes = { feature: category, codes: Uint16Array.of(4, 0, 1) } as unknown as Column;
    expect([...binColumn(numbers, months)]).toEqual([6, 1, 4]);
    expect([...binColumn(codes, { categories: 3 })]).toEqual([3, 4, 0]);
  });

  test('a feature without edges has one range', () => {
    expect(binOf({ edges: [], special: [] }, 7)).toBe(0);
    expect(binOf({ edges: [], special: [] }, NaN)).toBe(1);
  });

  test('edges that do not ascend are refused', () => {
    expect(featureBins.safeParse({ edges: [1, 1], special: [] }).success).toBe(false);
    expect(featureBins.safeParse({ edges: [1, 2], special: [] }).success).toBe(true);
    expect(featureBins.safeParse({ categories: 2 }).success).toBe(true);
  });
});
