/** Discrimination and calibration of scores that are all in one place: a bank's own test rows. */
import { logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';

export interface ExactMetrics {
  readonly rows: number;
  readonly bads: number;
  /** P(score of a bad > score of a good) + half the ties. */
  readonly auc: number;
  /** Largest gap between the score distributions of goods and bads. */
  readonly ks: number;
  /** Mean negative log-likelihood. */
  readonly logLoss: number;
  /** Mean squared error of the PD. */
  readonly brier: number;
  /** Mean PD, to hold against the bad rate. */
  readonly meanPd: number;
}

/**
 * @param logits log-odds of bad, one a row
 * @returns NaN for auc and ks when one class is empty
 */
export function exactMetrics(logits: Float64Array, bad: Uint8Array): ExactMetrics {
  const rows = logits.length;
  const order = Uint32Array.from({ length: rows }, (_, i) => i).sort((a, b) => logits[a]! - logits[b]!);
  let bads = 0;
  for (const y of bad) bads += y;
  const goods = rows - bads;
  let pairs = 0;
  let badBelow = 0;
  let goodBelow = 0;
  let ks = 0;
  for (let start = 0; start < rows;) {
    let end = start + 1; // a NaN equals nothing, itself included
    let b = bad[order[start]!]!;
    while (end < rows && logits[order[end]!] === logits[order[start]!]) b += bad[order[end++]!]!;
    const g = end - start - b;
    pairs += b * (goodBelow + g / 2);
    badBelow += b;
    goodBelow += g;
    ks = Math.max(ks, Math.abs(badBelow / bads - goodBelow / goods));
    start = end;
  }
  const losses = lossSums(logits, bad);
  return {
    rows,
    bads,
    auc: bads > 0 && goods > 0 ? pairs / (bads * goods) : Number.NaN,
    ks: bads > 0 && goods > 0 ? ks : Number.NaN,
    logLoss: losses.logLoss / rows,
    brier: losses.brier / rows,
    meanPd: losses.pd / rows,
  };
}

/** Sums over rows of −ln-likelihood, squared error and PD: what a bank adds to a federated evaluation. */
export function lossSums(
  logits: Float64Array,
  bad: Uint8Array,
): { logLoss: number; brier: number; pd: number } {
  let logLoss = 0;
  let brier = 0;
  let pd = 0;
  for (let i = 0; i < logits.length; i++) {
    const z = logits[i]!;
    const y = bad[i]!;
    logLoss += logLossOf(z, y);
    const p = sigmoid(z);
    brier += (p - y) * (p - y);
    pd += p;
  }
  return { logLoss, brier, pd };
}
