/** The losses a bank can train on, and the way back from each to log-odds of a true PD. One line a loss. */
import { z } from 'zod';
import { logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';
import {
  classWeight,
  classWeightedGradient,
  classWeightedLoss,
  unweightedLogit,
} from '#models/fedavg/losses/class-weight.ts';
import { focal, focalGradient, focalLoss, unfocusedLogit } from '#models/fedavg/losses/focal.ts';

/** What bends a network's z away from log-odds: part of the artefact, which cannot be read without it. */
export const link = z.discriminatedUnion('kind', [classWeight, focal]);
export type Link = z.infer<typeof link>;

export const loss = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('cross-entropy') }),
  classWeight,
  focal,
]);
export type Loss = z.infer<typeof loss>;

/** @returns undefined when a network trained on this loss gives log-odds as they are */
export function linkOf(of: Loss): Link | undefined {
  return of.kind === 'cross-entropy' ? undefined : of;
}

/** @param logit the network's z. @param bad 1 or 0. @returns ≥ 0, in natural logarithms */
export function lossOf(of: Loss, logit: number, bad: number): number {
  switch (of.kind) {
    case 'cross-entropy':
      return logLossOf(logit, bad);
    case 'class-weighted':
      return classWeightedLoss(of, logit, bad);
    case 'focal':
      return focalLoss(of, logit, bad);
  }
}

/** dL/dz of the above. */
export function lossGradient(of: Loss, logit: number, bad: number): number {
  switch (of.kind) {
    case 'cross-entropy':
      return sigmoid(logit) - bad;
    case 'class-weighted':
      return classWeightedGradient(of, logit, bad);
    case 'focal':
      return focalGradient(of, logit, bad);
  }
}

/** Log-odds of bad from a network's z; rising in z, the same bits on every machine. */
export function trueLogit(by: Link | undefined, logit: number): number {
  if (by === undefined) return logit;
  return by.kind === 'focal' ? unfocusedLogit(by, logit) : unweightedLogit(by, logit);
}
