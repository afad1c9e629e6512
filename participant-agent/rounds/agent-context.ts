/** What every phase of a run needs at the bank. */
import type { AgentConfig } from '#participant-agent/config.ts';
import type { Logger } from '#participant-agent/logger.ts';
import type { Policy } from '#participant-agent/policy/policy.ts';
import type { AgentState } from '#participant-agent/state/agent-state.ts';
import { egressOf, egressOfBody, type About } from '#participant-agent/state/egress-log.ts';
import type { KeyVault } from '#participant-agent/state/key-vault.ts';
import type { QueryLedger } from '#participant-agent/state/query-ledger.ts';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import type { BodyClient } from '#participant-agent/transport/body-client.ts';
import type { LedgerIdentity, Witness } from '#participant-agent/witness/witness.ts';
import type { Connection } from '#participant-agent/transport/connection.ts';
import { base64UrlLength } from '#shared/crypto/base64.ts';
import type { FederationState } from '#shared/ledger/federation-state.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';
import type { SubmitReply } from '#shared/protocol/socket-events.ts';

export interface AgentContext {
  readonly config: AgentConfig;
  readonly policy: Policy;
  readonly seed: Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
  readonly state: AgentState;
  /** The fold of the feed: the coordinator's side of every run. */
  readonly federation: FederationState;
  /** The bank's own copy of the ledger's tree. */
  readonly witness: Witness;
  readonly connection: Connection;
  readonly bodies: BodyClient;
  /** Secrets of masked sessions. */
  readonly vault: KeyVault;
  /** In whose company its rows were added up. */
  readonly queries: QueryLedger;
  readonly createComputer: (dataFile: string) => RunComputer;
  /** Aborts when the agent stops. */
  readonly signal: AbortSignal;
}

/** What the ledger says about itself, once its charter is known. */
export function ledgerOf({ federation }: AgentContext): LedgerIdentity {
  return { origin: federation.charter!.payload.origin, logKeys: federation.logKeys };
}

export interface BodyToSend {
  readonly root: string;
  readonly bytes: Uint8Array;
  readonly about: About;
}

/**
 * Writes down that a message leaves, then submits it until it has an outcome.
 * @param body that goes with it
 */
export async function submitMessage(
  context: AgentContext,
  message: BankMessage,
  about: About,
  body?: BodyToSend,
): Promise<SubmitReply> {
  const { state, config, clock } = context;
  const { url } = config.coordinator;
  const records = [egressOf(message, url, clock, about)];
  if (body !== undefined)
    records.unshift(egressOfBody(base64UrlLength(body.bytes.length), url, clock, body.about));
  await state.recordEgress(...records);
  const reply = await context.connection.submit(message, context.signal, body?.bytes);
  if (reply.outcome === 'accepted') context.log.debug({ type: message.type }, 'message accepted');
  else
    context.log.warn(
      { type: message.type, code: reply.code },
      `message ${reply.outcome}: ${reply.message ?? ''}`,
    );
  return reply;
}
