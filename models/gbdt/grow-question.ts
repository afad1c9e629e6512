/**
 * What a `grow` or `evaluate` question carries beside its fields. Three tensors, which every agent derives and
 * nobody sends: `forest`, all finished trees, and `tree`, the one that grows (both as `tree.ts` lays them out);
 * and `edges`, the bins of the run: for each number feature the count of its edges, then the edges. The rest of
 * the bins follows from the contract.
 */
import { binsOf, type FeatureBins } from '#models/preprocessing/bins.ts';
import type { DataContract } from '#shared/contract/contract.ts';

/** The question's settings. */
export interface GrowQuestion {
  /** Index of the tree that grows. */
  readonly tree: number;
  /** Log-odds that the forest starts from. */
  readonly baseLogit: number;
  /** Nodes of the tree whose histograms are wanted. */
  readonly nodes: readonly number[];
  /** Contract features of the histograms, ascending. */
  readonly features: readonly number[];
}

/** @param bins one entry for each feature of the contract */
export function encodeEdges(bins: readonly FeatureBins[]): Float64Array {
  return Float64Array.from(bins.flatMap((b) => ('edges' in b ? [b.edges.length, ...b.edges] : [])));
}

/** The reverse of `encodeEdges`. */
export function decodeEdges(contract: DataContract, words: Float64Array): FeatureBins[] {
  const edges: number[][] = [];
  for (let at = 0; at < words.length; at += 1 + words[at]!) {
    edges.push([...words.subarray(at + 1, at + 1 + words[at]!)]);
  }
  return binsOf(contract, edges);
}
