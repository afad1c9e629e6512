/**
 * Population stability index: how far the distribution of a score or of a feature has moved from a reference.
 *
 *   PSI = Σ (a_i − e_i) ln(a_i / e_i)
 *
 * Even without any drift it is not 0: it is then about (k − 1)(1/N + 1/M) for k cells of N and M rows, and in
 * 95 % of samples below χ²_{.95, k−1}(1/N + 1/M). The customary limits of 0.1 and 0.25 know nothing of that, so
 * an alert needs both: beyond 0.1, and beyond what chance explains.
 */
import { chiSquareQuantile } from '#models/metrics/special-functions.ts';

const ALERT_ABOVE = 0.1;
/** Added to every cell of both when a cell of either is empty: the logarithm needs both. */
const SMOOTHING = 0.5;

export interface Stability {
  readonly psi: number;
  /** What the PSI is on average without drift. */
  readonly noise: number;
  /** What it exceeds in 5 % of samples without drift. */
  readonly noiseLimit: number;
  readonly alert: boolean;
}

/**
 * @param expected rows of each cell in the reference
 * @param actual rows of each cell now, as many cells
 */
export function stabilityOf(expected: readonly number[], actual: readonly number[]): Stability {
  const added = expected.includes(0) || actual.includes(0) ? SMOOTHING : 0;
  const cells = expected.length;
  const [before, now] = [expected, actual].map((counts) => counts.reduce((a, b) => a + b, 0)) as [
    number,
    number,
  ];
  const psi = expected.reduce((sum, count, i) => {
    const e = (count + added) / (before + added * cells);
    const a = (actual[i]! + added) / (now + added * cells);
    return sum + (a - e) * Math.log(a / e);
  }, 0);
  const spread = 1 / before + 1 / now;
  const noiseLimit = cells > 1 ? chiSquareQuantile(0.95, cells - 1) * spread : 0;
  return {
    psi,
    noise: (cells - 1) * spread,
    noiseLimit,
    alert: psi > ALERT_ABOVE && psi > noiseLimit,
  };
}
