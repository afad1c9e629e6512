/**
 * The local learning rate from round to round. Steps that do not become smaller keep the average of several banks
 * moving about the optimum (Li et al. 2020, "On the convergence of FedAvg on non-IID data", theorem 4).
 *
 *   constant   η
 *   cosine     η·(f + (1 − f)·(1 + cos(π·t/T))/2): from η down to nearly f·η in the last round (Loshchilov & Hutter
 *              2017, equation 5, without restarts)
 *   step       η·factor^⌊t/every⌋
 */
import { z } from 'zod';

export const schedule = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant') }),
  z.strictObject({
    kind: z.literal('cosine'),
    /** What it comes down to, as a share of the first rate. */
    final: z.number().min(0).max(1).default(0),
  }),
  z.strictObject({
    kind: z.literal('step'),
    /** Rounds between two steps. */
    every: z.int().min(1).max(10_000),
    factor: z.number().min(0.001).max(1),
  }),
]);
export type Schedule = z.infer<typeof schedule>;

/**
 * @param round of training, from 0
 * @param rounds the most there can be: the plan's, though a run may stop earlier
 * @returns the factor on the learning rate, in [0, 1]
 */
export function rateFactor(of: Schedule, round: number, rounds: number): number {
  switch (of.kind) {
    case 'constant':
      return 1;
    case 'cosine':
      return of.final + (1 - of.final) * halfCosine(round / rounds);
    case 'step': {
      let factor = 1;
      for (let step = 0; step < Math.floor(round / of.every); step++) factor *= of.factor;
      return factor;
    }
  }
}

/** (1 + cos πt)/2 = cos²(πt/2) for t in [0, 1], by the power series of cos: Math.cos differs between machines. */
function halfCosine(t: number): number {
  const angle = (Math.PI / 2) * t;
  const square = angle * angle;
  let sum = 0;
  for (let k = 24; k >= 2; k -= 2) sum = (1 - sum) * (square / (k * (k - 1)));
  return (1 - sum) * (1 - sum);
}
