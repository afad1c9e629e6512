/** A fault that has a name, with what proves it (ledger/blame-rules.ts). */
import { z } from 'zod';
import { sentence } from '#shared/protocol/foreign-text.ts';
import { hash, participantId, runId, signature64 } from '#shared/protocol/ids.ts';
import { bankIndex, errorCode } from '#shared/protocol/payloads/fields.ts';
import { roundPayloads } from '#shared/protocol/payloads/round.ts';
import { SESSION_BANKS_MAX } from '#shared/secure-sum/thresholds.ts';

const bytesText = z
  .string()
  .regex(/^[A-Za-z0-9_-]*$/, 'base64url')
  .max(32_768);

/** A bank cannot open what these dealers dealt to it, or says so. */
const complaints = z.strictObject({
  session: hash,
  complainer: participantId,
  dealers: z.array(bankIndex).min(1).max(SESSION_BANKS_MAX),
});
export type Complaints = z.infer<typeof complaints>;

/** A share that the culprit revealed, and what its dealer had committed to (secure-sum/commitment-proof.ts). */
const badShare = z.strictObject({
  message: z.strictObject({ type: z.literal('unmask'), payload: roundPayloads.unmask, sig: signature64 }),
  dealer: bankIndex,
  roots: bytesText,
  commitments: bytesText,
});
export type BadShare = z.infer<typeof badShare>;

/** What these banks have revealed in the round does not give the seed that the culprit published. */
const dealerShares = z.strictObject({
  ctx: hash,
  revealers: z.array(bankIndex).min(1).max(SESSION_BANKS_MAX),
});
export type DealerShares = z.infer<typeof dealerShares>;

export const blamePayloads = {
  blame: z.strictObject({
    run: runId,
    culprit: participantId,
    code: errorCode,
    reason: sentence,
    evidence: z.union([complaints, badShare, dealerShares]),
  }),
} as const;
