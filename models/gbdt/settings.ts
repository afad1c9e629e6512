/** What a plan says to the `gbdt` program. */
import { z } from 'zod';
import { chosenBy, target } from '#models/evaluation/stopping.ts';
import { segmentNames } from '#models/evaluation/segments.ts';
import { cutoffs } from '#models/scoring/cutoffs.ts';
import { QUANTILE_ROUNDS } from '#models/preprocessing/quantiles.ts';
import { scaling } from '#models/scoring/scaling.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

export const gbdtSettings = z
  .strictObject({
    trees: z.int().min(1).max(2000).default(300),
    /** Levels of splits in a tree; each is a round. */
    depth: z.int().min(1).max(8).default(4),
    /** Share of its weight that a leaf adds. */
    learningRate: z.number().positive().max(1).default(0.1),
    /** Penalties on the weight w of a leaf: l1·|w| + l2·w²/2. */
    l1: z.number().min(0).max(1e6).default(0),
    l2: z.number().min(0).max(1e6).default(1),
    /** What a split must gain (half the drop of the penalised loss's quadratic model), and more. */
    minGain: z.number().min(0).max(1e6).default(0),
    /** Bins of a number feature, cut at quantiles of the training rows; special values and missing have their own. */
    bins: z.int().min(8).max(255).default(64),
    /**
     * Fewest training rows on each side of a split, over all banks: what protects an applicant in a small
     * node. Also the fewest rows of anything else that is published.
     */
    minCount: z.int().min(20).max(1e6).default(100),
    /** Least sum of p(1 − p) on each side of a split. */
    minHessian: z.number().min(0).max(1e6).default(1),
    /** A category with fewer rows in a node goes with the missing values there. */
    minCategoryCount: z.int().min(20).max(1e6).default(100),
    /** Shares of training rows and of features that each tree is grown on. */
    rowShare: z.number().min(0.05).max(1).default(1),
    columnShare: z.number().min(0.05).max(1).default(1),
    /** Share of its rows a bank keeps back to judge the ensemble. */
    holdoutFraction: z.number().min(0.05).max(0.5).default(0.2),
    /**
     * Stop after this many trees without a better `chosenBy` on rows kept back, and keep the trees up to the best.
     * Without it all trees are grown and kept.
     */
    patience: z.int().min(1).max(1000).optional(),
    chosenBy,
    target: target.optional(),
    calibration: z.enum(['identity', 'platt', 'isotonic']).default('platt'),
    scaling: scaling.prefault({}),
    cutoffs: cutoffs.optional(),
    /** Category features by whose categories the model is judged as well (evaluation/segments.ts). */
    segments: segmentNames,
  })
  .refine((s) => roundsOf(s) <= LIMITS.roundsMax, {
    path: ['trees'],
    message: `trees × depth must stay below ${LIMITS.roundsMax} rounds`,
  });
export type GbdtSettings = z.infer<typeof gbdtSettings>;
export type GbdtSettingsInput = z.input<typeof gbdtSettings>;

/** Totals, quantiles, a round for each level of each tree, and the last evaluation. */
export function roundsOf({ trees, depth }: { readonly trees: number; readonly depth: number }): number {
  return 1 + QUANTILE_ROUNDS + trees * depth + 1;
}

/** Numbers that the largest level of a tree takes: the last one asks for up to 2^(depth − 2) nodes. */
export function levelWordsMax(contract: DataContract, { bins, depth }: GbdtSettings): number {
  let cells = 0;
  for (const feature of contract.features) {
    cells +=
      feature.type === 'number' ? bins + (feature.special?.length ?? 0) + 1 : feature.categories.length + 2;
  }
  return 3 * cells * 2 ** Math.max(0, depth - 2);
}

/**
 * Refuses what would not fit in one question.
 * @throws FederationError PLAN
 */
export function assertQuestionFits(contract: DataContract, settings: GbdtSettings): void {
  const words = levelWordsMax(contract, settings);
  if (words > LIMITS.vectorWordsMax / 2) {
    throw new FederationError(
      'PLAN',
      `a level of a tree would take ${words} numbers, more than ${LIMITS.vectorWordsMax / 2}; ` +
        'choose fewer bins, fewer features or less depth',
    );
  }
}
