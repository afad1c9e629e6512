import { describe, expect, test } from 'vitest';
import { stabilityOf } from '#models/metrics/stability.ts';

describe('stabilityOf', () => {
  test('gives the known indices', () => {
    const tenths = Array<number>(10).fill(1000);
    const drifted = [600, 700, 800, 900, 1000, 1000, 1100, 1200, 1300, 1400];
    expect(stabilityOf(tenths, drifted).psi).toBeCloseTo(0.0625791, 7);
    expect(stabilityOf([25, 25, 25, 25], [100, 200, 300, 400]).psi).toBeCloseTo(0.2282174, 7);
  });

  test.each([
    [100, 100, 0.18, 0.338],
    [200, 1000, 0.054, 0.102],
    [1000, 1000, 0.018, 0.034],
  ])('knows what chance alone gives with %d and %d rows in ten cells', (before, now, noise, limit) => {
    const cells = (rows: number) => Array<number>(10).fill(rows / 10);
    const found = stabilityOf(cells(before), cells(now));
    expect(found.psi).toBe(0);
    expect(found.noise).toBeCloseTo(noise, 3);
    expect(found.noiseLimit).toBeCloseTo(limit, 3);
  });

  test('alerts only beyond both the customary limit and chance', () => {
    const moved = [0.1, 0.2, 0.3, 0.4];
    const of = (rows: number) =>
      stabilityOf(
        Array<number>(4).fill(rows / 4),
        moved.map((s) => s * rows),
      );
    expect(of(10_000).alert).toBe(true);
    expect(of(20).alert).toBe(false); // the same PSI of 0.23, of 20 rows
    expect(stabilityOf([5000, 5000], [5200, 4800]).alert).toBe(false); // real, and of no consequence
  });

  test('is finite when a cell is empty', () => {
    const found = stabilityOf([50, 50, 0], [40, 50, 10]);
    const share = (count: number) => (count + 0.5) / 101.5;
    const cell = (e: number, a: number) => (share(a) - share(e)) * Math.log(share(a) / share(e));
    expect(found.psi).toBeCloseTo(cell(50, 40) + cell(0, 10), 12);
  });
});
