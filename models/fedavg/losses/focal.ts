/**
 * Focal loss (Lin et al. 2017, equation 5): rows that are already told apart count less.
 *
 *   p_t = σ((2y − 1)z),  α_t = α of a bad and 1 − α of a good
 *   L = −α_t·(1 − p_t)^γ·ln p_t
 *   dL/dz = (2y − 1)·α_t·(1 − p_t)^γ·(γ·p_t·ln p_t + p_t − 1)
 *
 * It is no proper loss: at a true PD of 5 % the σ(z) that makes it least is 25 % with α = ½ and γ = 2. That σ(z) is
 * turned back into the PD it stands for (Charoenphakdee et al. 2021, theorem 11, for α = ½). Where the derivative
 * of PD·L(bad) + (1 − PD)·L(good) vanishes,
 *
 *   PD = (1 − α)·φ(1 − p) / (α·φ(p) + (1 − α)·φ(1 − p)),   φ(p) = (1 − p)^γ / p − γ·(1 − p)^(γ−1)·ln p
 *
 * Assumes a network that fits; its calibration is judged all the same.
 */
import { z } from 'zod';
import { exp, log, log1p, logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';

export const focal = z.strictObject({
  kind: z.literal('focal'),
  /** Weight of the bads, in (0, 1); that of the goods is what is left to 1. */
  alpha: z.number().min(0.001).max(0.999),
  /** How much less the rows count that are told apart; 0 is cross-entropy weighted by α. */
  gamma: z.number().min(0).max(5),
});
type Focal = z.infer<typeof focal>;

/** ln(1 + e^z) = −ln σ(−z) */
function softplus(x: number): number {
  return logLossOf(x, 0);
}

export function focalLoss({ alpha, gamma }: Focal, logit: number, bad: number): number {
  const s = bad === 1 ? logit : -logit;
  return (bad === 1 ? alpha : 1 - alpha) * exp(-gamma * softplus(s)) * softplus(-s);
}

export function focalGradient({ alpha, gamma }: Focal, logit: number, bad: number): number {
  const s = bad === 1 ? logit : -logit;
  const p = sigmoid(s);
  const slope = exp(-gamma * softplus(s)) * (-gamma * p * softplus(-s) - sigmoid(-s));
  return bad === 1 ? alpha * slope : -(1 - alpha) * slope;
}

/**
 * The log-odds of the PD above, in a form that neither overflows nor cancels. With r(z) = e^z·ln(1 + e^−z),
 *
 *   φ(σ(z)) = σ(−z)^(γ−1)·e^−z·(1 + γ·r(z)),   so
 *   ln(PD / (1 − PD)) = ln((1 − α)/α) + (γ + 1)·z + ln(1 + γ·r(−z)) − ln(1 + γ·r(z))
 *
 * It rises with z, so that ranks stay what they are.
 */
export function unfocusedLogit({ alpha, gamma }: Focal, logit: number): number {
  const odds = log((1 - alpha) / alpha);
  return odds + (gamma + 1) * logit + log1p(gamma * ratio(-logit)) - log1p(gamma * ratio(logit));
}

/** r(z): 0 far below zero, ln 2 at zero, 1 far above. */
function ratio(x: number): number {
  if (x <= 0) return exp(x) * softplus(-x);
  const e = exp(-x);
  return e === 0 ? 1 : log1p(e) / e;
}
