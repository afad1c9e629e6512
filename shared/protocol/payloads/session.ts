/** Keys for masked rounds, dealt in one session for many (docs/secure-sum.md). */
import { z } from 'zod';
import { sentence } from '#shared/protocol/foreign-text.ts';
import { hash, key32, participantId, runId, timeMs } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { bankCount, bankIndex, errorCode } from '#shared/protocol/payloads/fields.ts';
import { SESSION_BANKS_MAX, SESSION_BANKS_MIN } from '#shared/secure-sum/thresholds.ts';

export const sessionPayloads = {
  /** Key material for `slots` rounds is about to be dealt among these banks. */
  'open-session': z.strictObject({
    run: runId,
    /** Hash of run-started, or of the close-round or void-round before this. */
    parent: hash,
    suite: z.literal('x25519-hkdf256-aes256ctr-gf256'),
    /** 16 random bytes: no two sessions are ever the same. */
    nonce: z.string().regex(/^[A-Za-z0-9_-]{21}[AQgw]$/, '16 bytes in base64url'),
    /** Sorted. A bank's place in this list is its index in every message of the session and its rounds. */
    participants: z.array(participantId).min(SESSION_BANKS_MIN).max(SESSION_BANKS_MAX),
    /** As `thresholdsFor` gives them; every bank computes them again. */
    thresholds: z.strictObject({
      colluders: bankCount,
      quorum: bankCount,
      threshold: bankCount,
      minimum: bankCount,
    }),
    slots: z.int().min(1).max(LIMITS.sessionSlotsMax),
    deadlineAt: timeMs,
  }),

  'advertise-keys': z.strictObject({
    /** Hash of the open-session. */
    session: hash,
    from: participantId,
    /** X25519: the shares meant for this bank are encrypted under it. */
    channelKey: key32,
    /** X25519, one for each slot: mask keys are agreed with it. */
    slotKeys: z.array(key32).min(1).max(LIMITS.sessionSlotsMax),
    /** Commitments to the self seeds, one for each slot. */
    seedCommitments: z.array(key32).min(1).max(LIMITS.sessionSlotsMax),
  }),

  'share-keys': z.strictObject({
    session: hash,
    /** messageHash("roster", hashes of all advertise-keys in roster order): the keys this bank was shown. */
    roster: hash,
    from: participantId,
    /** Roots over commitments and ciphertexts in the share table, which is a body of its own. */
    shareRoot: hash,
    cipherRoot: hash,
    table: hash,
  }),

  'seal-session': z.strictObject({
    session: hash,
    roster: hash,
    /** Indices of the banks that dealt, ascending, and the share roots they signed. */
    dealers: z.array(bankIndex).min(SESSION_BANKS_MIN).max(SESSION_BANKS_MAX),
    shareRoots: z.array(hash).min(SESSION_BANKS_MIN).max(SESSION_BANKS_MAX),
  }),

  /** The shares of one dealer cannot be opened, or do not fit what it signed. */
  complain: z.strictObject({
    session: hash,
    from: participantId,
    against: bankIndex,
    code: errorCode,
    reason: sentence,
  }),

  /** No further round uses this session. */
  'void-session': z.strictObject({ session: hash, code: errorCode, reason: sentence }),
} as const;
