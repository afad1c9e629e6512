/** Scores and explains single rows by a scorecard. */
import type { BinsTransform, ScorecardParameters } from '#models/artefact.ts';
import { binOf } from '#models/preprocessing/bins.ts';
import type { Scorer } from '#models/scorer.ts';
import type { DataContract } from '#shared/contract/contract.ts';

/**
 * Log-odds β₀ + Σ βᵢ·WOEᵢ, before calibration. What a feature contributes is βᵢ · (its weight − that of the
 * baseline row), and nothing for a feature outside the scorecard: the sum is logit(row) − logit(baseline).
 * @param baseline a row, as the scorer takes them: numbers (NaN missing) and category codes in contract order
 */
export function createScorecardScorer(
  { intercept, characteristics }: ScorecardParameters,
  transform: BinsTransform,
  contract: DataContract,
  baseline: Float64Array,
): Scorer {
  const terms = characteristics.map(({ feature, groups, woe, coefficient }) => {
    const bins = transform.features[feature]!;
    // one table from fine bin to log-odds: a look-up a characteristic
    const logOdds = Float64Array.from(groups, (group) => coefficient * woe[group]!);
    return { feature, of: (value: number) => logOdds[binOf(bins, value)]! };
  });
  const ofBaseline = terms.map(({ feature, of }) => of(baseline[feature]!));
  return {
    logit(row) {
      let z = intercept;
      for (const { feature, of } of terms) z += of(row[feature]!);
      return z;
    },
    contributions(row) {
      const out = new Float64Array(contract.features.length);
      terms.forEach(({ feature, of }, i) => {
        out[feature] = of(row[feature]!) - ofBaseline[i]!;
      });
      return out;
    },
  };
}
