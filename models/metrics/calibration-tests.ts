/**
 * Whether PDs are true as probabilities: tests and measures of calibration, from rows or from groups of rows of
 * about the same PD.
 */
import { chiSquareTail } from '#models/arithmetic/chi-square.ts';
import { betaDistribution, twoSidedNormalTail } from '#models/metrics/special-functions.ts';

/** Rows put together by PD: all that a federation needs to know of them. */
export interface PdGroup {
  readonly rows: number;
  readonly bads: number;
  /** Mean predicted PD of the group, in (0, 1). */
  readonly meanPd: number;
}

export interface HosmerLemeshow {
  readonly chiSquare: number;
  readonly degrees: number;
  /** Chance of a larger chi-square if the PDs are right. */
  readonly p: number;
}

/**
 * Hosmer & Lemeshow (1980): χ² = Σ (O − nπ)² / (nπ(1 − π)) over groups of rows that the model was not fitted to, of
 * which each is a degree of freedom. (On the rows of the fit two would be lost.)
 */
export function hosmerLemeshow(groups: readonly PdGroup[]): HosmerLemeshow {
  let chiSquare = 0;
  let degrees = 0;
  for (const { rows, bads, meanPd } of groups) {
    const variance = rows * meanPd * (1 - meanPd);
    if (variance === 0) continue; // an empty group, or PDs of exactly 0 or 1, which say nothing here
    const difference = bads - rows * meanPd;
    chiSquare += (difference * difference) / variance;
    degrees++;
  }
  return { chiSquare, degrees, p: degrees === 0 ? 1 : chiSquareTail(chiSquare, degrees) };
}

/**
 * The supervisors' test of one grade: probability, after seeing `bads` of `rows` and starting from Jeffreys'
 * prior, that the true rate is at most `pd`. Small means the PD is too low.
 *   BetaCDF(pd; bads + ½, rows − bads + ½)
 */
export function jeffreysP(rows: number, bads: number, pd: number): number {
  return betaDistribution(pd, bads + 0.5, rows - bads + 0.5);
}

/**
 * Spiegelhalter (1986): the Brier score as a test, z = Σ(y − p)(1 − 2p) / √Σ(1 − 2p)² p(1 − p), standard normal
 * when the PDs are right. PDs of 0 and 1 that came true say nothing: z is then 0.
 */
export function spiegelhalter(pds: Float64Array, bad: Uint8Array): { z: number; p: number } {
  let numerator = 0;
  let variance = 0;
  pds.forEach((p, i) => {
    const slope = 1 - 2 * p;
    numerator += (bad[i]! - p) * slope;
    variance += slope * slope * p * (1 - p);
  });
  const z = numerator === 0 && variance === 0 ? 0 : numerator / Math.sqrt(variance);
  return { z, p: twoSidedNormalTail(z) };
}

export interface BrierSplit {
  /** Mean squared gap between a group's bad rate and its PD: 0 is perfect. */
  readonly reliability: number;
  /** Mean squared gap between a group's bad rate and the bad rate of all: how much is told apart. */
  readonly resolution: number;
  /** Bad rate × good rate: what is there to know. */
  readonly uncertainty: number;
}

/**
 * Murphy (1973): Brier = reliability − resolution + uncertainty, exactly so when all PDs of a group are equal.
 * @returns NaN throughout when there are no rows
 */
export function brierSplit(groups: readonly PdGroup[]): BrierSplit {
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  const badRate = groups.reduce((sum, group) => sum + group.bads, 0) / rows;
  let reliability = 0;
  let resolution = 0;
  for (const { rows: n, bads, meanPd } of groups) {
    if (n === 0) continue;
    reliability += (n / rows) * (bads / n - meanPd) ** 2;
    resolution += (n / rows) * (bads / n - badRate) ** 2;
  }
  if (rows === 0) [reliability, resolution] = [Number.NaN, Number.NaN];
  return { reliability, resolution, uncertainty: badRate * (1 - badRate) };
}

/** Mean over rows of |bad rate − mean PD| of the row's group; 0 when there are no rows. */
export function expectedCalibrationError(groups: readonly PdGroup[]): number {
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  if (rows === 0) return 0;
  return groups.reduce((sum, { rows: n, bads, meanPd }) => sum + Math.abs(bads - n * meanPd), 0) / rows;
}

/**
 * Rows in ascending PD cut into groups of equal size, equal PDs kept together, so there may be fewer groups.
 * @param wanted usually 10
 */
export function pdGroups(pds: Float64Array, bad: Uint8Array, wanted: number): PdGroup[] {
  const order = Uint32Array.from(pds, (_, i) => i).sort((a, b) => pds[a]! - pds[b]!);
  const groups: PdGroup[] = [];
  let start = 0;
  for (let g = 1; g <= wanted && start < order.length; g++) {
    let end = Math.max(start, Math.round((g * order.length) / wanted));
    while (end > start && end < order.length && pds[order[end]!] === pds[order[end - 1]!]) end++;
    if (end === start) continue;
    let bads = 0;
    let total = 0;
    for (let i = start; i < end; i++) {
      bads += bad[order[i]!]!;
      total += pds[order[i]!]!;
    }
    groups.push({ rows: end - start, bads, meanPd: total / (end - start) });
    start = end;
  }
  return groups;
}
