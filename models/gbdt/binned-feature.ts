/** What the trees need to know of a feature: how many bins it has and which of them have an order. */
import { binCount, orderedBins, type FeatureBins } from '#models/preprocessing/bins.ts';
import type { DataContract } from '#shared/contract/contract.ts';

export interface BinnedFeature {
  /** Index into the contract's features. */
  readonly index: number;
  /**
   * Bins 0 to orderedBins − 1 are ordered values; 0 of them in a category. The others are special values (or
   * categories), then missing.
   */
  readonly orderedBins: number;
  /** All bins; the last one holds missing values. */
  readonly bins: number;
  /** 1 where PD may only rise with the value, −1 where it may only fall, 0 where it is free. */
  readonly monotone: -1 | 0 | 1;
}

/** @param bins one entry for each feature of the contract */
export function binnedFeatures(contract: DataContract, bins: readonly FeatureBins[]): BinnedFeature[] {
  return contract.features.map((feature, index) => {
    const own = bins[index]!;
    const direction = feature.type === 'number' ? feature.monotone : undefined;
    return {
      index,
      orderedBins: orderedBins(own),
      bins: binCount(own),
      monotone: direction === 'increasing' ? 1 : direction === 'decreasing' ? -1 : 0,
    };
  });
}
