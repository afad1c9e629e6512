/**
 * Adaptive federated optimisation (Reddi et al. 2021, algorithm 2): the average change Δ of the weights is taken
 * for a gradient, and each weight gets a step of its own size.
 *
 *   m ← β₁·m + (1 − β₁)·Δ,   v as the optimiser says,   w ← w + η·m / (√v + τ)
 *
 * m starts at 0 and v at τ², the least the paper allows; no correction of the start, as there.
 */
import { z } from 'zod';
import { fedadagrad } from '#models/fedavg/server/fedadagrad.ts';
import { fedadam } from '#models/fedavg/server/fedadam.ts';
import { fedyogi } from '#models/fedavg/server/fedyogi.ts';

const RULES = { fedadagrad, fedadam, fedyogi } as const;

export const adaptiveSettings = z.strictObject({
  optimizer: z.enum(['fedadagrad', 'fedadam', 'fedyogi']),
  /** About how far a weight moves in a round when banks agree; in units of a weight. */
  learningRate: z.number().positive().max(100).default(0.01),
  beta1: z.number().min(0).max(0.999).default(0.9),
  /** Of no effect in fedadagrad. */
  beta2: z.number().min(0).max(0.9999).default(0.99),
  /** Changes far below this are not made larger. */
  tau: z.number().min(1e-8).max(1).default(0.001),
});
type AdaptiveSettings = z.infer<typeof adaptiveSettings>;

/** One entry a weight, each. */
export interface AdaptiveState {
  readonly m: Float32Array;
  readonly v: Float32Array;
}

export function startAdaptive({ tau }: AdaptiveSettings, length: number): AdaptiveState {
  return { m: new Float32Array(length), v: new Float32Array(length).fill(tau * tau) };
}

/** As `momentumStep`: float64, each result rounded once to float32; changes `state`. */
export function adaptiveStep(
  { optimizer, learningRate, beta1, beta2, tau }: AdaptiveSettings,
  { m, v }: AdaptiveState,
  change: Int32Array,
  factor: number,
  from: Float32Array,
  to: Float32Array,
): void {
  const secondMoment = RULES[optimizer];
  for (let i = 0; i < to.length; i++) {
    const delta = change[i]! * factor;
    m[i] = beta1 * m[i]! + (1 - beta1) * delta;
    v[i] = secondMoment(v[i]!, delta * delta, beta2);
    to[i] = from[i]! + (learningRate * m[i]!) / (Math.sqrt(v[i]!) + tau);
  }
}
