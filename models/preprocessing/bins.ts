/**
 * Bins of a feature: the one place that says which bin a cell falls into, for training and scoring alike.
 *
 *   number     bin 0 … edges.length: the number of edges below x, so that x ≤ edges[0] is 0 and
 *              x > the last edge is edges.length; then one bin for each special value; then missing
 *   category   codes 1 … k are bins 0 … k−1; a value outside the vocabulary is k; missing is k + 1
 */
import { z } from 'zod';
import type { DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, type Column } from '#shared/contract/table.ts';

/** Bin indices fit in 16 bits; a program takes far fewer edges. A category has its vocabulary. */
const EDGES_MAX = 1023;
const SPECIAL_MAX = 20;

const numberBins = z
  .strictObject({
    /** Strictly ascending, in the contract's unit; each is the upper, closed end of its bin. */
    edges: z.array(z.number()).max(EDGES_MAX),
    /** Values with a meaning of their own, such as −1 for "never"; each its own bin, in this order. */
    special: z.array(z.number()).max(SPECIAL_MAX),
  })
  .refine(({ edges }) => edges.every((e, i) => i === 0 || edges[i - 1]! < e), {
    message: 'edges must ascend',
  });
const categoryBins = z.strictObject({ categories: z.int().min(1).max(1000) });

export const featureBins = z.union([numberBins, categoryBins]);
export type FeatureBins = z.infer<typeof featureBins>;

/** Number of bins, the one for missing (always the last) included. */
export function binCount(bins: FeatureBins): number {
  return 'categories' in bins ? bins.categories + 2 : bins.edges.length + bins.special.length + 2;
}

/** How many of the bins, from 0, are ranges in order; none of a category's. */
export function orderedBins(bins: FeatureBins): number {
  return 'categories' in bins ? 0 : bins.edges.length + 1;
}

/** @param value a number (NaN missing), or a category's code (0 missing) */
export function binOf(bins: FeatureBins, value: number): number {
  if ('categories' in bins) return value === 0 ? bins.categories + 1 : value - 1;
  const { edges, special } = bins;
  if (Number.isNaN(value)) return edges.length + special.length + 1;
  const at = special.indexOf(value);
  if (at >= 0) return edges.length + 1 + at;
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bin of every row of a column. */
export function binColumn(column: Column, bins: FeatureBins): Uint16Array {
  const cells = isNumberColumn(column) ? column.values : column.codes;
  const out = new Uint16Array(cells.length);
  for (let i = 0; i < out.length; i++) out[i] = binOf(bins, cells[i]!);
  return out;
}

/**
 * The bins of every contract feature: special values as the contract lists them, a category's vocabulary.
 * @param edges one list for each number feature of the contract
 */
export function binsOf(contract: DataContract, edges: readonly (readonly number[])[]): FeatureBins[] {
  let next = 0;
  return contract.features.map((feature) =>
    feature.type === 'category'
      ? { categories: feature.categories.length }
      : { edges: [...edges[next++]!], special: [...(feature.special ?? [])] },
  );
}
