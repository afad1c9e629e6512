/** How sure an AUC is: from the scores themselves, or from the numbers of bads and goods alone. */
import { twoSidedNormalTail } from '#models/metrics/special-functions.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Two-sided 95 % of a normal. */
const Z_95 = 1.959963984540054;

export interface AucInterval {
  readonly auc: number;
  readonly variance: number;
  /** Two-sided 95 % normal interval, cut to [0, 1]. */
  readonly low: number;
  readonly high: number;
}

/**
 * DeLong, DeLong & Clarke-Pearson (1988): the variance of the AUC as a U-statistic, ties counted half; by
 * midranks as in Sun & Xu (2014), so it sorts three times and compares no pairs.
 *
 *   var = S_bad / B + S_good / G,  S the sample variances of the shares each bad and each good wins
 *
 * Where every bad outranks every good the variance is 0 and says nothing: then the interval is that of a share which
 * was 1 in so many trials as there are rows of the rarer class (Clopper & Pearson 1934).
 *
 * @param scores higher means riskier, one a row
 * @param bad 1 or 0, one a row
 * @throws FederationError DATA_SOURCE with fewer than two bads or two goods: then there is no variance
 */
export function delongInterval(scores: Float64Array, bad: Uint8Array): AucInterval {
  const { wonByBads, lostByGoods } = placements(scores, bad);
  const auc = mean(wonByBads);
  const variance = varianceOfMean(wonByBads) + varianceOfMean(lostByGoods);
  const perfect = 0.025 ** (1 / Math.min(wonByBads.length, lostByGoods.length));
  if (auc === 1) return { auc, variance, low: perfect, high: 1 };
  if (auc === 0) return { auc, variance, low: 0, high: 1 - perfect };
  const half = Z_95 * Math.sqrt(variance);
  return { auc, variance, low: Math.max(0, auc - half), high: Math.min(1, auc + half) };
}

export interface AucDifference {
  /** AUC of the first less that of the second. */
  readonly difference: number;
  /** Two-sided 95 % normal interval. */
  readonly low: number;
  readonly high: number;
  /** Chance of a larger difference, either way, if they rank equally well. */
  readonly p: number;
}

/**
 * Two models on the same rows, whose scores go together: DeLong, DeLong & Clarke-Pearson (1988), section 3.
 * @param a,b scores, one a row, in the same order
 * @throws FederationError DATA_SOURCE as `delongInterval`
 */
export function delongDifference(a: Float64Array, b: Float64Array, bad: Uint8Array): AucDifference {
  const [first, second] = [placements(a, bad), placements(b, bad)];
  const difference = mean(first.wonByBads) - mean(second.wonByBads);
  const minus = (x: Float64Array, y: Float64Array): Float64Array => x.map((v, i) => v - y[i]!);
  const won = minus(first.wonByBads, second.wonByBads);
  const lost = minus(first.lostByGoods, second.lostByGoods);
  const deviation = Math.sqrt(varianceOfMean(won) + varianceOfMean(lost));
  const p = difference === 0 ? 1 : twoSidedNormalTail(difference / deviation);
  return { difference, low: difference - Z_95 * deviation, high: difference + Z_95 * deviation, p };
}

/** The share of goods that each bad outranks, and of bads that outrank each good. */
function placements(
  scores: Float64Array,
  bad: Uint8Array,
): { wonByBads: Float64Array; lostByGoods: Float64Array } {
  const bads = scores.filter((_, i) => bad[i] === 1);
  const goods = scores.filter((_, i) => bad[i] !== 1);
  if (bads.length < 2 || goods.length < 2) {
    throw new FederationError(
      'DATA_SOURCE',
      `expected two bads and two goods or more, got ${bads.length} and ${goods.length}`,
    );
  }
  const joint = midranks(bads, goods);
  const ownBad = midranks(bads);
  const ownGood = midranks(goods);
  const wonByBads = bads.map((_, i) => (joint[i]! - ownBad[i]!) / goods.length);
  const lostByGoods = goods.map((_, j) => 1 - (joint[bads.length + j]! - ownGood[j]!) / bads.length);
  return { wonByBads, lostByGoods };
}

/** Ranks from 1 of all values together, in the order given; equal values share the mean of their ranks. */
function midranks(...parts: readonly Float64Array[]): Float64Array {
  const values = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start + 1; // a NaN equals nothing, itself included
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) ranks[order[i]!] = (start + end + 1) / 2;
    start = end;
  }
  return ranks;
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the mean of values. */
function varianceOfMean(values: Float64Array): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return squares / (values.length - 1) / values.length;
}

/**
 * Half the 95 % interval of an AUC known from sums only: Hanley & McNeil (1982), which supposes exponential
 * score distributions. Says how many rows a comparison of models needs.
 * @returns no finite number when one of the classes is empty: there is no AUC then
 */
export function aucHalfWidth(auc: number, bads: number, goods: number): number {
  // as in `delongInterval`: of a perfect ranking the formula makes no width at all
  if (auc === 1 || auc === 0) return 1 - 0.025 ** (1 / Math.min(bads, goods));
  const badPairs = auc / (2 - auc);
  const goodPairs = (2 * auc * auc) / (1 + auc);
  const variance =
    (auc * (1 - auc) + (bads - 1) * (badPairs - auc * auc) + (goods - 1) * (goodPairs - auc * auc)) /
    (bads * goods);
  return Z_95 * Math.sqrt(variance);
}
