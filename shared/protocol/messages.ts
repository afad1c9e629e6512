/**
 * Every signed message of the protocol. One that is accepted becomes one ledger entry; nothing else is
 * journalled. Each names its parent by hash, so a message cannot be moved to another run or round:
 *
 *   charter ← invite ← enrol, admit
 *   charter ← rotate-key, revoke, rotate-log-key, retention, incident
 *   charter ← run-proposed ← consent, run-started ← open-round ← plain-input | refuse-round
 *                                                              ← close-round | void-round ← open-round …
 *                                                 ← checkpoint ← cosign
 *                                                 ← run-finished
 *
 * Masked runs deal keys first, for many rounds, and a round has more steps (docs/secure-sum.md):
 *
 *   run-started … ← open-session ← advertise-keys ← share-keys ← seal-session ← complain, void-session
 *   seal-session  ← open-round ← masked-input ← fix-survivors ← consistency-check ← unmask ← close-round
 *                              ← void-round ← abort-round                          close-round ← confirm-sum
 */
import { z } from 'zod';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash, key32, participantId, runId, signature64, timeMs } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { plan } from '#shared/protocol/plan.ts';
import { SESSION_BANKS_MAX, SESSION_BANKS_MIN } from '#shared/secure-sum/thresholds.ts';
import { ring } from '#shared/ring/field.ts';

/** A signed head of the ledger: with the charter's origin it is a C2SP checkpoint (ledger/checkpoint.ts). */
export const signedHead = z.strictObject({
  /** Entries under it. */
  size: z.int().min(1),
  root: hash,
  /** The ledger key's, over the text of the note. */
  signature: signature64,
});
export type SignedHead = z.infer<typeof signedHead>;

const sentence = z.string().max(500);
const roundNumber = z.int().min(0).max(LIMITS.roundsMax);
const rosterIndex = z
  .int()
  .min(0)
  .max(LIMITS.participantsMax - 1);
const words = z.int().min(1).max(LIMITS.vectorWordsMax);
const slotNumber = z
  .int()
  .min(0)
  .max(LIMITS.sessionSlotsMax - 1);
const bankIndex = z
  .int()
  .min(0)
  .max(SESSION_BANKS_MAX - 1);
const bankCount = z.int().min(1).max(SESSION_BANKS_MAX);
/** A secret share: 32 bytes and its coordinate. */
const share33 = z.string().regex(/^[A-Za-z0-9_-]{44}$/, '33 bytes in base64url');
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
    /** Cosigns checkpoints; never the identity key. */
    witnessKey: key32,
    agentVersion: z.string().max(40),
  }),

  /** The operator has compared the fingerprint with the bank over another channel. */
  admit: z.strictObject({
    /** Hash of the enrol. */
    enrol: hash,
    participant: participantId,
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
  revoke: z.strictObject({ charter: hash, participant: participantId, reason: sentence }),

  /** The ledger's heads are signed by another key from here on. */
  'rotate-log-key': z.strictObject({
    charter: hash,
    logKey: key32,
    /** By the old ledger key, and by the new one. */
    endorsement: signature64,
    proof: signature64,
  }),

  /** The bodies of these runs have reached the end of the retention period and are deleted; entries stay. */
  retention: z.strictObject({ charter: hash, runs: z.array(runId).min(1).max(500), reason: sentence }),

  /** Something that people who read this ledger later should know. */
  incident: z.strictObject({ charter: hash, reason: sentence.min(1) }),

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
    /** Masked runs: the enrolled key of each, by which the banks check each other's signatures. */
    identityKeys: z.array(key32).min(SESSION_BANKS_MIN).max(SESSION_BANKS_MAX).optional(),
    /** The enrolled witness key of each: with them anybody can tell whether the end is cosigned. */
    witnessKeys: z.array(key32).min(1).max(LIMITS.participantsMax),
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

  'masked-input': z.strictObject({
    ctx: hash,
    from: participantId,
    slot: slotNumber,
    ring,
    length: words,
    /** Root of the body: the masked vector's words, little-endian. */
    vectorRoot: hash,
  }),

  /** Whose vectors are in the sum. From here on late vectors stay out. */
  'fix-survivors': z.strictObject({
    ctx: hash,
    slot: slotNumber,
    survivors: z.array(bankIndex).min(1).max(SESSION_BANKS_MAX),
    survivorsHash: hash,
  }),

  /** "I have seen these survivors, and certify no others for this slot." */
  'consistency-check': z.strictObject({ ctx: hash, slot: slotNumber, from: participantId, survivors: hash }),

  unmask: z.strictObject({
    ctx: hash,
    slot: slotNumber,
    from: participantId,
    survivors: hash,
    /** One for each dealer, in their order: of its self seed if it survived, else of its mask seed. */
    shares: z.array(share33).min(1).max(SESSION_BANKS_MAX),
  }),

  /** "I have revealed nothing for this slot, and never will": a vote to ask the question again. */
  'abort-round': z.strictObject({ ctx: hash, slot: slotNumber, from: participantId, query: hash }),

  /** A bank has computed the sum itself, from the masked vectors and the revealed shares. */
  'confirm-sum': z.strictObject({ ctx: hash, from: participantId, sumRoot: hash }),

  /** A fault that has a name, with what proves it. */
  blame: z.strictObject({
    run: runId,
    culprit: participantId,
    code: errorCode,
    reason: sentence,
    evidence: z.record(z.string().max(40), z.json()),
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
  }),
} as const;

export type MessageType = keyof typeof payloads;
export type Payload<Type extends MessageType> = z.infer<(typeof payloads)[Type]>;

/** A signed message of one type, or of any. */
export type Message<Type extends MessageType = MessageType> = {
  [T in Type]: { readonly type: T; readonly payload: Payload<T>; readonly sig: string };
}[Type];

/** What a bank may sign. Everything else is the coordinator's. */
export const BANK_MESSAGES = [
  'enrol',
  'consent',
  'plain-input',
  'refuse-round',
  'advertise-keys',
  'share-keys',
  'complain',
  'masked-input',
  'consistency-check',
  'unmask',
  'abort-round',
  'confirm-sum',
  'cosign',
  'rotate-key',
] as const;
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
