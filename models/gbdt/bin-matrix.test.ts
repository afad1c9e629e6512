import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BinMatrix } from '#models/gbdt/bin-matrix.ts';
import { computeGradients, emptyHistogram, layoutOf } from '#models/gbdt/histogram.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

function featuresOf(bins: readonly number[]) {
  return bins.map((n, index) => ({ index, orderedBins: n - 1, bins: n, monotone: 0 as const }));
}

/** Half the derivative by central difference of the loss in log-odds, and the second derivative likewise. */
test('g and h are the derivatives of the log-loss, in units of 2^-20', () => {
  const loss = (z: number, y: number): number => Math.log(1 + Math.exp(z)) - y * z;
  const logits = Float64Array.of(-4.2, -1.3, 0, 0.7, 2.9, -4.2, -1.3, 0, 0.7, 2.9);
  const bad = Uint8Array.of(0, 0, 0, 0, 0, 1, 1, 1, 1, 1);
  const pairs = new Float64Array(20);
  computeGradients(logits, bad, pairs);
  logits.forEach((z, i) => {
    const e = 1e-4;
    const y = bad[i]!;
    const slope = (loss(z + e, y) - loss(z - e, y)) / (2 * e);
    const curvature = (loss(z + e, y) - 2 * loss(z, y) + loss(z - e, y)) / (e * e);
    expect(pairs[2 * i]! / 2 ** 20).toBeCloseTo(slope, 5);
    expect(Math.floor(pairs[2 * i + 1]! / 2 ** 17) / 2 ** 20).toBeCloseTo(curvature, 5);
    expect(pairs[2 * i + 1]! % 2 ** 17).toBe(1);
  });
});

test('a histogram holds for every feature and bin the sums over the rows given', () => {
  // widths around the step of four, and features larger than a block
  const bins = fc.array(fc.integer({ min: 2, max: 900 }), { minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(bins, fc.integer({ min: 0, max: 200 }), fc.nat(), (widths, count, seed) => {
      const generator = new SeededGenerator('bin-matrix', seed);
      const below = (n: number) => Math.floor(generator.nextUnit() * n);
      // every other feature of the contract is left out of the layout
      const features = featuresOf(widths);
      const drawn = features.filter(({ index }) => index % 2 === 0);
      const columns = widths.map((n) => Uint16Array.from({ length: count }, () => below(n)));
      const logits = Float64Array.from({ length: count }, () => 8 * generator.nextUnit() - 4);
      const bad = Uint8Array.from({ length: count }, () => below(2));
      const rows = Uint32Array.from(Array.from({ length: count }, (_, i) => i).filter(() => below(3) > 0));
      const layout = layoutOf(drawn);
      const histogram = emptyHistogram(layout.cells);
      const matrix = new BinMatrix(features, columns, count);
      const { pairs } = matrix;
      computeGradients(logits, bad, pairs);
      matrix.addRows(histogram, layout, rows);

      const expected = emptyHistogram(layout.cells);
      drawn.forEach(({ index }, f) => {
        for (const row of rows) {
          const cell = layout.offsets[f]! + columns[index]![row]!;
          expected.gradients[cell]! += pairs[2 * row]!;
          expected.hessians[cell]! += (pairs[2 * row + 1]! - 1) / 2 ** 17;
          expected.counts[cell]! += 1;
        }
      });
      expect(histogram).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});

test('more rows than one packed sum can hold, all with the largest h, are summed exactly', () => {
  const rows = 3 * 2 ** 16 + 5;
  const features = featuresOf([2]);
  const matrix = new BinMatrix(features, [new Uint16Array(rows)], rows);
  computeGradients(new Float64Array(rows), new Uint8Array(rows), matrix.pairs);
  const histogram = emptyHistogram(2);
  matrix.addRows(
    histogram,
    layoutOf(features),
    Uint32Array.from({ length: rows }, (_, i) => i),
  );
  expect(histogram.gradients[0]).toBe(rows * 2 ** 19);
  expect(histogram.hessians[0]).toBe(rows * 2 ** 18);
  expect(histogram.counts[0]).toBe(rows);
});
