/** Parts of the protocol's messages. */
import { z } from 'zod';
import { hash, signature64 } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { SESSION_BANKS_MAX } from '#shared/secure-sum/thresholds.ts';

/** A signed head of the ledger: with the charter's origin it is a C2SP checkpoint (ledger/checkpoint.ts). */
export const signedHead = z.strictObject({
  /** Entries under it. */
  size: z.int().min(1),
  root: hash,
  /** The ledger key's, over the text of the note. */
  signature: signature64,
});
export type SignedHead = z.infer<typeof signedHead>;

/**
 * Who had this done: the name of the operator's access token. It is the coordinator's word, and so are the names. Absent
 * where the coordinator did it by itself.
 */
export const operatorName = z
  .string()
  .regex(/^[\w.@-]{1,60}$/, 'letters, digits, and . _ @ -, 1 to 60 of them');

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
export const errorCode = z.string().regex(/^[A-Z_]{2,40}$/);

/** Figures after the last sum, by name. */
export const metrics = z.record(z.string().regex(/^[a-z][A-Za-z0-9]{0,39}$/), z.number());
