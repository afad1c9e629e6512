/** Who belongs to the consortium, its keys, and what concerns the ledger as a whole. */
import { z } from 'zod';
import { hash, key32, participantId, runId, signature64, timeMs } from '#shared/protocol/ids.ts';
import { legible, sentence } from '#shared/protocol/foreign-text.ts';
import { operatorName } from '#shared/protocol/payloads/fields.ts';

/** In whose company an answer is added up. */
export const company = z.strictObject({
  /** One bank in so many is assumed to collude with the coordinator, and one at least. */
  oneColluderIn: z.int().min(3).max(1000),
  /** Fewest honest banks in a sum. */
  honest: z.int().min(2).max(100),
  /** Fewest banks in a run. */
  banks: z.int().min(3).max(100),
});

export const consortiumPayloads = {
  /** Entry 0: who this consortium is. Its hash is what an auditor pins. */
  charter: z.strictObject({
    v: z.literal(1),
    consortium: legible(z.string().min(1).max(100)),
    /** C2SP origin line of the ledger's checkpoints. */
    origin: z
      .string()
      .regex(/^[!-~]{1,200}$/)
      .refine((s) => !s.includes('+'), 'must not contain "+"'),
    coordinatorKey: key32,
    logKey: key32,
    /** How long the bodies of a run are evidence: nobody deletes them sooner. Absent: see ledger/record-rules.ts. */
    leastRetentionDays: z.int().min(0).max(36_500).optional(),
    /** In whose company an answer is added up; absent: see ledger/company.ts. */
    company: company.optional(),
  }),

  /** The operator invites one bank, once. The token itself travels outside the platform. */
  invite: z.strictObject({
    charter: hash,
    participant: participantId,
    /** SHA-256 of the token's text. */
    tokenHash: hash,
    expiresAt: timeMs,
    by: operatorName.optional(),
  }),

  /** The bank presents the token and its new identity key; its signature proves that it holds the key. */
  enrol: z.strictObject({
    /** Hash of the invite. */
    invite: hash,
    from: participantId,
    token: z.string().min(20).max(100),
    identityKey: key32,
    /** Cosigns checkpoints; never the identity key. */
    witnessKey: key32,
    agentVersion: legible(z.string().max(40)),
  }),

  /** The operator has compared the fingerprint with the bank over another channel. */
  admit: z.strictObject({
    /** Hash of the enrol. */
    enrol: hash,
    participant: participantId,
    by: operatorName.optional(),
  }),

  /** A bank changes both its keys. Signed with the old identity key; `proof` shows that it holds the new one. */
  'rotate-key': z.strictObject({
    charter: hash,
    from: participantId,
    identityKey: key32,
    witnessKey: key32,
    /** By the new identity key: see ledger/key-rules.ts. */
    proof: signature64,
  }),

  /** From here on nothing this bank signs is taken. What it signed before stays valid. */
  revoke: z.strictObject({
    charter: hash,
    participant: participantId,
    reason: sentence,
    by: operatorName.optional(),
  }),

  /** The ledger's heads are signed by another key from here on. */
  'rotate-log-key': z.strictObject({
    charter: hash,
    logKey: key32,
    /** By the old ledger key, and by the new one. */
    endorsement: signature64,
    proof: signature64,
    by: operatorName.optional(),
  }),

  /** The coordinator's messages are signed by another key from here on. Signed by the old one. */
  'rotate-coordinator-key': z.strictObject({
    charter: hash,
    coordinatorKey: key32,
    /** By the new key: see ledger/key-rules.ts. */
    proof: signature64,
    by: operatorName.optional(),
  }),

  /** The bodies of these runs have reached the end of the retention period and are deleted; entries stay. */
  retention: z.strictObject({
    charter: hash,
    runs: z.array(runId).min(1).max(500),
    reason: sentence,
    by: operatorName.optional(),
  }),

  /** Something that people who read this ledger later should know. */
  incident: z.strictObject({ charter: hash, reason: sentence.min(1), by: operatorName.optional() }),

  /** An access token was made, or made worthless: whoever holds an operator's can do what entries say an operator did. */
  token: z.strictObject({
    charter: hash,
    change: z.enum(['added', 'removed']),
    name: operatorName,
    role: z.enum(['operator', 'auditor']),
    expiresAt: timeMs,
    by: operatorName.optional(),
  }),
} as const;
