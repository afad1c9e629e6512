/**
 * The best split of one node, from its histogram alone. With G, H the sums of a side and T(G) = G moved
 * towards 0 by l1 (Chen & Guestrin 2016, eq. 7, with the L1 term of XGBoost):
 *
 *   gain = ½ [ T(G_L)² / (H_L + l2) + T(G_R)² / (H_R + l2) − T(G)² / (H + l2) ] − minGain
 *   weight = −T(G) / (H + l2), limited to the node's bounds
 *
 * Candidates come in a fixed order and replace the best only with a strictly greater gain, which makes the
 * choice a function of the sums: features ascending; for ordered bins thresholds ascending; for categories,
 * sorted by G/H (ties by index), prefixes ascending. What has no place in the order (missing and special
 * values; missing and rare categories) goes left as a whole, then right as a whole. Last, each special value
 * by itself, and missing by itself, against the rest.
 *
 * A monotone feature admits only thresholds whose side of smaller values has the smaller weight (or the
 * greater one); the middle of the two weights then bounds both subtrees, as in XGBoost.
 */
import type { BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { GRADIENT_UNITS, type Histogram, type HistogramLayout } from '#models/gbdt/histogram.ts';

/** Sums over the rows of a node; g and h in units of 2^-20. */
export interface NodeSums {
  readonly g: number;
  readonly h: number;
  readonly count: number;
}

/** What a leaf's weight must lie between. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

export const FREE: Bounds = { low: -Infinity, high: Infinity };

export interface SplitRules {
  /** Limits on weights: soft threshold, and ridge. */
  readonly l1: number;
  readonly l2: number;
  /** What a split must gain, and more. */
  readonly minGain: number;
  /** Fewest rows on each side. */
  readonly minCount: number;
  /** Least sum of h on each side. */
  readonly minHessian: number;
  /** A category with fewer rows in the node is not placed by its own gradients. */
  readonly minCategoryCount: number;
}

export interface Split {
  /** Index into the contract's features. */
  readonly feature: number;
  /** As in `tree.ts`: the last ordered bin that goes left, or all bins that go left but for missing. */
  readonly bin: number | readonly number[];
  readonly missingLeft: boolean;
  readonly gain: number;
  readonly left: NodeSums;
  readonly right: NodeSums;
  readonly leftBounds: Bounds;
  readonly rightBounds: Bounds;
}

/** @returns undefined when no candidate keeps the rules and gains more than `minGain` */
export function bestSplit(
  histogram: Histogram,
  layout: HistogramLayout,
  total: NodeSums,
  bounds: Bounds,
  rules: SplitRules,
): Split | undefined {
  const search = new Search(total, bounds, rules);
  layout.features.forEach((feature, f) => {
    const start = layout.offsets[f]!;
    if (feature.orderedBins === 0) splitCategory(search, feature, histogram, start, rules);
    else {
      splitOrdered(search, feature, histogram, start);
      if (feature.bins - feature.orderedBins > 1) splitApart(search, feature, histogram, start);
    }
  });
  return search.best;
}

/** The weight of a node as a leaf, before the learning rate. 0 where h and l2 are both 0. */
export function leafWeight({ g, h }: NodeSums, { low, high }: Bounds, { l1, l2 }: SplitRules): number {
  const ridge = h / GRADIENT_UNITS + l2;
  const weight = ridge > 0 ? -softThreshold(g / GRADIENT_UNITS, l1) / ridge : 0;
  return weight < low ? low : weight > high ? high : weight;
}

/** Sums of the histogram's rows: every feature has all of them, so the first will do. */
export function totalOf(histogram: Histogram, layout: HistogramLayout): NodeSums {
  return sumCells(histogram, 0, layout.features[0]!.bins);
}

function softThreshold(g: number, l1: number): number {
  return g > l1 ? g - l1 : g < -l1 ? g + l1 : 0;
}

function sumCells({ gradients, hessians, counts }: Histogram, from: number, to: number): NodeSums {
  let [g, h, count] = [0, 0, 0];
  for (let cell = from; cell < to; cell++) {
    g += gradients[cell]!;
    h += hessians[cell]!;
    count += counts[cell]!;
  }
  return { g, h, count };
}

/** @param start the feature's first cell */
function splitOrdered(
  search: Search,
  { index, orderedBins, bins, monotone }: BinnedFeature,
  { gradients, hessians, counts }: Histogram,
  start: number,
): void {
  const apart = sumCells({ gradients, hessians, counts }, start + orderedBins, start + bins);
  let [g, h, count] = [0, 0, 0];
  for (let bin = 0; bin < orderedBins; bin++) {
    const cell = start + bin;
    // the candidate before, again; but the last one is not bound by the order
    if (bin > 0 && bin < orderedBins - 1 && counts[cell] === 0) continue;
    g += gradients[cell]!;
    h += hessians[cell]!;
    count += counts[cell]!;
    // the last threshold has no ordered bin on its right: it says nothing about the order
    const direction = bin === orderedBins - 1 ? 0 : monotone;
    if (search.improves(g + apart.g, h + apart.h, count + apart.count, direction)) {
      search.take(index, bin, apart.count > 0 ? true : undefined);
    }
    if (apart.count > 0 && search.improves(g, h, count, direction)) search.take(index, bin, false);
  }
}

/** Each special value against everything else, then missing against everything else. */
function splitApart(
  search: Search,
  { index, orderedBins, bins }: BinnedFeature,
  { gradients, hessians, counts }: Histogram,
  start: number,
): void {
  for (let bin = orderedBins; bin < bins; bin++) {
    const cell = start + bin;
    if (!search.improves(gradients[cell]!, hessians[cell]!, counts[cell]!, 0)) continue;
    const missing = bin === bins - 1;
    search.take(index, missing ? [] : [bin], missing);
  }
}

