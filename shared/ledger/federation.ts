/**
 * The federation as a fold over ledger entries and nothing else. The coordinator that decides,
 * the agent that follows, the operator who watches and the auditor all get it from `apply`.
 *
 *   admissible(state, message, time)   throws unless the message may be the next entry
 *   apply(state, entry)                what it changes; total for admissible messages
 *
 * Run phases, and the messages that move between them:
 *
 *   proposed ── run-started ──▶ ready ── open-round ──▶ collecting ── close-round, void-round ──▶ ready
 *   proposed, ready, collecting ── run-finished ──▶ finished
 *
 * A masked run deals keys while it is ready (session-rules.ts), and its rounds have more steps while they
 * are collecting (masked-rules.ts).
 */
import { assertSignedBy } from '#shared/crypto/signed-message.ts';
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import {
  admittedParticipant,
  type FederationState,
  type Rule,
  type Rules,
} from '#shared/ledger/federation-state.ts';
import { blameRules } from '#shared/ledger/blame-rules.ts';
import { keyRules } from '#shared/ledger/key-rules.ts';
import { membershipRules } from '#shared/ledger/membership-rules.ts';
import { maskedRules } from '#shared/ledger/masked-rules.ts';
import { recordRules } from '#shared/ledger/record-rules.ts';
import { roundRules } from '#shared/ledger/round-rules.ts';
import { runRules } from '#shared/ledger/run-rules.ts';
import { witnessRules } from '#shared/ledger/witness-rules.ts';
import { sessionRules } from '#shared/ledger/session-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { isBankMessage, type Message, type MessageType } from '#shared/protocol/messages.ts';

const rules: Rules<MessageType> = {
  ...membershipRules,
  ...runRules,
  ...sessionRules,
  ...blameRules,
  ...roundRules,
  ...maskedRules,
  ...witnessRules,
  ...keyRules,
  ...recordRules,
};

function ruleOf(message: Message): Rule<MessageType> {
  return rules[message.type];
}

/**
 * Whether `message` may be the next entry: the gate for the coordinator, and the check of the auditor. Does
 * not verify the signature; see `assertAuthentic`.
 * @throws FederationError with the reason; LATE means discarded, everything else rejected
 */
export function assertAdmissible(state: FederationState, message: Message, time: number): void {
  if (time < state.lastTime) {
    throw new FederationError('STATE', `expected a time of at least ${state.lastTime}, got ${time}`);
  }
  if (state.charter === undefined && message.type !== 'charter') {
    throw new FederationError('STATE', `expected the charter first, got "${message.type}"`);
  }
  ruleOf(message).admissible(state, message.payload, time);
}

/** Folds one admissible entry into the state, which is consumed. */
export function apply(state: FederationState, recorded: RecordedEntry): FederationState {
  const { entry } = recorded;
  ruleOf(entry.message).apply(state, entry.message.payload, recorded);
  state.size = entry.seq + 1;
  state.lastTime = entry.time;
  return state;
}

/**
 * The pinned key that must have signed a message: the one in force for the coordinator, the enrolled one for a
 * bank, the one it brings along for a charter or an enrol.
 * @throws FederationError UNKNOWN_PARTICIPANT
 */
export function signerKey(state: FederationState, message: Message): string {
  switch (message.type) {
    case 'charter':
      return message.payload.coordinatorKey;
    case 'enrol':
      return message.payload.identityKey;
    default: {
      if (isBankMessage(message)) return admittedParticipant(state, message.payload.from).identityKey;
      if (state.coordinatorKey === undefined)
        throw new FederationError('STATE', 'the ledger has no charter yet');
      return state.coordinatorKey;
    }
  }
}

/** @throws FederationError SIG | UNKNOWN_PARTICIPANT */
export function assertAuthentic(state: FederationState, message: Message): void {
  const key = signerKey(state, message);
  if (found.get(message) === key) return;
  assertSignedBy(message, key);
  found.set(message, key);
}

/** Messages whose signatures were checked, with whose key: a message is looked at when it comes and when it is recorded. */
const found = new WeakMap<Message, string>();
