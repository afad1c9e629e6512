/**
 * Fields: how numbers become words of a ring, Z/2^32 or Z/2^64, so that sums of masked and of plain vectors
 * are the same bits.
 *
 * A field clamps each value to [-clip, clip], multiplies by `scale` and rounds to an integer. The vector of
 * a question is one canary word (always 1, so its sum counts the banks and any mask that does not cancel
 * shows), then the fields in order.
 *
 * Overflow bound, checked by the coordinator and by every agent before anything is encoded:
 *   participants · (scale · clip + 1) < 2^31 in u32, 2^53 in u64     for every field (canary: scale = clip = 1)
 */
import { z } from 'zod';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

export const ring = z.enum(['u32', 'u64']);
export type Ring = z.infer<typeof ring>;

export const field = z.strictObject({
  name: z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,39}$/),
  /** Number of words. */
  length: z.int().min(1).max(LIMITS.vectorWordsMax),
  /** Integer units per unit of the value. */
  scale: z.number().positive(),
  /** Largest magnitude one bank may contribute to one element, in the value's unit. */
  clip: z.number().positive(),
  /**
   * `nearest` is exact for values that are integers after scaling; `stochastic` rounds up with probability
   * equal to the fraction, so that the error of a sum of many small values averages out.
   */
  rounding: z.enum(['nearest', 'stochastic']),
});
export type Field = z.infer<typeof field>;

/** Words of the whole vector: the canary and all fields. */
export function vectorLength(fields: readonly Field[]): number {
  return fields.reduce((sum, f) => sum + f.length, 1);
}

export function wordBytes(ringName: Ring): 4 | 8 {
  return ringName === 'u32' ? 4 : 8;
}

/** Sums stay below this: half the ring in u32; in u64 below 2^53, because they leave it as float64. */
const RING_BOUND = { u32: 2 ** 31, u64: 2 ** 53 } as const;

/** Largest integer one bank may put into a word of this field. */
export function fieldLimit(f: Field): number {
  return Math.floor(f.scale * f.clip) + 1;
}

/**
 * @throws FederationError OVERFLOW naming the field
 */
export function assertNoOverflow(fields: readonly Field[], ringName: Ring, participants: number): void {
  const bound = RING_BOUND[ringName];
  for (const f of fields) {
    if (!(participants * (f.scale * f.clip + 1) < bound)) {
      throw new FederationError(
        'OVERFLOW',
        `field "${f.name}": ${participants} banks × (scale ${f.scale} × clip ${f.clip} + 1) must stay below ` +
          `2^${Math.log2(bound)} in the ${ringName} ring; choose a smaller scale`,
      );
    }
  }
}

/** The largest power-of-two scale that `assertNoOverflow` accepts for values up to `clip`. */
export function largestScale(ringName: Ring, participants: number, clip: number): number {
  return 2 ** Math.floor(Math.log2((RING_BOUND[ringName] / participants - 1) / clip) - 1e-9);
}
