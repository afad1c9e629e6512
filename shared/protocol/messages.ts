/**
 * Every signed message of the protocol. One that is accepted becomes one ledger entry; nothing else is
 * journalled. Each names its parent by hash, so a message cannot be moved to another run or round:
 *
 *   charter ← invite ← enrol, admit
 *   charter ← run-proposed ← consent, run-started ← open-round ← plain-input | refuse-round
 *                                                              ← close-round | void-round ← open-round …
 *                                                 ← run-finished
 */
import { z } from 'zod';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash, key32, participantId, runId, signature64, timeMs } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { plan } from '#shared/protocol/plan.ts';
import { ring } from '#shared/ring/field.ts';

const sentence = z.string().max(500);
const roundNumber = z.int().min(0).max(LIMITS.roundsMax);
const rosterIndex = z
  .int()
  .min(0)
  .max(LIMITS.participantsMax - 1);
const words = z.int().min(1).max(LIMITS.vectorWordsMax);
const errorCode = z.string().regex(/^[A-Z_]{2,40}$/);

/** Figures after the last sum, by name. */
export const metrics = z.record(z.string().regex(/^[a-z][A-Za-z0-9]{0,39}$/), z.number());

const payloads = {
  /** Entry 0: who this consortium is. Its hash is what an auditor pins. */
  charter: z.strictObject({
    v: z.literal(1),
    consortium: z.string().min(1).max(100),
    /** C2SP origin line of the ledger's checkpoints. */
    origin: z
      .string()
      .regex(/^[!-~]{1,200}$/)
      .refine((s) => !s.includes('+'), 'must not contain "+"'),
    coordinatorKey: key32,
    logKey: key32,
  }),

  /** The operator invites one bank, once. The token itself travels outside the platform. */
  invite: z.strictObject({
    charter: hash,
    participant: participantId,
    /** SHA-256 of the token's text. */
    tokenHash: hash,
    expiresAt: timeMs,
  }),

  /** The bank presents the token and its new identity key; its signature proves that it holds the key. */
  enrol: z.strictObject({
    /** Hash of the invite. */
    invite: hash,
    from: participantId,
    token: z.string().min(20).max(100),
    identityKey: key32,
    agentVersion: z.string().max(40),
  }),

  /** The operator has compared the fingerprint with the bank over another channel. */
  admit: z.strictObject({
    /** Hash of the enrol. */
    enrol: hash,
    participant: participantId,
  }),

  'run-proposed': z.strictObject({ charter: hash, plan }),

  consent: z.strictObject({
    run: runId,
    from: participantId,
    decision: z.enum(['granted', 'refused']),
    reason: sentence,
  }),

  'run-started': z.strictObject({
    run: runId,
    /** The banks that granted, sorted. Positions in this list are the indices of later messages. */
    roster: z.array(participantId).min(1).max(LIMITS.participantsMax),
  }),

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

  /** The bank will not answer: its policy, its data or its own recomputation says no. */
  'refuse-round': z.strictObject({ ctx: hash, from: participantId, code: errorCode, reason: sentence }),

  'close-round': z.strictObject({
    ctx: hash,
    /** Roster indices whose vectors are in the sum, ascending. */
    survivors: z.array(rosterIndex).min(1).max(LIMITS.participantsMax),
    /** messageHash("survivors", {ctx, vectors: [[index, vectorRoot], …]}) */
    survivorsHash: hash,
    sumRoot: hash,
  }),

  /** The round gave no sum. */
  'void-round': z.strictObject({ ctx: hash, code: errorCode, reason: sentence }),

  'run-finished': z.strictObject({
    run: runId,
    parent: hash,
    outcome: z.enum(['completed', 'stopped', 'failed']),
    code: errorCode.optional(),
    reason: sentence,
    /** Root of the model artefact, when completed. */
    artefact: hash.optional(),
    metrics,
  }),
} as const;

export type MessageType = keyof typeof payloads;
export type Payload<Type extends MessageType> = z.infer<(typeof payloads)[Type]>;

/** A signed message of one type, or of any. */
export type Message<Type extends MessageType = MessageType> = {
  [T in Type]: { readonly type: T; readonly payload: Payload<T>; readonly sig: string };
}[Type];

/** What a bank may sign. Everything else is the coordinator's. */
export const BANK_MESSAGES = ['enrol', 'consent', 'plain-input', 'refuse-round'] as const;
export type BankMessage = Message<(typeof BANK_MESSAGES)[number]>;

export function isBankMessage(message: Message): message is BankMessage {
  return (BANK_MESSAGES as readonly string[]).includes(message.type);
}

const messageShape = (type: MessageType) =>
  z.strictObject({ type: z.literal(type), payload: payloads[type], sig: signature64 });

/** Any message, discriminated by `type`; unknown types and unknown keys are refused. */
export const message = z.discriminatedUnion('type', [
  messageShape('charter'),
  ...(Object.keys(payloads) as MessageType[]).filter((type) => type !== 'charter').map(messageShape),
]);

/**
 * @throws FederationError SCHEMA, naming the first field that is wrong, never its value
 */
export function parseMessage(value: unknown): Message {
  const parsed = safely(() => message.safeParse(value));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FederationError(
      'SCHEMA',
      `expected a message of the protocol; ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'is wrong'}`,
    );
  }
  return parsed.data as Message;
}

/** Nesting without end exhausts the stack of a recursive schema: that is a wrong shape like any other. */
function safely<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new FederationError('SCHEMA', 'expected a message of the protocol; it is nested too deeply', {
      cause,
    });
  }
}