function splitCategory(
  search: Search,
  { index, bins }: BinnedFeature,
  histogram: Histogram,
  start: number,
  { minCategoryCount }: SplitRules,
): void {
  const { gradients, hessians, counts } = histogram;
  const placed: number[] = [];
  const rare: number[] = [];
  for (let bin = 0; bin < bins - 1; bin++) {
    const count = counts[start + bin]!;
    (count > 0 && count >= minCategoryCount ? placed : rare).push(bin);
  }
  const slopes = new Float64Array(bins);
  for (const bin of placed) {
    const h = hessians[start + bin]!;
    slopes[bin] = h > 0 ? gradients[start + bin]! / h : 0;
  }
  placed.sort((a, b) => slopes[a]! - slopes[b]! || a - b);
  let apart = sumCells(histogram, start + bins - 1, start + bins);
  for (const bin of rare) apart = addCell(apart, histogram, start + bin);
  let left: NodeSums = { g: 0, h: 0, count: 0 };
  placed.forEach((bin, i) => {
    left = addCell(left, histogram, start + bin);
    const set = () => placed.slice(0, i + 1);
    if (search.improves(left.g + apart.g, left.h + apart.h, left.count + apart.count, 0)) {
      search.take(index, set(), apart.count > 0 ? true : undefined, rare);
    }
    if (apart.count > 0 && search.improves(left.g, left.h, left.count, 0))
      search.take(index, set(), false, rare);
  });
}

function addCell(sums: NodeSums, { gradients, hessians, counts }: Histogram, cell: number): NodeSums {
  return {
    g: sums.g + gradients[cell]!,
    h: sums.h + hessians[cell]!,
    count: sums.count + counts[cell]!,
  };
}

/** The best candidate so far. Offered millions of times: `improves` allocates nothing. */
class Search {
  best: Split | undefined;
  private readonly total: NodeSums;
  private readonly bounds: Bounds;
  private readonly rules: SplitRules;
  private readonly bounded: boolean;
  private readonly minHessian: number;
  private readonly worthOfNode: number;
  private bestGain = 0;
  // the candidate that `improves` has just accepted
  private g = 0;
  private h = 0;
  private count = 0;
  private direction: -1 | 0 | 1 = 0;

  constructor(total: NodeSums, bounds: Bounds, rules: SplitRules) {
    this.total = total;
    this.bounds = bounds;
    this.rules = rules;
    this.bounded = bounds.low > -Infinity || bounds.high < Infinity;
    this.minHessian = rules.minHessian * GRADIENT_UNITS;
    this.worthOfNode = this.worth(total.g, total.h);
  }

  /** Whether sending these rows left is allowed and better than the best; `take` must follow if so. */
  improves(g: number, h: number, count: number, direction: -1 | 0 | 1): boolean {
    const { total, rules, minHessian } = this;
    if (count < rules.minCount || total.count - count < rules.minCount || count === 0) return false;
    if (count === total.count || h < minHessian || total.h - h < minHessian) return false;
    const worth = this.worth(g, h) + this.worth(total.g - g, total.h - h);
    const gain = 0.5 * (worth - this.worthOfNode) - rules.minGain;
    if (!(gain > this.bestGain)) return false;
    if (direction !== 0) {
      const rise = this.weight(total.g - g, total.h - h) - this.weight(g, h);
      if (rise * direction < 0) return false;
    }
    this.bestGain = gain;
    this.g = g;
    this.h = h;
    this.count = count;
    this.direction = direction;
    return true;
  }

  /**
   * @param missingLeft undefined when no row says: what is missing later then goes with the greater part
   * @param alike bins of a category that go where missing goes
   */
  take(
    feature: number,
    bin: number | readonly number[],
    missingLeft: boolean | undefined,
    alike: readonly number[] = [],
  ): void {
    const { total, bounds } = this;
    const left = { g: this.g, h: this.h, count: this.count };
    const right = { g: total.g - left.g, h: total.h - left.h, count: total.count - left.count };
    let [leftBounds, rightBounds] = [bounds, bounds];
    if (this.direction !== 0) {
      const middle = (this.weight(left.g, left.h) + this.weight(right.g, right.h)) / 2;
      const below = { low: bounds.low, high: middle };
      const above = { low: middle, high: bounds.high };
      [leftBounds, rightBounds] = this.direction > 0 ? [below, above] : [above, below];
    }
    const toLeft = missingLeft ?? left.count >= right.count;
    this.best = {
      feature,
      bin: toLeft && typeof bin !== 'number' ? [...bin, ...alike] : bin,
      missingLeft: toLeft,
      gain: this.bestGain,
      left,
      right,
      leftBounds,
      rightBounds,
    };
  }

  private weight(g: number, h: number): number {
    return leafWeight({ g, h, count: 0 }, this.bounds, this.rules);
  }

  /** Twice what the rows gain from a leaf of their own. */
  private worth(g: number, h: number): number {
    const { l1, l2 } = this.rules;
    const gradient = g / GRADIENT_UNITS;
    const ridge = h / GRADIENT_UNITS + l2;
    if (!this.bounded) {
      const t = softThreshold(gradient, l1);
      return ridge > 0 ? (t * t) / ridge : 0;
    }
    const w = this.weight(g, h);
    return -(2 * gradient * w + ridge * w * w + 2 * l1 * (w < 0 ? -w : w));
  }
}
