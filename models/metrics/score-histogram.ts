/**
 * AUC and KS from summed score histograms: what a federation can know without anybody showing a score.
 * Bins ascend with the score; a bin holds b_i bads and g_i goods, B and G in all.
 *
 *   AUC_h = Σ b_i (Σ_{j<i} g_j + g_i / 2) / (B·G),   |AUC − AUC_h| ≤ Σ b_i g_i / (2·B·G)
 *   KS lies between the largest gap at bin edges and the largest gap reachable inside a bin
 *
 * Scores are log-odds, in equal bins over ±LOGIT_LIMIT; PDs of a few per cent would crowd into the first
 * bins of a scale linear in PD.
 */
const LOGIT_LIMIT = 8;
/** Bins of the histograms that banks add up: 0.04 of log-odds each. */
export const SCORE_BINS = 400;

/** The bin of a log-odds score, 0 to bins - 1. */
export function scoreBin(logit: number, bins: number): number {
  const position = Math.floor(((logit + LOGIT_LIMIT) / (2 * LOGIT_LIMIT)) * bins);
  return position < 0 ? 0 : position >= bins ? bins - 1 : position;
}

/** The log-odds that a bin's scores lie below. */
export function scoreBinEnd(bin: number, bins: number): number {
  return ((bin + 1) / bins) * 2 * LOGIT_LIMIT - LOGIT_LIMIT;
}

export interface Discrimination {
  readonly auc: number;
  /** The exact AUC is within this of `auc`. */
  readonly aucError: number;
  /** Lower and upper bound of the exact KS. */
  readonly ks: number;
  readonly ksUpper: number;
}

/** @returns undefined when one of the classes is empty: the figures do not exist then */
export function discriminationOf(bad: Float64Array, good: Float64Array): Discrimination | undefined {
  let bads = 0;
  let goods = 0;
  for (let i = 0; i < bad.length; i++) {
    bads += bad[i]!;
    goods += good[i]!;
  }
  if (bads === 0 || goods === 0) return undefined;
  let pairs = 0;
  let ties = 0;
  let badBelow = 0;
  let goodBelow = 0;
  let ks = 0;
  let ksUpper = 0;
  for (let i = 0; i < bad.length; i++) {
    const b = bad[i]!;
    const g = good[i]!;
    pairs += b * (goodBelow + g / 2);
    ties += b * g;
    // inside a bin all its goods may come before its bads, or the other way round
    ksUpper = Math.max(
      ksUpper,
      (goodBelow + g) / goods - badBelow / bads,
      (badBelow + b) / bads - goodBelow / goods,
    );
    badBelow += b;
    goodBelow += g;
    ks = Math.max(ks, Math.abs(goodBelow / goods - badBelow / bads));
  }
  return { auc: pairs / (bads * goods), aucError: ties / (2 * bads * goods), ks, ksUpper };
}
