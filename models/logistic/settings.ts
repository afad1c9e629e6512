/** What a plan says to the `logistic` program. */
import { z } from 'zod';
import { segmentNames } from '#models/evaluation/segments.ts';
import { FIT_ROUNDS } from '#models/newton/fit.ts';
import { cutoffs } from '#models/scoring/cutoffs.ts';
import { scaling } from '#models/scoring/scaling.ts';

export const logisticSettings = z.strictObject({
  newton: z
    .strictObject({
      /**
       * Penalty λ/2 · Σ β² on the standardised inputs, intercept excepted. Without one, an input of each category
       * is left out because it follows from the others, and a rare category without a single bad has no best
       * weight: the fit then ends in an error.
       */
      ridge: z.number().min(0).max(1e9).default(1),
      /** Rounds of all fits together; leaving inputs out begins another one. */
      rounds: z.int().min(FIT_ROUNDS).max(1000).default(40),
    })
    .prefault({}),
  holdoutFraction: z.number().min(0.05).max(0.5).default(0.2),
  calibration: z.enum(['identity', 'platt', 'isotonic']).default('platt'),
  scaling: scaling.prefault({}),
  cutoffs: cutoffs.optional(),
  /** Category features by whose categories the model is judged as well (evaluation/segments.ts). */
  segments: segmentNames,
  /** Fewest rows of anything that is published. */
  kMin: z.int().min(5).max(1_000_000).default(20),
});
export type LogisticSettings = z.infer<typeof logisticSettings>;
