import { expect, test } from 'vitest';
import { chiSquareTail } from '#models/arithmetic/chi-square.ts';

// scipy.stats.chi2.sf of SciPy 1.17
test.each([
  [3.2450332, 8, 0.918052630406977],
  [3.2450332, 10, 0.9750553199284423],
  [3.841458820694124, 1, 0.04999999999999989],
  [0.02, 1, 0.887537083981715],
  [30.5, 1, 3.3386650724801514e-8],
  [12.3, 7, 0.0911148860003131],
  [0.4, 3, 0.9402424948393607],
  [250, 100, 7.76693640353949e-15],
  [900, 2, 3.6938830684871615e-196],
])('the tail of χ² beyond %d with %d degrees of freedom is SciPy’s', (x, degrees, expected) => {
  expect(chiSquareTail(x, degrees) / expected).toBeCloseTo(1, 11);
});

test('nothing lies above infinity, everything above zero', () => {
  expect([chiSquareTail(Infinity, 3), chiSquareTail(0, 3), chiSquareTail(1e6, 1)]).toEqual([0, 1, 0]);
});

test('of what is no number there is no probability', () => {
  expect(chiSquareTail(Number.NaN, 3)).toBeNaN();
});
