/** Logarithm of the gamma function (Lanczos 1964, with g = 7 and nine coefficients): relative error about 1e-13. */
import { log } from '#models/arithmetic/exp-log.ts';

const COEFFICIENTS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];
/** ½·ln 2π */
const HALF_LOG_TWO_PI = 0.9189385332046727;

/** ln Γ(x), x > 0. */
export function logGamma(x: number): number {
  if (x < 0.5) return logGamma(x + 1) - log(x);
  const t = x + 6.5;
  let sum = COEFFICIENTS[0]!;
  for (let i = 1; i < COEFFICIENTS.length; i++) sum += COEFFICIENTS[i]! / (x - 1 + i);
  return HALF_LOG_TWO_PI + (x - 0.5) * log(t) - t + log(sum);
}
