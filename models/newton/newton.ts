/**
 * Logistic regression by Newton's method on summed derivatives of the log-likelihood:
 *
 *   gradient  g = Σ (y − p) x,   information  H = Σ p (1 − p) x xᵀ,   x₀ = 1
 *   step      (H + Λ) δ = g − Λ β,   Λ = ridge on the diagonal, 0 for the intercept
 *
 * Each bank adds up its own rows' parts; the step is the same as with all rows in one place. Standard errors
 * are the roots of the diagonal of (H + Λ)⁻¹ (McCullagh and Nelder 1989, section 4.4).
 */
import { chiSquareTail } from '#models/arithmetic/chi-square.ts';

export interface LikelihoodSums {
  /** Length d + 1, the intercept first. */
  readonly gradient: Float64Array;
  /** The upper triangle, row by row: (0,0), (0,1), …, (0,d), (1,1), …; length (d + 1)(d + 2) / 2. */
  readonly information: Float64Array;
}

export type NewtonStep =
  | {
      readonly kind: 'step';
      readonly step: readonly number[];
      /** By how much the penalised log-likelihood would rise along the whole step, were it linear. */
      readonly rise: number;
    }
  /** These inputs (1 …, ascending) are linear functions of those before them, on these rows. */
  | { readonly kind: 'collinear'; readonly inputs: readonly number[] };

/** Share of a variance that must be left after the inputs before it: a variance inflation of a million. */
const PIVOT_MIN = 1e-6;
/** Where rows are nearly separable, or far from the maximum, a full step overshoots. */
const STEP_MAX = 3;

export function triangleLength(size: number): number {
  return (size * (size + 1)) / 2;
}

export function newtonStep(
  { gradient, information }: LikelihoodSums,
  coefficients: readonly number[],
  ridge: number,
): NewtonStep {
  const size = gradient.length;
  const matrix = symmetric(information, size, ridge);
  const factor = cholesky(matrix, size);
  if (Array.isArray(factor)) return { kind: 'collinear', inputs: factor };
  const target = Float64Array.from(gradient, (g, j) => g - (j === 0 ? 0 : ridge * coefficients[j]!));
  const step = solve(factor, target, size);
  const largest = step.reduce((max, s) => Math.max(max, Math.abs(s)), 0);
  const share = largest > STEP_MAX ? STEP_MAX / largest : 1;
  const taken = [...step].map((s) => s * share);
  return { kind: 'step', step: taken, rise: taken.reduce((sum, s, j) => sum + s * target[j]!, 0) };
}

/**
 * How much of a step to take after `tried` of it (1 is all) has made the objective (penalised log-loss) larger:
 * where the parabola through what is known has its least value, within a tenth to a half of what was tried.
 * @param increase of the objective at what was tried, above zero
 * @param rise as `newtonStep` gave it
 */
export function shorterStep(tried: number, increase: number, rise: number): number {
  const least = (rise * tried * tried) / (2 * (increase + rise * tried));
  return Math.max(0.1 * tried, Math.min(0.5 * tried, least));
}

export interface Inference {
  readonly standardError: number;
  /** Coefficient over its standard error. */
  readonly wald: number;
  /** Two-sided, from the normal distribution. */
  readonly p: number;
  /**
   * Variance inflation: the variance of the coefficient over what it would be if its input were uncorrelated
   * with the others, under the weights p (1 − p). 1 or more without a ridge; 0 for the intercept.
   */
  readonly vif: number;
}

/**
 * One for each coefficient, the intercept first.
 * @param information at the coefficients
 * @throws RangeError when an input is collinear; `newtonStep` finds that out before
 */
export function inference(
  information: Float64Array,
  coefficients: readonly number[],
  ridge: number,
): Inference[] {
  const size = coefficients.length;
  const matrix = symmetric(information, size, ridge);
  const factor = cholesky(matrix, size);
  if (Array.isArray(factor)) throw new RangeError(`input ${factor[0]} is collinear`);
  return coefficients.map((coefficient, j) => {
    const unit = new Float64Array(size);
    unit[j] = 1;
    const variance = solve(factor, unit, size)[j]!;
    const standardError = Math.sqrt(variance);
    const wald = coefficient / standardError;
    const crossed = matrix[j]!; // entry (0, j): rows are `size` long
    const alone = matrix[j * size + j]! - (crossed * crossed) / matrix[0]!;
    return { standardError, wald, p: chiSquareTail(wald * wald, 1), vif: j === 0 ? 0 : variance * alone };
  });
}

/**
 * Where to begin without one input: the greatest likelihood with its coefficient at 0, by the parabola around
 * the coefficients of the fit with it. β' = β − v · βᵢ / vᵢ with v = (H + Λ)⁻¹ eᵢ, entry i left out.
 * @param index of the coefficient, 1 or more
 * @throws RangeError when an input is collinear
 */
export function withoutInput(
  information: Float64Array,
  coefficients: readonly number[],
  index: number,
  ridge: number,
): number[] {
  const size = coefficients.length;
  const factor = cholesky(symmetric(information, size, ridge), size);
  if (Array.isArray(factor)) throw new RangeError(`input ${factor[0]} is collinear`);
  const unit = new Float64Array(size);
  unit[index] = 1;
  const v = solve(factor, unit, size);
  const share = coefficients[index]! / v[index]!;
  return coefficients.map((c, j) => c - v[j]! * share).filter((_, j) => j !== index);
}

/** The full matrix, row-major, with the ridge on its diagonal. */
function symmetric(triangle: Float64Array, size: number, ridge: number): Float64Array {
  const matrix = new Float64Array(size * size);
  let at = 0;
  for (let j = 0; j < size; j++) {
    for (let k = j; k < size; k++) {
      const value = triangle[at++]! + (j === k && j > 0 ? ridge : 0);
      matrix[j * size + k] = value;
      matrix[k * size + j] = value;
    }
  }
  return matrix;
}

/**
 * L with L Lᵀ = matrix, row-major.
 * @returns the indices of the rows that depend on those before them, when there are any
 */
function cholesky(matrix: Float64Array, size: number): Float64Array | number[] {
  const factor = new Float64Array(size * size);
  const dependent: number[] = [];
  for (let j = 0; j < size; j++) {
    let pivot = matrix[j * size + j]!;
    for (let i = 0; i < j; i++) pivot -= factor[j * size + i]! * factor[j * size + i]!;
    if (!(pivot > PIVOT_MIN * matrix[j * size + j]!)) {
      dependent.push(j); // its column stays 0, as if it were not there
      continue;
    }
    const root = Math.sqrt(pivot);
    factor[j * size + j] = root;
    for (let k = j + 1; k < size; k++) {
      let rest = matrix[k * size + j]!;
      for (let i = 0; i < j; i++) rest -= factor[k * size + i]! * factor[j * size + i]!;
      factor[k * size + j] = rest / root;
    }
  }
  return dependent.length > 0 ? dependent : factor;
}

/** x with L Lᵀ x = target. */
function solve(factor: Float64Array, target: Float64Array, size: number): Float64Array {
  const x = Float64Array.from(target);
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < j; i++) x[j]! -= factor[j * size + i]! * x[i]!;
    x[j]! /= factor[j * size + j]!;
  }
  for (let j = size - 1; j >= 0; j--) {
    for (let i = j + 1; i < size; i++) x[j]! -= factor[i * size + j]! * x[i]!;
    x[j]! /= factor[j * size + j]!;
  }
  return x;
}
