/**
 * What a bank does with a model: row → log-odds → calibrated PD → score → decision → reasons. The same steps for
 * every kind of model; only the scorer differs.
 */
import { sigmoid } from '#models/arithmetic/exp-log.ts';
import type { ModelArtefact } from '#models/artefact.ts';
import { calibratedLogit } from '#models/evaluation/calibration-map.ts';
import { scorerOf } from '#models/scorer.ts';
import { decide, type Decision } from '#models/scoring/cutoffs.ts';
import { attributionOf, type Against } from '#models/scoring/attribution.ts';
import { pointsOf, scoreOfLogit } from '#models/scoring/scaling.ts';
import type { Feature } from '#shared/contract/contract.ts';

/** The most reasons Regulation B asks for; further ones confuse more than they tell. */
export const REASONS_MAX = 4;
/** Points under which a feature is not said to have counted against anybody: rounding, not risk. */
const POINTS_MIN = 0.005;

export type Language = 'en' | 'zh-CN';

export interface ApplicantScore {
  /** Calibrated probability of default, in (0, 1). */
  readonly pd: number;
  /** Within the scaling's range, not rounded. */
  readonly score: number;
  /** Whether the score was beyond its range and has been cut. */
  readonly scoreClipped: boolean;
  /** None when the model came without cut-offs. */
  readonly decision: Decision | undefined;
}

/** Something that counted against the applicant, compared with the baseline or the mean training row. */
export interface Reason {
  /** Index into `contract.features`. */
  readonly feature: number;
  readonly name: string;
  readonly text: string;
  /** Points it cost, above 0. */
  readonly pointsLost: number;
}

export interface Explanation {
  /** Score of the baseline, or of the mean training row, before it is cut to the range. */
  readonly baselineScore: number;
  /** Points gained or lost by each contract feature. */
  readonly points: Float64Array;
  /** Score − baselineScore − Σ points: 0 but for rounding, or the explanation is not to be trusted. */
  readonly gap: number;
}

export interface ApplicantScorer {
  score(row: Float64Array): ApplicantScore;
  /** Up to four, the costliest first; of equal cost the earlier feature. Nothing that helped is among them. */
  reasons(row: Float64Array, language?: Language): Reason[];
  explain(row: Float64Array): Explanation;
}

/**
 * @param against what points and reasons are counted from
 * @throws FederationError SCHEMA | SHAPE when this version cannot score the model; USAGE when it cannot be explained so
 */
export function createApplicantScorer(
  artefact: ModelArtefact,
  against: Against = 'baseline',
): ApplicantScorer {
  const { contract, calibration, scaling, cutoffs } = artefact;
  const scorer = scorerOf(artefact);
  const { map } = calibration;
  const attribution = attributionOf(artefact, scorer, against);
  const baselineCalibrated = calibratedLogit(map, attribution.from);
  const uncut = { ...scaling, min: -Infinity, max: Infinity };
  const texts = {
    en: contract.features.map((f) => reasonText(f, 'en')),
    'zh-CN': contract.features.map((f) => reasonText(f, 'zh-CN')),
  };

  /**
   * Points by feature. Calibration bends the log-odds; contributions are stretched by what it does to the whole
   * way from the baseline, so that they still add up to the score.
   */
  function pointsByFeature(row: Float64Array): Float64Array {
    const logit = scorer.logit(row);
    const way = logit - attribution.from;
    const stretch = way === 0 ? 1 : (calibratedLogit(map, logit) - baselineCalibrated) / way;
    return attribution.contributions(row).map((contribution) => pointsOf(stretch * contribution, scaling));
  }

  return {
    score(row) {
      const logit = calibratedLogit(map, scorer.logit(row));
      const pd = sigmoid(logit);
      const { score, clipped } = scoreOfLogit(logit, scaling);
      return {
        pd,
        score,
        scoreClipped: clipped,
        decision: cutoffs === undefined ? undefined : decide(pd, cutoffs),
      };
    },
    reasons(row, language = 'en') {
      const points = pointsByFeature(row);
      const worst: number[] = [];
      points.forEach((value, feature) => {
        if (!(value < -POINTS_MIN)) return;
        let at = worst.length;
        while (at > 0 && points[worst[at - 1]!]! > value) at--;
        if (at < REASONS_MAX) worst.splice(at, 0, feature);
        if (worst.length > REASONS_MAX) worst.pop();
      });
      return worst.map((feature) => ({
        feature,
        name: contract.features[feature]!.name,
        text: texts[language][feature]!,
        pointsLost: -points[feature]!,
      }));
    },
    explain(row) {
      const points = pointsByFeature(row);
      const { score } = scoreOfLogit(calibratedLogit(map, scorer.logit(row)), uncut);
      const baselineScore = scoreOfLogit(baselineCalibrated, uncut).score;
      return { baselineScore, points, gap: score - baselineScore - points.reduce((a, b) => a + b, 0) };
    },
  };
}

/** The contract's own words, else the feature's name and description. */
function reasonText(feature: Feature, language: Language): string {
  if (feature.reason !== undefined) return feature.reason[language] ?? feature.reason.en;
  return feature.description === undefined ? feature.name : `${feature.name}: ${feature.description}`;
}
