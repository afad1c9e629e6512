/** What a plan says to the `scorecard` program. */
import { z } from 'zod';
import { segmentNames } from '#models/evaluation/segments.ts';
import { FIT_ROUNDS } from '#models/newton/fit.ts';
import { QUANTILE_ROUNDS } from '#models/preprocessing/quantiles.ts';
import { cutoffs } from '#models/scoring/cutoffs.ts';
import { scaling } from '#models/scoring/scaling.ts';

export const scorecardSettings = z.strictObject({
  binning: z
    .strictObject({
      /** Ranges of equal size that a number is first cut into. */
      fine: z.int().min(2).max(64).default(32),
      /** Most groups that ranges or categories are merged into; special values and missing come on top. */
      groupsMax: z.int().min(1).max(20).default(6),
      /** Least share of the training rows in a group of ranges or categories. */
      minShare: z.number().min(0).max(0.5).default(0.05),
      /** Least number of bads, and of goods, in every group: seen, or to be expected of its rows at the overall rate. */
      minBads: z.int().min(1).max(100_000).default(10),
      /** `monotone`: bad rates of ranges only rise or only fall; `free` leaves it to the contract to ask for that. */
      shape: z.enum(['monotone', 'free']).default('monotone'),
    })
    .prefault({}),
  selection: z
    .strictObject({
      /**
       * Names of the features to use. They are then all used, unless one is constant or collinear, or its PD would
       * move against the direction the contract gives it.
       */
      features: z.array(z.string()).min(1).max(200).optional(),
      /** Least information value. */
      minIv: z.number().min(0).max(5).default(0.02),
      /** At most so many characteristics, those of the highest information value. */
      max: z.int().min(1).max(200).default(15),
      /**
       * `backward`: after the fit, take out one characteristic at a time and fit again, as long as one has the
       * wrong sign, then a p above `pMax`, then a variance inflation above `vifMax`. `iv`: keep them all but
       * those with the wrong sign for which the contract agrees on a direction.
       */
      method: z.enum(['backward', 'iv']).default('backward'),
      pMax: z.number().min(0).max(1).default(0.05),
      vifMax: z.number().min(1).max(1e6).default(10),
    })
    .prefault({}),
  newton: z
    .strictObject({
      /** Added to the diagonal of the summed Hessian, the intercept's entry excepted: a penalty λ/2 · β². */
      ridge: z.number().min(0).max(1e9).default(0),
      /** Rounds of all fits together. */
      rounds: z.int().min(FIT_ROUNDS).max(1000).default(75),
    })
    .prefault({}),
  holdoutFraction: z.number().min(0.05).max(0.5).default(0.2),
  /** A linear map keeps the points additive; others would not. */
  calibration: z.enum(['identity', 'platt']).default('platt'),
  scaling: scaling.prefault({}),
  cutoffs: cutoffs.optional(),
  /** Category features by whose categories the model is judged as well (evaluation/segments.ts). */
  segments: segmentNames,
  /** Fewest rows of anything that is published. */
  kMin: z.int().min(5).max(1_000_000).default(20),
});
export type ScorecardSettings = z.infer<typeof scorecardSettings>;

/** Quantiles, bin counts, Newton rounds, evaluation. */
export function scorecardRounds({ newton }: ScorecardSettings): number {
  return QUANTILE_ROUNDS + 1 + newton.rounds + 1;
}
