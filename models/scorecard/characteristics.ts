/** From summed bin counts to the characteristics a scorecard may use: grouped, weighed and ranked. */
import type { BinCounts } from '#models/preprocessing/bin-counts.ts';
import { orderedBins, type FeatureBins } from '#models/preprocessing/bins.ts';
import { mergeBins } from '#models/scorecard/merge-bins.ts';
import { isCostly, separation } from '#models/scorecard/remarks.ts';
import type { ScorecardSettings } from '#models/scorecard/settings.ts';
import { weightOfEvidence } from '#models/scorecard/woe.ts';
import type { DataContract } from '#shared/contract/contract.ts';

export interface Characteristic {
  /** Index into `contract.features`. */
  readonly feature: number;
  readonly bins: FeatureBins;
  /** The group of each fine bin. */
  readonly groups: readonly number[];
  /** Of each group. */
  readonly woe: readonly number[];
  /** Of each group, over the training rows. */
  readonly counts: readonly { readonly rows: number; readonly bads: number }[];
  /** Mean weight of evidence of the training rows. */
  readonly mean: number;
  readonly iv: number;
  /** See remarks.ts; these are left out where there is nothing to say. */
  readonly separates?: 'all' | 'some';
  readonly ivFree?: number;
}

/** A feature that is not in the scorecard. */
export interface Rejected {
  readonly feature: number;
  readonly iv: number;
  readonly reason: string;
  readonly separates?: 'all' | 'some';
  readonly ivFree?: number;
}

/** One for each contract feature. */
export function groupFeatures(
  contract: DataContract,
  bins: readonly FeatureBins[],
  counts: readonly BinCounts[],
  { binning, kMin }: ScorecardSettings,
): Characteristic[] {
  return contract.features.map((feature, f) => {
    const direction = feature.type === 'number' ? feature.monotone : undefined;
    const settings = { ...binning, minRows: kMin };
    const groups = mergeBins(bins[f]!, counts[f]!, direction, settings);
    const { bad, good } = countGroups(groups, counts[f]!);
    const { woe, iv } = weightOfEvidence(bad, good);
    const rows = bad.map((b, g) => b + good[g]!);
    const total = rows.reduce((a, b) => a + b, 0);
    const mean = woe.reduce((sum, w, g) => sum + w * rows[g]!, 0) / total;
    const groupCounts = rows.map((n, g) => ({ rows: n, bads: bad[g]! }));
    const free = mergeBins(bins[f]!, counts[f]!, undefined, { ...settings, shape: 'free' });
    const ofFree = countGroups(free, counts[f]!);
    const ivFree = weightOfEvidence(ofFree.bad, ofFree.good).iv;
    const separates = separation({ bad, good });
    return {
      ...{ feature: f, bins: bins[f]!, groups, woe, counts: groupCounts, mean, iv },
      ...(separates === undefined ? {} : { separates }),
      ...(isCostly(iv, ivFree, orderedBins(bins[f]!), counts[f]!) ? { ivFree } : {}),
    };
  });
}

function countGroups(groups: readonly number[], counts: BinCounts): { bad: number[]; good: number[] } {
  const size = Math.max(...groups) + 1;
  const bad = Array.from({ length: size }, () => 0);
  const good = Array.from({ length: size }, () => 0);
  groups.forEach((group, bin) => {
    bad[group]! += counts.bad[bin]!;
    good[group]! += counts.good[bin]!;
  });
  return { bad, good };
}

/** What is said of a characteristic that is not in the scorecard. */
export function rejectedFor({ feature, iv, separates, ivFree }: Characteristic, reason: string): Rejected {
  return {
    ...{ feature, iv, reason },
    ...(separates === undefined ? {} : { separates }),
    ...(ivFree === undefined ? {} : { ivFree }),
  };
}

/** By information value, the highest first; ties in contract order. */
export function selectByValue(
  contract: DataContract,
  characteristics: readonly Characteristic[],
  { selection }: ScorecardSettings,
): { selected: Characteristic[]; rejected: Rejected[] } {
  const named = selection.features === undefined ? undefined : new Set(selection.features);
  const selected: Characteristic[] = [];
  const rejected: Rejected[] = [];
  for (const candidate of [...characteristics].sort((a, b) => b.iv - a.iv)) {
    const { feature, iv } = candidate;
    const reason =
      candidate.woe.length < 2
        ? 'no two groups of it are large enough'
        : named !== undefined
          ? named.has(contract.features[feature]!.name)
            ? undefined
            : 'not among the features of the plan'
          : iv < selection.minIv
            ? `information value below ${selection.minIv}`
            : selected.length === selection.max
              ? `not among the ${selection.max} of the highest information value`
              : undefined;
    if (reason === undefined) selected.push(candidate);
    else rejected.push(rejectedFor(candidate, reason));
  }
  return { selected, rejected };
}
