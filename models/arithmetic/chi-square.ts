/**
 * The upper tail of the χ² distribution, by the regularised incomplete gamma function Q(degrees / 2, x / 2):
 * its power series below the mean, Lentz's continued fraction above (Press et al. 2007, section 6.2). For
 * p-values that enter artefacts; relative error about 1e-13.
 */
import { exp, log } from '#models/arithmetic/exp-log.ts';
import { logGamma } from '#models/arithmetic/log-gamma.ts';

const TERMS_MAX = 10_000;
const ENOUGH = 1e-16;

/**
 * P(χ² ≥ x), NaN of NaN. With one degree of freedom and x = z², the two-sided tail of the normal distribution.
 * @param degrees whole number, 1 or more
 */
export function chiSquareTail(x: number, degrees: number): number {
  if (Number.isNaN(x)) return x;
  if (x <= 0) return 1;
  if (x === Infinity) return 0;
  const a = degrees / 2;
  const half = x / 2;
  const front = exp(a * log(half) - half - logGamma(a));
  return half < a + 1 ? 1 - front * lowerSeries(a, half) : front * upperFraction(a, half);
}

/** Σ x^k / (a (a + 1) … (a + k)) */
function lowerSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let k = 1; k < TERMS_MAX && term > sum * ENOUGH; k++) {
    term *= x / (a + k);
    sum += term;
  }
  return sum;
}

/** 1 / (x + 1 − a − 1(1 − a) / (x + 3 − a − 2(2 − a) / (x + 5 − a − …))) */
function upperFraction(a: number, x: number): number {
  let b = x + 1 - a;
  let c = Infinity;
  let d = 1 / b;
  let value = d;
  for (let k = 1; k < TERMS_MAX; k++) {
    const numerator = -k * (k - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    const change = c * d;
    value *= change;
    if (change - 1 < ENOUGH && 1 - change < ENOUGH) break;
  }
  return value;
}
