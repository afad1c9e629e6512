/** From summed bin counts to the characteristics a scorecard may use: grouped, weighed and ranked. */
import type { BinCounts } from '#models/preprocessing/bin-counts.ts';
import type { FeatureBins } from '#models/preprocessing/bins.ts';
import { mergeBins } from '#models/scorecard/merge-bins.ts';
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
}

/** A feature that is not in the scorecard. */
export interface Rejected {
  readonly feature: number;
  readonly iv: number;
  readonly reason: string;
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
    const groups = mergeBins(bins[f]!, counts[f]!, direction, { ...binning, minRows: kMin });
    const size = Math.max(...groups) + 1;
    const bad = Array.from({ length: size }, () => 0);
    const good = Array.from({ length: size }, () => 0);
    groups.forEach((group, bin) => {
      bad[group]! += counts[f]!.bad[bin]!;
      good[group]! += counts[f]!.good[bin]!;
    });
    const { woe, iv } = weightOfEvidence(bad, good);
    const rows = bad.map((b, g) => b + good[g]!);
    const total = rows.reduce((a, b) => a + b, 0);
    const mean = woe.reduce((sum, w, g) => sum + w * rows[g]!, 0) / total;
    const groupCounts = rows.map((n, g) => ({ rows: n, bads: bad[g]! }));
    return { feature: f, bins: bins[f]!, groups, woe, counts: groupCounts, mean, iv };
  });
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
    else rejected.push({ feature, iv, reason });
  }
  return { selected, rejected };
}
