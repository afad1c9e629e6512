/** A run: proposed, consented to, started, cosigned, finished. */
import { z } from 'zod';
import { sentence } from '#shared/protocol/foreign-text.ts';
import { hash, key32, participantId, runId, signature64 } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { errorCode, metrics, operatorName, signedHead } from '#shared/protocol/payloads/fields.ts';
import { plan } from '#shared/protocol/plan.ts';
import { SESSION_BANKS_MAX, SESSION_BANKS_MIN } from '#shared/secure-sum/thresholds.ts';

export const runPayloads = {
  'run-proposed': z.strictObject({ charter: hash, plan, by: operatorName.optional() }),

  consent: z.strictObject({
    run: runId,
    from: participantId,
    decision: z.enum(['granted', 'refused']),
    reason: sentence,
    /** It holds for a run of so many banks at least. */
    fewest: z.int().min(1).max(LIMITS.participantsMax).optional(),
  }),

  /**
   * A bank that has consented takes no part any more. It says why only where its policy lets it: what is wrong with its
   * rows is its own business.
   */
  withdraw: z.strictObject({ run: runId, from: participantId, reason: sentence.optional() }),

  'run-started': z.strictObject({
    run: runId,
    /** The banks that granted, sorted. Positions in this list are the indices of later messages. */
    roster: z.array(participantId).min(1).max(LIMITS.participantsMax),
    /** Masked runs: the enrolled key of each, by which the banks check each other's signatures. */
    identityKeys: z.array(key32).min(SESSION_BANKS_MIN).max(SESSION_BANKS_MAX).optional(),
    /** The enrolled witness key of each: with them anybody can tell whether the end is cosigned. */
    witnessKeys: z.array(key32).min(1).max(LIMITS.participantsMax),
    by: operatorName.optional(),
  }),

  /** The program is done: the banks are asked to cosign the ledger, last sum included. */
  checkpoint: z.strictObject({
    run: runId,
    /** Hash of the last close-round. */
    parent: hash,
    head: signedHead,
  }),

  /** A bank's witness has seen the ledger grow, entry by entry, to the head of a checkpoint. */
  cosign: z.strictObject({
    /** Hash of the checkpoint. */
    checkpoint: hash,
    from: participantId,
    /** Seconds since 1970, as in the cosignature. */
    time: z.int().min(0),
    /** C2SP cosignature/v1 by the witness key. */
    signature: signature64,
  }),

  'run-finished': z.strictObject({
    run: runId,
    parent: hash,
    /** Completed runs: hash of the checkpoint that a quorum has cosigned. */
    checkpoint: hash.optional(),
    outcome: z.enum(['completed', 'stopped', 'failed']),
    code: errorCode.optional(),
    reason: sentence,
    /** Root of the model artefact, when completed. */
    artefact: hash.optional(),
    metrics,
    by: operatorName.optional(),
  }),
} as const;
