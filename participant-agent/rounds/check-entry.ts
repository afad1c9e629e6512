/**
 * What this agent demands of each entry before it believes it. In a masked run it sees every message, so it
 * checks each like the coordinator does: signature of the sender, and whether the ledger's rules admit it.
 * Of plain rounds it does not see the other banks, and checks what is left: order, and the coordinator's
 * signature.
 */
import { followPeerKey, pinPeers } from '#participant-agent/rounds/peers.ts';
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { assertSignedBy } from '#shared/crypto/signed-message.ts';
import { recordEntry, type Entry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import type { FederationState, Run } from '#shared/ledger/federation-state.ts';
import { runOfEntry } from '#shared/ledger/run-index.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RunId } from '#shared/protocol/ids.ts';
import { parseMessage, type Message } from '#shared/protocol/messages.ts';
import { FEED_TYPES } from '#shared/protocol/socket-events.ts';

/** @throws FederationError when the coordinator, or a bank through it, says something it must not */
export function checkEntry(raw: Entry, context: AgentContext): RecordedEntry {
  const { federation, config } = context;
  const { seq, time, message: rawMessage } = raw;
  const message = parseMessage(rawMessage);
  const recorded = recordEntry({ seq, time, message });
  const { charter } = federation;
  if (message.type === 'charter') {
    if (recorded.hash !== config.coordinator.charter) {
      throw new FederationError(
        'FORBIDDEN',
        'the coordinator serves another consortium than the one in the invitation',
      );
    }
    assertSignedBy(message, message.payload.coordinatorKey);
    return recorded;
  }
  if (charter === undefined)
    throw new FederationError('STATE', `expected the charter first, got "${message.type}"`);
  if (message.type === 'rotate-key') {
    // the keys of a bank it has been in a run with are those by which it tells that bank's messages: were a change
    // folded unchecked, the coordinator could speak for all others from then on, and be alone with this bank
    if (federation.participants.has(message.payload.from)) {
      assertAuthentic(federation, message);
      assertAdmissible(federation, message, time);
    }
    followPeerKey(message, context);
    return recorded;
  }
  if (!(FEED_TYPES as readonly string[]).includes(message.type))
    throw new FederationError('STATE', `"${message.type}" is not for banks`);
  if (isOfPlainRun(message, federation)) {
    // a bank of a plain run speaks for itself, if this one knows it
    if (federation.participants.has(message.payload.from)) assertAuthentic(federation, message);
    assertFollows(federation.runs, message);
  } else if (isWhollyVisible(recorded, federation)) {
    // of plain runs it does not know the others' identity keys: there a cosignature speaks for itself
    if (message.type !== 'cosign' || federation.participants.has(message.payload.from))
      assertAuthentic(federation, message);
    assertAdmissible(federation, message, time);
  } else {
    assertSignedBy(message, federation.coordinatorKey!);
    if (message.type === 'run-proposed' && federation.runs.has(recorded.hash as RunId))
      throw new FederationError('REPLAY', 'this very plan was proposed before');
    assertFollows(federation.runs, message);
  }
  if (message.type === 'run-started')
    pinPeers(federation.runs.get(message.payload.run)!, message.payload, context);
  return recorded;
}

function isOfPlainRun(
  message: Message,
  { runs }: FederationState,
): message is Message<'consent' | 'withdraw'> {
  if (message.type !== 'consent' && message.type !== 'withdraw') return false;
  return runs.get(message.payload.run)?.plan.aggregation === 'plain';
}

/** Whether this agent has seen everything that the rule for this message looks at. */
function isWhollyVisible(recorded: RecordedEntry, federation: FederationState): boolean {
  switch (recorded.entry.message.type) {
    case 'run-proposed':
      return recorded.entry.message.payload.plan.aggregation !== 'plain';
    case 'checkpoint':
    case 'cosign':
      return true;
    case 'run-finished':
      return recorded.entry.message.payload.outcome === 'completed';
    default:
      return federation.runs.get(runOfEntry(federation, recorded)!)?.plan.aggregation !== 'plain';
  }
}

/**
 * The order of a plain run's messages, as far as a bank can see it.
 * @throws FederationError STATE
 */
function assertFollows(runs: ReadonlyMap<RunId, Run>, message: Message): void {
  if (message.type === 'run-proposed') return;
  const run =
    'run' in message.payload
      ? runs.get(message.payload.run)
      : [...runs.values()].find(
          ({ phase }) =>
            phase.name === 'collecting' &&
            'ctx' in message.payload &&
            phase.open.hash === message.payload.ctx,
        );
  const parent = 'parent' in message.payload ? message.payload.parent : undefined;
  const phase = run?.phase.name;
  const inOrder =
    run !== undefined &&
    (message.type === 'run-started'
      ? phase === 'proposed'
      : message.type === 'open-round'
        ? phase === 'ready' && parent === lastHash(run)
        : message.type === 'withdraw'
          ? phase !== 'finished'
          : message.type === 'consent'
            ? phase === 'proposed'
            : message.type === 'run-finished'
              ? phase !== 'finished' && parent === lastHash(run)
              : phase === 'collecting');
  if (!inOrder)
    throw new FederationError(
      'STATE',
      `"${message.type}" does not follow from what the coordinator said before`,
    );
}
