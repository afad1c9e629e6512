import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactMetrics } from '#models/metrics/exact-metrics.ts';
import { discriminationOf, scoreBin } from '#models/metrics/score-histogram.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

function histogramsOf(logits: Float64Array, labels: Uint8Array, bins: number) {
  const bad = new Float64Array(bins);
  const good = new Float64Array(bins);
  logits.forEach((logit, i) => {
    (labels[i] === 1 ? bad : good)[scoreBin(logit, bins)]! += 1;
  });
  return { bad, good };
}

describe('scoreBin', () => {
  test.each([
    [-8, 0],
    [-7.961, 0],
    [-7.959, 1],
    [-0.001, 199],
    [0, 200],
    [0.039, 200],
    [0.041, 201],
    [7.999, 399],
    [8, 399],
    [-1000, 0],
    [1000, 399],
    [-Infinity, 0],
    [Infinity, 399],
  ])('puts log-odds of %d into bin %d of 400 over ±8', (logit, bin) => {
    expect(scoreBin(logit, 400)).toBe(bin);
  });

  test('has the middle of every bin in that bin', () => {
    for (let bin = 0; bin < 100; bin++) expect(scoreBin(((bin + 0.5) / 100) * 16 - 8, 100)).toBe(bin);
  });

  test('never puts a higher score into a lower bin', () => {
    const any = fc.double({ min: -12, max: 12, noNaN: true });
    fc.assert(
      fc.property(any, any, fc.integer({ min: 1, max: 1000 }), (a, b, bins) => {
        expect(scoreBin(Math.min(a, b), bins)).toBeLessThanOrEqual(scoreBin(Math.max(a, b), bins));
      }),
    );
  });
});

describe('discriminationOf', () => {
  test('gives what is computed by hand for two bins', () => {
    // bads 1, 2 and goods 3, 1: pairs 1·(0 + 3/2) + 2·(3 + 1/2) = 8.5 of 12, tied 1·3 + 2·1 = 5
    const found = discriminationOf(Float64Array.of(1, 2), Float64Array.of(3, 1))!;
    expect(found.auc).toBeCloseTo(8.5 / 12, 12);
    expect(found.aucError).toBeCloseTo(5 / 24, 12);
    expect(found.ks).toBeCloseTo(3 / 4 - 1 / 3, 12);
    expect(found.ksUpper).toBeCloseTo(3 / 4, 12); // if all goods of the first bin precede its bad
  });

  test('sees bads that precede goods inside a bin, too', () => {
    const found = discriminationOf(Float64Array.of(3, 1), Float64Array.of(1, 2))!;
    expect(found.ksUpper).toBeCloseTo(3 / 4, 12);
    expect(found.auc).toBeCloseTo(1 - 8.5 / 12, 12);
  });

  test('is exact when no bin holds both classes', () => {
    const found = discriminationOf(Float64Array.of(0, 2, 0, 3), Float64Array.of(4, 0, 1, 0))!;
    expect(found).toEqual({ auc: 1 - 2 / 25, aucError: 0, ks: 0.8, ksUpper: 0.8 });
  });

  test('does not exist where a class is empty', () => {
    expect(discriminationOf(Float64Array.of(0, 0), Float64Array.of(1, 2))).toBeUndefined();
    expect(discriminationOf(Float64Array.of(1, 2), Float64Array.of(0, 0))).toBeUndefined();
    expect(discriminationOf(new Float64Array(0), new Float64Array(0))).toBeUndefined();
  });

  test('encloses the exact AUC and KS of any scores, in any number of bins', () => {
    const cases = fc.record({
      rows: fc.integer({ min: 2, max: 400 }),
      bins: fc.constantFrom(1, 2, 10, 100, 400),
      badRate: fc.constantFrom(0.03, 0.2, 0.5),
      separation: fc.double({ min: -2, max: 3, noNaN: true }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(cases, ({ rows, bins, badRate, separation, seed }) => {
        const generator = new SeededGenerator('scores', seed);
        const labels = Uint8Array.from({ length: rows }, () => (generator.nextUnit() < badRate ? 1 : 0));
        fc.pre(labels.includes(0) && labels.includes(1));
        const logits = Float64Array.from(labels, (bad) => 8 * generator.nextUnit() - 6 + bad * separation);
        const { bad, good } = histogramsOf(logits, labels, bins);
        const found = discriminationOf(bad, good)!;
        const exact = exactMetrics(logits, labels);
        expect(Math.abs(found.auc - exact.auc)).toBeLessThanOrEqual(found.aucError + 1e-12);
        expect(exact.ks).toBeGreaterThanOrEqual(found.ks - 1e-12);
        expect(exact.ks).toBeLessThanOrEqual(found.ksUpper + 1e-12);
      }),
      { numRuns: 300 },
    );
  });

  test('has bounds that are reached: within one bin either order of the classes is possible', () => {
    const labels = Uint8Array.of(1, 1, 0, 0, 0);
    for (const direction of [1, -1]) {
      const logits = Float64Array.from(labels, (_, i) => direction * 0.001 * (i + 1));
      const { bad, good } = histogramsOf(logits, labels, 1);
      const found = discriminationOf(bad, good)!;
      const exact = exactMetrics(logits, labels);
      expect(Math.abs(found.auc - exact.auc)).toBeCloseTo(found.aucError, 12);
      expect(exact.ks).toBeCloseTo(found.ksUpper, 12);
    }
  });
});
