/**
 * What a bank has signed, by purpose. For each purpose there is one message for ever: it is on disk before it
 * is sent, and sent again byte for byte. That is how a bank never certifies two sets of survivors, never
 * uses a slot for two questions, and never reveals shares of a slot it voted to abort: those are the same
 * purpose.
 */
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Message } from '#shared/protocol/messages.ts';

/** By purpose. */
export type Promises = Pick<ReadonlyMap<string, Message>, 'get'>;

/** A message that a bank may send as soon as it is kept. */
export interface Promised<M extends Message> {
  readonly message: M;
  /** What it is promised for: to be kept on disk before it is sent. Empty when it was kept before. */
  readonly purposes: readonly string[];
}

export const purposes = {
  consent: 'consent',
  /** The one start of the run that this bank takes part in. */
  start: 'start',
  advertise: (session: string) => `${session}/advertise`,
  deal: (session: string) => `${session}/deal`,
  /** The one masked vector of a slot, and thereby the one round the slot is used for. */
  input: (session: string, slot: number) => `${session}/${slot}/input`,
  certificate: (session: string, slot: number) => `${session}/${slot}/certificate`,
  /** Unmask or abort-round: one excludes the other. */
  verdict: (session: string, slot: number) => `${session}/${slot}/verdict`,
  /** The one round in which a question is asked for the n-th time, whatever history the bank is shown later. */
  attempt: (question: string, attempt: number) => `question/${question}/${attempt}`,
  /** The round in which shares were revealed for a question. */
  opened: (question: string) => `question/${question}/opened`,
} as const;

/**
 * The message promised for a purpose; made if there is none yet.
 * @param fits whether an earlier message is one for the same thing
 * @param also further purposes that the same message settles
 * @throws FederationError EQUIVOCATION when something else was promised for this purpose
 */
export function promised<M extends Message>(
  promises: Promises,
  purpose: string,
  make: () => M,
  fits: (earlier: Message) => earlier is M,
  also: readonly string[] = [],
): Promised<M> {
  const earlier = promises.get(purpose);
  if (earlier === undefined) return { message: make(), purposes: [purpose, ...also] };
  if (fits(earlier)) return { message: earlier, purposes: [] };
  throw new FederationError(
    'EQUIVOCATION',
    `this bank has already signed a "${earlier.type}" for ${purpose}, and signs nothing else for it`,
  );
}
