/**
 * What a bank has signed, by purpose. For each purpose there is one message for ever: it is on disk before it
 * is sent, and sent again byte for byte. That is how a bank never certifies two sets of survivors, never
 * uses a slot for two questions, and never reveals shares of a slot it voted to abort: those are the same
 * purpose.
 */
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';

export interface Promises {
  get(purpose: string): BankMessage | undefined;
  /** Durable for all these purposes, or for none, when it resolves. Never called for one that has a message. */
  put(purposes: readonly string[], message: BankMessage): Promise<void>;
}

export const purposes = {
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
 * The message promised for a purpose; made and kept if there is none yet.
 * @param fits whether an earlier message is one for the same thing
 * @param also further purposes that the same message settles
 * @throws FederationError EQUIVOCATION when something else was promised for this purpose
 */
export async function promise<M extends BankMessage>(
  promises: Promises,
  purpose: string,
  make: () => M,
  fits: (earlier: BankMessage) => earlier is M,
  also: readonly string[] = [],
): Promise<M> {
  const earlier = promises.get(purpose);
  if (earlier !== undefined) {
    if (fits(earlier)) return earlier;
    throw new FederationError(
      'EQUIVOCATION',
      `this bank has already signed a "${earlier.type}" for ${purpose}, and signs nothing else for it`,
    );
  }
  const message = make();
  // A crash before the next line: nothing was signed away. After it: the same message is sent after a restart.
  await promises.put([purpose, ...also], message);
  return message;
}
