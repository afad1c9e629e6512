/**
 * Every signed message of the protocol. One that is accepted becomes one ledger entry; nothing else is
 * journalled. Each names its parent by hash, so a message cannot be moved to another run or round:
 *
 *   charter ← invite ← enrol, admit
 *   charter ← rotate-key, revoke, rotate-log-key, rotate-coordinator-key, retention, incident, token
 *   charter ← run-proposed ← consent, withdraw, run-started ← open-round ← plain-input | refuse-round
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
import { signature64 } from '#shared/protocol/ids.ts';
import { blamePayloads } from '#shared/protocol/payloads/blame.ts';
import { consortiumPayloads } from '#shared/protocol/payloads/consortium.ts';
import { roundPayloads } from '#shared/protocol/payloads/round.ts';
import { runPayloads } from '#shared/protocol/payloads/run.ts';
import { sessionPayloads } from '#shared/protocol/payloads/session.ts';

const payloads = {
  ...consortiumPayloads,
  ...runPayloads,
  ...roundPayloads,
  ...sessionPayloads,
  ...blamePayloads,
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
  'withdraw',
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
