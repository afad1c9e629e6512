/**
 * Features computed from other columns of the same row, by this code in training and in scoring.
 *
 *   ratio        a / b, missing where b is 0
 *   difference   a − b
 *   mean, max, min   over the columns
 *   trend        slope of the least-squares line through the columns, oldest first, one step apart:
 *                Σ (i − m)·xᵢ / Σ (i − m)², m = (n − 1) / 2, in the columns' unit per step
 *
 * A missing input makes the result missing, and so does a result that is not finite.
 */
import { z } from 'zod';

const column = z.string().min(1).max(128);
const pair = z.tuple([column, column]);
const series = z.array(column).min(2).max(60);

export const derivation = z.union([
  z.strictObject({ ratio: pair }),
  z.strictObject({ difference: pair }),
  z.strictObject({ mean: series }),
  z.strictObject({ max: series }),
  z.strictObject({ min: series }),
  z.strictObject({ trend: series }),
]);
export type Derivation = z.infer<typeof derivation>;

/** Names of the columns it reads, in the order `derivedValue` takes them. */
export function derivationColumns(from: Derivation): readonly string[] {
  return Object.values(from)[0]!;
}

/** @param inputs the row's values, NaN where missing (or where a special value stands for one) */
export function derivedValue(from: Derivation, inputs: ArrayLike<number>): number {
  const value = compute(from, inputs);
  return Number.isFinite(value) ? value : Number.NaN;
}

function compute(from: Derivation, x: ArrayLike<number>): number {
  if ('ratio' in from) return x[0]! / x[1]!;
  if ('difference' in from) return x[0]! - x[1]!;
  const n = x.length;
  let value = 'max' in from ? -Infinity : 'min' in from ? Infinity : 0;
  for (let i = 0; i < n; i++) {
    const v = x[i]!;
    if (Number.isNaN(v)) return v;
    if ('max' in from) value = v > value ? v : value;
    else if ('min' in from) value = v < value ? v : value;
    else if ('mean' in from) value += v / n;
    else value += (i - (n - 1) / 2) * v;
  }
  // Σ (i − m)² = n(n² − 1) / 12
  return 'trend' in from ? value / ((n * (n * n - 1)) / 12) : value;
}
