/**
 * Cross-entropy in which a bad row counts `badWeight` times: for books with few bads.
 *
 *   L = −w·y·ln σ(z) − (1 − y)·ln(1 − σ(z)),   dL/dz = w_y·(σ(z) − y)
 *
 * The weight bends the odds and nothing else: trained so, a network's z is the log-odds plus ln w (Elkan 2001,
 * theorem 2; King & Zeng 2001, section 4.2), which is taken off again when it scores. Assumes a network that fits;
 * its calibration is judged all the same.
 */
import { z } from 'zod';
import { log, logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';

export const classWeight = z.strictObject({
  kind: z.literal('class-weighted'),
  /** How often a bad row counts. About goods a bad makes both classes weigh the same. */
  badWeight: z.number().min(0.001).max(1000),
});
type ClassWeight = z.infer<typeof classWeight>;

export function classWeightedLoss({ badWeight }: ClassWeight, logit: number, bad: number): number {
  return (bad === 1 ? badWeight : 1) * logLossOf(logit, bad);
}

export function classWeightedGradient({ badWeight }: ClassWeight, logit: number, bad: number): number {
  return (bad === 1 ? badWeight : 1) * (sigmoid(logit) - bad);
}

/** The log-odds of bad that a network trained so means by its z. */
export function unweightedLogit({ badWeight }: ClassWeight, logit: number): number {
  return logit - log(badWeight);
}
