/**
 * Fixed point with 44 fractional bits in two sums. One integer sum over 2^27 rows leaves 2^26 steps to a row,
 * too coarse for a gradient that must vanish or for the variance of a heavy-tailed amount; so each value is
 * split into whole 2^-22 and whole 2^-44, and each part is summed by itself, exactly.
 *
 *   q = ⌊x · 2^44 + ½⌋,   high = ⌊q / 2^22⌋,   low = q − high · 2^22 in [0, 2^22)
 *
 * For |x| ≤ 8. The sum of 128 banks' 2^20 rows stays below 2^53 in both.
 */
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** Largest magnitude of one value. */
export const TWO_LIMBS_LIMIT = 8;
const QUANTA = 2 ** 44;
const LIMB = 2 ** 22;

/** Fields `<name>High` and `<name>Low`. */
export function twoLimbFields(name: string, length: number): Field[] {
  const field = { length, scale: 1, rounding: 'nearest' } as const;
  return [
    { ...field, name: `${name}High`, clip: ROWS_MAX * TWO_LIMBS_LIMIT * LIMB },
    { ...field, name: `${name}Low`, clip: ROWS_MAX * LIMB },
  ];
}

/** Sums of one bank's values, to be sent as two fields. */
export class TwoLimbSums {
  private readonly high: Float64Array;
  private readonly low: Float64Array;

  constructor(length: number) {
    this.high = new Float64Array(length);
    this.low = new Float64Array(length);
  }

  /** @param x limited to ±8 */
  add(index: number, x: number): void {
    const within = x > TWO_LIMBS_LIMIT ? TWO_LIMBS_LIMIT : x < -TWO_LIMBS_LIMIT ? -TWO_LIMBS_LIMIT : x;
    const q = Math.floor(within * QUANTA + 0.5);
    const high = Math.floor(q / LIMB);
    this.high[index]! += high;
    this.low[index]! += q - high * LIMB;
  }

  answer(name: string): Record<string, Float64Array> {
    return { [`${name}High`]: this.high, [`${name}Low`]: this.low };
  }
}

/** The values' sum over all banks. */
export function readTwoLimbs(sum: RingSum, name: string): Float64Array {
  const low = sum.numbers(`${name}Low`);
  return sum.numbers(`${name}High`).map((high, i) => (high * LIMB + low[i]!) / QUANTA);
}
