/**
 * Histograms of gradients: for each node, feature and bin the sums over its training rows of g, of h and of 1.
 *
 *   p = sigmoid(F),  g = p − y,  h = p(1 − p)          (log-loss, y = 1 for bad)
 *
 * Each row's g and h are rounded once to whole units of 2^-20, so every sum is a sum of integers below 2^53:
 * it depends neither on the order of rows nor on how they are spread over banks, and a parent's histogram
 * minus its left child's is the right child's, bit for bit.
 */
import { sigmoid } from '#models/arithmetic/exp-log.ts';
import type { BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { Field } from '#shared/ring/field.ts';

/** Units of one gradient. |g| ≤ 1 and h ≤ 1/4, so a bank's 2^20 rows sum to at most 2^40. */
export const GRADIENT_UNITS = 2 ** 20;

/** Which cell is which: the bins of the features a tree may split on, one feature after the other. */
export interface HistogramLayout {
  readonly features: readonly BinnedFeature[];
  /** First cell of each feature. */
  readonly offsets: readonly number[];
  /** Cells of one node. */
  readonly cells: number;
}

/** Sums of one or more nodes: node i's cells are at i * layout.cells. Units of 2^-20 in g and h. */
export interface Histogram {
  readonly gradients: Float64Array;
  readonly hessians: Float64Array;
  readonly counts: Float64Array;
}

export function layoutOf(features: readonly BinnedFeature[]): HistogramLayout {
  let cells = 0;
  const offsets = features.map(({ bins }) => {
    cells += bins;
    return cells - bins;
  });
  return { features, offsets, cells };
}

/** The fields of a question for `nodes` nodes; read back as a `Histogram`. */
export function histogramFields(layout: HistogramLayout, nodes: number): Field[] {
  const sums = { length: nodes * layout.cells, scale: 1, rounding: 'nearest' } as const;
  return [
    { name: 'gradients', ...sums, clip: ROWS_MAX * GRADIENT_UNITS },
    { name: 'hessians', ...sums, clip: (ROWS_MAX * GRADIENT_UNITS) / 4 },
    { name: 'counts', ...sums, clip: ROWS_MAX },
  ];
}

/** Node `index` of a histogram of several, as views. */
export function nodeHistogram(histogram: Histogram, index: number, cells: number): Histogram {
  const [start, end] = [index * cells, (index + 1) * cells];
  return {
    gradients: histogram.gradients.subarray(start, end),
    hessians: histogram.hessians.subarray(start, end),
    counts: histogram.counts.subarray(start, end),
  };
}

/** Zeros, in one piece of memory: it is made and forgotten hundreds of times a second. */
export function emptyHistogram(cells: number): Histogram {
  const all = new Float64Array(3 * cells);
  return {
    gradients: all.subarray(0, cells),
    hessians: all.subarray(cells, 2 * cells),
    counts: all.subarray(2 * cells),
  };
}

/** What is left of a parent without one child: the other child. Exact. */
export function difference(parent: Histogram, child: Histogram): Histogram {
  const rest = emptyHistogram(parent.counts.length);
  subtract(parent, child, rest);
  return rest;
}

/** `difference`, written into a histogram of the same size. */
export function subtract(parent: Histogram, child: Histogram, into: Histogram): void {
  for (const sums of ['gradients', 'hessians', 'counts'] as const) {
    subtractSums(parent[sums], child[sums], into[sums]);
  }
}

function subtractSums(a: Float64Array, b: Float64Array, into: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = a[i]! - b[i]!;
}

/** h and a count of 1 share one float64: h · 2^17 + 1. Of 2^16 rows with h ≤ 2^18 that sums to below 2^52. */
export const PACKED = 2 ** 17;

/**
 * Gradients of every row in whole units of 2^-20: at 2i the row's g, at 2i + 1 its h, packed with a count of 1.
 * @param logits the ensemble's log-odds so far
 * @param bad 1 or 0, one a row
 * @param pairs two numbers a row, written over
 */
export function computeGradients(logits: Float64Array, bad: Uint8Array, pairs: Float64Array): void {
  for (let i = 0; i < logits.length; i++) {
    const p = sigmoid(logits[i]!);
    pairs[2 * i] = Math.floor((p - bad[i]!) * GRADIENT_UNITS + 0.5);
    pairs[2 * i + 1] = Math.floor(p * (1 - p) * GRADIENT_UNITS + 0.5) * PACKED + 1;
  }
}
