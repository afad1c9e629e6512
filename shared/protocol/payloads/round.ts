/** A round: a question, answers in the open or masked, and their sum. */
import { z } from 'zod';
import { sentence } from '#shared/protocol/foreign-text.ts';
import { hash, participantId, runId, timeMs } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import {
  bankIndex,
  errorCode,
  metrics,
  rosterIndex,
  roundNumber,
  share33,
  signedHead,
  slotNumber,
  words,
} from '#shared/protocol/payloads/fields.ts';
import { SESSION_BANKS_MAX } from '#shared/secure-sum/thresholds.ts';
import { ring } from '#shared/ring/field.ts';

export const roundPayloads = {
  'open-round': z.strictObject({
    run: runId,
    /** Hash of run-started, or of the close-round or void-round before this. */
    parent: hash,
    round: roundNumber,
    attempt: z.int().min(0).max(100),
    question: z.strictObject({ kind: z.string().max(40), hash, ring, length: words }),
    /** What the last sum showed. Derived: every agent computes the same figures. */
    metrics,
    deadlineAt: timeMs,
    /** The ledger before this round. Every answer names the open-round and so stands behind this head too. */
    head: signedHead,
    /** Masked runs: hash of the seal-session whose keys this round uses up, and which of them. */
    keys: z.strictObject({ session: hash, slot: slotNumber }).optional(),
  }),

  'plain-input': z.strictObject({
    /** Hash of the open-round. */
    ctx: hash,
    from: participantId,
    ring,
    length: words,
    /** Root of the body: the vector's words, little-endian. */
    vectorRoot: hash,
  }),

  'masked-input': z.strictObject({
    ctx: hash,
    from: participantId,
    slot: slotNumber,
    ring,
    length: words,
    /** Root of the body: the masked vector's words, little-endian. */
    vectorRoot: hash,
  }),

  /** The bank will not answer: its policy, its data or its own recomputation says no. */
  'refuse-round': z.strictObject({ ctx: hash, from: participantId, code: errorCode, reason: sentence }),

  /** Whose vectors are in the sum. From here on late vectors stay out. */
  'fix-survivors': z.strictObject({
    ctx: hash,
    slot: slotNumber,
    survivors: z.array(bankIndex).min(1).max(SESSION_BANKS_MAX),
    survivorsHash: hash,
  }),

  /** "I have seen these survivors, and certify no others for this slot." */
  'consistency-check': z.strictObject({
    ctx: hash,
    slot: slotNumber,
    from: participantId,
    survivors: hash,
  }),

  unmask: z.strictObject({
    ctx: hash,
    slot: slotNumber,
    from: participantId,
    survivors: hash,
    /** One for each dealer, in their order: of its self seed if it survived, else of its mask seed. */
    shares: z.array(share33).min(1).max(SESSION_BANKS_MAX),
  }),

  'close-round': z.strictObject({
    ctx: hash,
    /** Roster indices whose vectors are in the sum, ascending. */
    survivors: z.array(rosterIndex).min(1).max(LIMITS.participantsMax),
    /** messageHash("survivors", {ctx, vectors: [[index, vectorRoot], …]}) */
    survivorsHash: hash,
    sumRoot: hash,
  }),

  /** A bank has computed the sum itself, from the masked vectors and the revealed shares. */
  'confirm-sum': z.strictObject({ ctx: hash, from: participantId, sumRoot: hash }),

  /** The round gave no sum. */
  'void-round': z.strictObject({ ctx: hash, code: errorCode, reason: sentence }),

  /** "I have revealed nothing for this slot, and never will": a vote to ask the question again. */
  'abort-round': z.strictObject({ ctx: hash, slot: slotNumber, from: participantId, query: hash }),
} as const;
