/**
 * What banks add up for one Newton round: gradient, information and log-loss of a logistic regression. Each
 * row's part is a whole number of quanta before it is added, so that a sum does not depend on the order of
 * rows or on how they are spread; 128 banks of 2^20 rows stay below 2^53.
 */
import { logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';
import { triangleLength, type LikelihoodSums } from '#models/newton/newton.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import {
  readTwoLimbs,
  TWO_LIMBS_LIMIT,
  twoLimbFields,
  TwoLimbSums,
} from '#models/preprocessing/two-limb-sums.ts';
import type { Answer } from '#models/program.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** Largest magnitude of an input. */
export const REGRESSOR_LIMIT = TWO_LIMBS_LIMIT;
/** The information sets the pace of Newton's method, not where it ends: one limb is enough. */
const INFORMATION_QUANTA = 2 ** 21;
const LOSS_QUANTA = 2 ** 20;
/** A larger loss of one row counts as this. */
const LOSS_LIMIT = 32;

export interface ReadSums extends LikelihoodSums {
  readonly logLoss: number;
  /** By how much rounding alone can make `logLoss` differ between two points, for so many rows. */
  readonly logLossGrain: number;
}

/** @param size number of coefficients, the intercept included */
export function likelihoodFields(size: number): Field[] {
  const field = { scale: 1, rounding: 'nearest' } as const;
  const perRow = (REGRESSOR_LIMIT * REGRESSOR_LIMIT) / 4; // p (1 − p) is at most ¼
  return [
    ...twoLimbFields('gradient', size),
    {
      ...field,
      name: 'information',
      length: triangleLength(size),
      clip: ROWS_MAX * perRow * INFORMATION_QUANTA,
    },
    { ...field, name: 'logLoss', length: 1, clip: ROWS_MAX * LOSS_LIMIT * LOSS_QUANTA },
  ];
}

/** @param rows behind the sum */
export function readLikelihood(sum: RingSum, rows: number): ReadSums {
  return {
    gradient: readTwoLimbs(sum, 'gradient'),
    information: sum.numbers('information').map((q) => q / INFORMATION_QUANTA),
    logLoss: sum.number('logLoss') / LOSS_QUANTA,
    logLossGrain: rows / LOSS_QUANTA,
  };
}

/** Inside a bank: the sums of its own rows. */
export class LikelihoodAccumulator {
  private readonly size: number;
  private readonly gradient: TwoLimbSums;
  private readonly information: Float64Array;
  private logLoss = 0;
  /** Indices of the row's inputs that are not zero: of one-hot inputs nearly all are. */
  private readonly used: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.gradient = new TwoLimbSums(size);
    this.information = new Float64Array(triangleLength(size));
    this.used = new Uint32Array(size);
  }

  /**
   * @param x the row's inputs, a leading 1 for the intercept, within ±8
   * @param y 1 bad, 0 good
   */
  add(x: Float64Array, coefficients: readonly number[], y: number): void {
    const { size, used, information } = this;
    let count = 0;
    let z = 0;
    for (let j = 0; j < size; j++) {
      if (x[j] === 0) continue;
      used[count++] = j;
      z += coefficients[j]! * x[j]!;
    }
    const p = sigmoid(z);
    const weight = p * (1 - p) * INFORMATION_QUANTA;
    for (let a = 0; a < count; a++) {
      const j = used[a]!;
      this.gradient.add(j, (y - p) * x[j]!);
      const weighted = weight * x[j]!;
      const start = j * size - (j * (j - 1)) / 2 - j; // entry (j, k) of the triangle is at start + k
      for (let b = a; b < count; b++) {
        const k = used[b]!;
        information[start + k]! += Math.floor(weighted * x[k]! + 0.5);
      }
    }
    this.logLoss += Math.floor(Math.min(LOSS_LIMIT, logLossOf(z, y)) * LOSS_QUANTA + 0.5);
  }

  answer(): Answer {
    const { information, logLoss } = this;
    return { ...this.gradient.answer('gradient'), information, logLoss: Float64Array.of(logLoss) };
  }
}
