import { describe, expect, test } from 'vitest';
import { liftTable } from '#models/metrics/lift.ts';

describe('liftTable', () => {
  test('is what is counted by hand, riskiest first', () => {
    const scores = Float64Array.of(0.05, 0.1, 0.15, 0.2, 0.35, 0.36, 0.4, 0.6, 0.8, 0.3);
    const bad = Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 1, 1, 0);
    const table = liftTable(scores, bad, 5);
    expect(table.map((row) => row.bads)).toEqual([2, 0, 1, 1, 0]);
    expect(table.map((row) => row.captured)).toEqual([0.5, 0.5, 0.75, 1, 1]);
    expect(table[0]).toMatchObject({ population: 0.2, rows: 2, badRate: 1, lift: 2.5 });
    expect(table[2]!.lift).toBeCloseTo(0.5 / 0.4, 12);
  });

  test('shares rows of one score out in proportion, in whatever order they come', () => {
    const scores = Float64Array.of(1, 1, 1, 0);
    const one = liftTable(scores, Uint8Array.of(1, 0, 0, 0), 2);
    expect(one.map((row) => row.bads)).toEqual([2 / 3, 1 / 3]);
    expect(liftTable(scores, Uint8Array.of(0, 0, 1, 0), 2)).toEqual(one);
  });

  test('loses no bad when groups do not divide the rows, and is empty without bads', () => {
    const scores = Float64Array.from({ length: 11 }, (_, i) => i % 4);
    const bad = Uint8Array.from({ length: 11 }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const table = liftTable(scores, bad, 10);
    expect(table.reduce((sum, row) => sum + row.bads, 0)).toBeCloseTo(4, 12);
    expect(table.at(-1)!.captured).toBeCloseTo(1, 12);
    expect(liftTable(scores, new Uint8Array(11), 10)).toEqual([]);
  });
});
