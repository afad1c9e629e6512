/**
 * Points of a scorecard. Odds are good to bad; a score is
 *
 *   Score = A − B·z,   B = pdo / ln 2,   A = score − B·ln(odds),   z = calibrated log-odds of bad
 *
 * and z = slope·(β₀ + Σ βᵢ·WOEᵢ) + intercept, so that with n characteristics each of their groups has
 *
 *   (A − B·(slope·β₀ + intercept)) / n − B·slope·βᵢ·WOEᵢ(group)
 *
 * points: published as the nearest whole number, with what the rounding left. Points and residuals add up to
 * the score; points alone miss it by up to n / 2.
 */
import type { CalibrationMap } from '#models/evaluation/calibration-map.ts';
import { pointsPerLogOdds, scoreAtEvenOdds, type Scaling } from '#models/scoring/scaling.ts';

export interface Points {
  /** Whole, one for each group. */
  readonly points: readonly number[];
  /** In [−½, ½): exact points are points + residual. */
  readonly residual: readonly number[];
}

/**
 * @param inputs of each characteristic, its coefficient and the weight of each group
 * @throws RangeError for an isotonic map, under which points do not add up
 */
export function pointsOfGroups(
  intercept: number,
  inputs: readonly { readonly coefficient: number; readonly woe: readonly number[] }[],
  map: CalibrationMap,
  scaling: Scaling,
): Points[] {
  if (map.method === 'isotonic') throw new RangeError('points need a linear calibration');
  const slope = map.method === 'platt' ? map.slope : 1;
  const shift = map.method === 'platt' ? map.intercept : 0;
  const factor = pointsPerLogOdds(scaling);
  const offset = scoreAtEvenOdds(scaling);
  const base = (offset - factor * (slope * intercept + shift)) / inputs.length;
  return inputs.map(({ coefficient, woe }) => {
    const exact = woe.map((w) => base - factor * slope * coefficient * w);
    const points = exact.map((x) => Math.floor(x + 0.5));
    return { points, residual: exact.map((x, g) => x - points[g]!) };
  });
}
