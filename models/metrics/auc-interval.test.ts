import { describe, expect, test } from 'vitest';
import { aucHalfWidth, delongDifference, delongInterval } from '#models/metrics/auc-interval.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

/** Straight from the definition: every bad against every good. */
function delongByPairs(scores: Float64Array, bad: Uint8Array): { auc: number; variance: number } {
  const bads = [...scores].filter((_, i) => bad[i] === 1);
  const goods = [...scores].filter((_, i) => bad[i] === 0);
  const wins = (x: number, y: number) => (x > y ? 1 : x === y ? 0.5 : 0);
  const mean = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
  const variance = (xs: number[]) => xs.reduce((a, x) => a + (x - mean(xs)) ** 2, 0) / (xs.length - 1);
  const ofBads = bads.map((x) => mean(goods.map((y) => wins(x, y))));
  const ofGoods = goods.map((y) => mean(bads.map((x) => wins(x, y))));
  return { auc: mean(ofBads), variance: variance(ofBads) / bads.length + variance(ofGoods) / goods.length };
}

describe('delongInterval', () => {
  test('gives the known variance of ten applicants, two of the same PD', () => {
    const pds = Float64Array.of(0.05, 0.1, 0.15, 0.2, 0.35, 0.35, 0.4, 0.6, 0.8, 0.3);
    const found = delongInterval(pds, Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 1, 1, 0));
    expect(found.auc).toBeCloseTo(0.7708333, 7);
    expect(found.variance).toBeCloseTo(0.0314236, 7);
    expect(found.low).toBeCloseTo(0.7708333 - 1.959964 * Math.sqrt(0.0314236), 6);
    expect(found.high).toBe(1);
  });

  test('agrees with comparing all pairs, with many ties and unequal classes', () => {
    const generator = new SeededGenerator('delong test');
    for (const rows of [7, 40, 150]) {
      const bad = Uint8Array.from({ length: rows }, (_, i) =>
        i < 2 || (i > 3 && generator.nextUnit() < 0.2) ? 1 : 0,
      );
      const scores = Float64Array.from(bad, (y) => Math.floor(8 * generator.nextUnit()) + y);
      const found = delongInterval(scores, bad);
      const expected = delongByPairs(scores, bad);
      expect(found.auc).toBeCloseTo(expected.auc, 12);
      expect(found.variance).toBeCloseTo(expected.variance, 12);
    }
  });

  test('of a perfect ranking has a width: 30 of 30 may be 88 % (Clopper and Pearson 1934)', () => {
    const bad = Uint8Array.from({ length: 330 }, (_, i) => (i < 30 ? 1 : 0));
    const scores = Float64Array.from(bad, (y, i) => y * 1000 + i);
    const { auc, low, high } = delongInterval(scores, bad);
    expect([auc, high]).toEqual([1, 1]);
    expect(low).toBeCloseTo(0.8843, 4);
    expect(
      delongInterval(
        scores.map((x) => -x),
        bad,
      ).high,
    ).toBeCloseTo(1 - 0.8843, 4);
    expect(aucHalfWidth(1, 30, 300)).toBeCloseTo(1 - 0.8843, 4);
  });

  test('refuses a class of one: there is no variance to speak of', () => {
    expect(() => delongInterval(Float64Array.of(1, 2, 3), Uint8Array.of(1, 0, 0))).toThrow(
      expect.objectContaining({ code: 'DATA_SOURCE' }),
    );
  });
});

describe('delongDifference', () => {
  /** The variance from the covariance matrix of the two AUCs, as the paper has it. */
  function byMatrix(
    a: Float64Array,
    b: Float64Array,
    bad: Uint8Array,
  ): { difference: number; variance: number } {
    const rows = [...bad.keys()];
    const [bads, goods] = [1, 0].map((y) => rows.filter((i) => bad[i] === y)) as [number[], number[]];
    const wins = (x: number, y: number) => (x > y ? 1 : x === y ? 0.5 : 0);
    const mean = (xs: number[]) => xs.reduce((s, x) => s + x, 0) / xs.length;
    const covariance = (x: number[], y: number[]) =>
      x.reduce((s, v, i) => s + (v - mean(x)) * (y[i]! - mean(y)), 0) / (x.length - 1) / x.length;
    const parts = [a, b].map((s) => ({
      won: bads.map((i) => mean(goods.map((j) => wins(s[i]!, s[j]!)))),
      lost: goods.map((j) => mean(bads.map((i) => wins(s[i]!, s[j]!)))),
    }));
    const s = (i: number, j: number) =>
      covariance(parts[i]!.won, parts[j]!.won) + covariance(parts[i]!.lost, parts[j]!.lost);
    return {
      difference: mean(parts[0]!.won) - mean(parts[1]!.won),
      variance: s(0, 0) + s(1, 1) - 2 * s(0, 1),
    };
  }

  test('has the variance of two AUCs that go together', () => {
    const generator = new SeededGenerator('two models');
    const bad = Uint8Array.from({ length: 120 }, (_, i) => (i % 5 === 0 ? 1 : 0));
    const a = Float64Array.from(bad, (y) => Math.floor(10 * generator.nextUnit()) + 2 * y);
    const b = a.map((x) => x + Math.floor(6 * generator.nextUnit()));
    const { difference, low, high, p } = delongDifference(a, b, bad);
    const expected = byMatrix(a, b, bad);
    expect(difference).toBeCloseTo(expected.difference, 12);
    expect((high - low) / 2 / 1.959963984540054).toBeCloseTo(Math.sqrt(expected.variance), 12);
    const z = expected.difference / Math.sqrt(expected.variance);
    expect(p > 0.05).toBe(Math.abs(z) < 1.959963984540054);
    expect(delongDifference(b, a, bad)).toMatchObject({ difference: -difference, low: -high, high: -low, p });
  });

  test('is none between a model and itself', () => {
    const scores = Float64Array.of(1, 2, 3, 4, 5);
    const bad = Uint8Array.of(0, 1, 0, 1, 0);
    expect(delongDifference(scores, scores, bad)).toEqual({ difference: 0, low: 0, high: 0, p: 1 });
  });
});

describe('aucHalfWidth', () => {
  test.each([
    [1000, 0.102],
    [10_000, 0.032],
    [50_000, 0.014],
  ])('of AUC 0.75 with 3 %% bads among %d rows is %d', (rows, half) => {
    expect(aucHalfWidth(0.75, 0.03 * rows, 0.97 * rows)).toBeCloseTo(half, 3);
  });
});
