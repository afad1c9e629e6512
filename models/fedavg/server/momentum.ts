/**
 * FedAvgM (Hsu et al. 2019, section 4.3): v ← momentum·v + Δ,  w ← w + η·v. With momentum 0 and η = 1 it is plain
 * federated averaging (McMahan et al. 2017).
 */
import { z } from 'zod';

export const momentumSettings = z.strictObject({
  optimizer: z.literal('fedavgm').optional(),
  learningRate: z.number().positive().max(100).default(1),
  /** 0.8 needs half the rounds of 0. */
  momentum: z.number().min(0).max(0.99).default(0),
});
type MomentumSettings = z.infer<typeof momentumSettings>;

/** Empty without momentum, which remembers nothing. */
export interface MomentumState {
  readonly velocity: Float32Array;
}

export function startMomentum({ momentum }: MomentumSettings, length: number): MomentumState {
  return { velocity: new Float32Array(momentum === 0 ? 0 : length) };
}

/**
 * One step, in float64, each result rounded once to float32. Changes `state`.
 * @param change the average change of each weight is `change[i]·factor`
 * @param to receives the new weights; may not be `from`
 */
export function momentumStep(
  { momentum, learningRate }: MomentumSettings,
  { velocity }: MomentumState,
  change: Int32Array,
  factor: number,
  from: Float32Array,
  to: Float32Array,
): void {
  if (momentum === 0) {
    for (let i = 0; i < to.length; i++) to[i] = from[i]! + learningRate * (change[i]! * factor);
    return;
  }
  for (let i = 0; i < to.length; i++) {
    velocity[i] = momentum * velocity[i]! + change[i]! * factor;
    to[i] = from[i]! + learningRate * velocity[i]!;
  }
}
