/**
 * The distribution functions behind the tests in this folder: regularised incomplete beta, quantiles of chi-square,
 * tails of the normal. Relative errors are about 1e-13.
 */
import { chiSquareTail } from '#models/arithmetic/chi-square.ts';
import { exp, log, log1p } from '#models/arithmetic/exp-log.ts';
import { logGamma } from '#models/arithmetic/log-gamma.ts';

const TINY = 1e-300;
const PRECISION = 1e-15;
const STEPS_MAX = 10_000;

/**
 * I_x(a, b) (Abramowitz & Stegun 26.5.8): regularised incomplete beta, the distribution function of Beta(a, b) at x
 * in [0, 1]; a, b > 0.
 */
export function betaDistribution(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaDistribution(1 - x, b, a); // where the fraction converges slowly
  const front = exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * log(x) + b * log1p(-x));
  const numerator = (step: number): number => {
    const m = Math.floor(step / 2);
    return step % 2 === 0
      ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
      : (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
  };
  return front / (a * continuedFraction(numerator));
}

/** 1 + a₁/(1 + a₂/(1 + …)), by the modified Lentz method. */
function continuedFraction(a: (n: number) => number): number {
  let value = 1;
  let c = 1;
  let d = 0;
  for (let n = 1; n < STEPS_MAX; n++) {
    const an = a(n);
    d = 1 + an * d;
    d = 1 / (d === 0 ? TINY : d);
    c = 1 + an / c;
    if (c === 0) c = TINY;
    value *= c * d;
    if (Math.abs(c * d - 1) < PRECISION) break;
  }
  return value;
}

/** The x with P(X ≤ x) = `probability`, in (0, 1), of a chi-square variable; by bisection. */
export function chiSquareQuantile(probability: number, degrees: number): number {
  let low = 0;
  let high = degrees + 10;
  while (1 - chiSquareTail(high, degrees) < probability) high *= 2;
  for (let i = 0; i < 200 && high - low > 1e-12 * high; i++) {
    const middle = (low + high) / 2;
    if (1 - chiSquareTail(middle, degrees) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(|Z| > |z|) of a standard normal variable: its square is chi-square with one degree of freedom. */
export function twoSidedNormalTail(z: number): number {
  return chiSquareTail(z * z, 1);
}
