/** Parts of the protocol's messages. */
import { z } from 'zod';
import { hash, signature64 } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { SESSION_BANKS_MAX } from '#shared/secure-sum/thresholds.ts';
import { SKETCH_PRIMES } from '#shared/secure-sum/vector-sketch.ts';

/** A signed head of the ledger: with the charter's origin it is a C2SP checkpoint (ledger/checkpoint.ts). */
export const signedHead = z.strictObject({
  /** Entries under it. */
  size: z.int().min(1),
  root: hash,
  /** The ledger key's, over the text of the note. */
  signature: signature64,
});
export type SignedHead = z.infer<typeof signedHead>;

export const roundNumber = z.int().min(0).max(LIMITS.roundsMax);
export const rosterIndex = z
  .int()
  .min(0)
  .max(LIMITS.participantsMax - 1);
export const words = z.int().min(1).max(LIMITS.vectorWordsMax);
export const slotNumber = z
  .int()
  .min(0)
  .max(LIMITS.sessionSlotsMax - 1);
export const bankIndex = z
  .int()
  .min(0)
  .max(SESSION_BANKS_MAX - 1);
export const bankCount = z.int().min(1).max(SESSION_BANKS_MAX);
/** A secret share: 32 bytes and its coordinate. */
export const share33 = z.string().regex(/^[A-Za-z0-9_-]{44}$/, '33 bytes in base64url');
/** See secure-sum/vector-sketch.ts. */
export const sketch = z
  .array(z.int().min(0))
  .length(SKETCH_PRIMES.length)
  .refine((values) => values.every((value, k) => value < SKETCH_PRIMES[k]!), 'a number below each prime');
export const errorCode = z.string().regex(/^[A-Z_]{2,40}$/);

/** Figures after the last sum, by name. */
export const metrics = z.record(z.string().regex(/^[a-z][A-Za-z0-9]{0,39}$/), z.number());
