/**
 * A body, and the message that names it. A small body goes with the message. A larger one is uploaded before it: the
 * coordinator may fail between the two, and asks for both again.
 */
import {
  submitMessage,
  type AgentContext,
  type BodyToSend,
} from '#participant-agent/rounds/agent-context.ts';
import { egressOfBody, type About } from '#participant-agent/state/egress-log.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';
import type { SubmitReply } from '#shared/protocol/socket-events.ts';

/** How often both are sent: once, and again for each crash of a coordinator between the two. */
const SENDS_MAX = 10;

/**
 * @param isWanted whether anybody still expects the body, as far as this bank has seen the ledger: else it is not
 *   uploaded again
 * @param before awaited before the message leaves; a large body may travel meanwhile
 * @returns undefined when nobody expects the body any more
 * @throws FederationError when the coordinator refuses it for good
 */
export async function sendWithBody(
  context: AgentContext,
  body: BodyToSend,
  message: BankMessage,
  about: About,
  isWanted: () => boolean,
  before: Promise<unknown> = Promise.resolve(),
): Promise<SubmitReply | undefined> {
  if (body.bytes.length <= LIMITS.bodyWithMessageBytesMax) {
    await before;
    return submitMessage(context, message, about, body);
  }
  for (let sent = 1; ; sent++) {
    const [isTaken] = await Promise.all([upload(context, body), before]);
    if (!isTaken) return undefined;
    const reply = await submitMessage(context, message, about);
    if (!lacksBody(reply) || !isWanted() || sent >= SENDS_MAX) return reply;
  }
}

/** @returns false when what it is for has ended meanwhile */
async function upload(context: AgentContext, body: BodyToSend): Promise<boolean> {
  const { root, bytes, about } = body;
  const { url } = context.config.coordinator;
  await context.state.recordEgress(egressOfBody(bytes.length, url, context.clock, about));
  try {
    await context.bodies.upload(root, bytes, context.signal);
    return true;
  } catch (error) {
    // the coordinator knows of the end of a round before this bank is shown it
    if (!(error instanceof FederationError) || error.code !== 'STATE') throw error;
    context.log.warn(
      { run: about.run, round: about.round },
      'what a body was for ended before it was uploaded',
    );
    return false;
  }
}

/** Whether the coordinator asks for the body again: it was lost before the message was recorded. */
function lacksBody(reply: SubmitReply): boolean {
  return reply.outcome === 'rejected' && reply.code === 'VECROOT';
}
