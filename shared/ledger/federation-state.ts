/**
 * What the ledger says about the federation: the state that `federation.ts` folds entries into, and look-ups
 * in it. Nothing here is stored: it is rebuilt from entries.
 */
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId, RunId } from '#shared/protocol/ids.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import type { LogKey } from '#shared/ledger/checkpoint.ts';
import type { RecordedEntry } from '#shared/ledger/entry.ts';

export interface Participant {
  readonly id: ParticipantId;
  /** Base64url Ed25519 public key. */
  identityKey: string;
  /** Base64url Ed25519 public key that cosigns checkpoints. */
  witnessKey: string;
  /** Hash of the enrol. */
  readonly enrol: string;
  status: 'enrolled' | 'admitted' | 'revoked';
  readonly enrolledAt: number;
  /** Identity keys of before, and until when each was in force. */
  earlierKeys: readonly { readonly identityKey: string; readonly until: number }[];
  /** When, and at whose word. A bank that is shown no memberships does not know. */
  admitted: { readonly at: number; readonly by: string | undefined } | undefined;
  revoked: { readonly at: number; readonly by: string | undefined; readonly reason: string } | undefined;
}

export interface Invitation {
  readonly hash: string;
  readonly participant: ParticipantId;
  readonly tokenHash: string;
  readonly expiresAt: number;
}

/** In whose company answers are added up: see company.ts. */
export interface Company {
  /** c: banks that are assumed to collude with the coordinator and each other. */
  readonly colluders: number;
  /** Fewest banks in a sum: c and two honest ones at least. */
  readonly minimum: number;
}

export interface Consent {
  readonly decision: 'granted' | 'refused';
  readonly reason: string;
  readonly at: number;
  /** It holds for a run of so many banks at least. */
  readonly fewest: number | undefined;
}

/** Key material of one set of banks, dealt for several rounds. Banks are indices in `payload.participants`. */
export interface Session {
  /** Hash of the open-session. */
  readonly hash: string;
  readonly payload: Payload<'open-session'>;
  readonly advertised: Map<number, { readonly hash: string; readonly payload: Payload<'advertise-keys'> }>;
  /** Known once everybody has advertised. */
  rosterHash: string | undefined;
  readonly dealt: Map<number, Payload<'share-keys'>>;
  sealed: { readonly hash: string; readonly dealers: readonly number[] } | undefined;
  readonly complaints: Payload<'complain'>[];
  /** The next slot to be used. */
  nextSlot: number;
  /** Set by void-session: no further round uses it. */
  isVoid: boolean;
}

/** What a quorum certifies before any share is revealed. */
export interface FixedSurvivors {
  readonly survivors: readonly number[];
  readonly hash: string;
  readonly at: number;
}

/** What a masked round has besides its inputs. */
export interface MaskedRound {
  readonly session: Session;
  readonly slot: number;
  /** Who is in the sum. From then on late vectors stay out. */
  fixed: FixedSurvivors | undefined;
  /** Banks that certified the survivors; an unmask counts as a certificate. */
  readonly certificates: Set<number>;
  readonly unmasks: Map<number, Payload<'unmask'>>;
  /** Banks that voted to ask again; they never unmask. */
  readonly aborts: Set<number>;
  /** Banks that computed the sum themselves and found it right. */
  readonly confirmations: Set<number>;
}

/** One update that was accepted. */
export interface AcceptedInput {
  readonly vectorRoot: string;
  readonly at: number;
}

export interface OpenRound {
  /** Hash of the open-round: the context every answer names. */
  readonly hash: string;
  readonly payload: Payload<'open-round'>;
  readonly openedAt: number;
  /** By roster index. */
  readonly inputs: Map<number, AcceptedInput>;
  readonly refusals: Map<number, { readonly code: string; readonly reason: string }>;
  /** The banks that may answer; indices of inputs, refusals and survivors are places in this list. */
  readonly roster: readonly ParticipantId[];
  /** Undefined in plain rounds. */
  readonly masked: MaskedRound | undefined;
}

export type RunPhase =
  | { readonly name: 'proposed' }
  | {
      readonly name: 'ready';
      readonly parent: string;
      readonly round: number;
      readonly attempt: number;
      /** When the run came to be between rounds. */
      readonly since: number;
      /** Position of the entry that brought it there. */
      readonly seq: number;
    }
  | { readonly name: 'collecting'; readonly open: OpenRound }
  | { readonly name: 'finished'; readonly at: number; readonly result: Payload<'run-finished'> };

/** One round that is over. */
export interface PastRound {
  readonly open: OpenRound;
  readonly endedAt: number;
  readonly end:
    | { readonly outcome: 'closed'; readonly hash: string; readonly payload: Payload<'close-round'> }
    | { readonly outcome: 'void'; readonly hash: string; readonly payload: Payload<'void-round'> };
}

/** A head of the ledger that the banks are asked to cosign. */
export interface OfferedCheckpoint {
  readonly hash: string;
  readonly payload: Payload<'checkpoint'>;
  /** By roster index. */
  readonly cosignatures: Map<number, Payload<'cosign'>>;
}

export interface Run {
  readonly id: RunId;
  readonly plan: Plan;
  readonly proposedAt: number;
  /** As it was when the run was proposed. */
  readonly company: Company;
  readonly consents: Map<ParticipantId, Consent>;
  /** Once it has begun. */
  started: Message<'run-started'> | undefined;
  roster: readonly ParticipantId[];
  /** In the order of the roster. */
  witnessKeys: readonly string[];
  phase: RunPhase;
  readonly past: PastRound[];
  /** Since when its bodies may be gone. */
  expiredAt: number | undefined;
  /** At the end of its rounds. */
  checkpoint: OfferedCheckpoint | undefined;
  /** Masked runs: the newest session. */
  session: Session | undefined;
  /** Banks that are out of later sessions: a fault was proven. */
  readonly culprits: Map<ParticipantId, string>;
  /** Banks that take no part any more, by their own word, and why if they have said so. */
  readonly withdrawn: Map<ParticipantId, string | undefined>;
  /** How often a bank let the dealing of keys come to nothing. */
  readonly stalls: Map<ParticipantId, number>;
}

export interface FederationState {
  /** Entries folded so far. */
  size: number;
  lastTime: number;
  charter: { readonly hash: string; readonly payload: Payload<'charter'> } | undefined;
  /** Base64url: the key that signs the coordinator's messages. */
  coordinatorKey: string | undefined;
  /** Base64url: the key that signs heads of the ledger. */
  logKey: string | undefined;
  /** All that ever did, in order, the charter's first. */
  readonly logKeys: LogKey[];
  /** Every key that was ever in force, of whomever: none comes back, or passes to another. */
  readonly usedKeys: Set<string>;
  /** What people should know, in order. */
  readonly incidents: { readonly at: number; readonly reason: string }[];
  /** Of each bank the one that is open. */
  readonly invitations: Map<ParticipantId, Invitation>;
  /** Hashes of all tokens that were ever given out. */
  readonly usedTokens: Set<string>;
  readonly participants: Map<ParticipantId, Participant>;
  /** In the order they were proposed. */
  readonly runs: Map<RunId, Run>;
  /** Which run a round belongs to, by the hash of its open-round. */
  readonly roundRuns: Map<string, RunId>;
  /** Which run a session belongs to, by the hash of its open-session. */
  readonly sessionRuns: Map<string, RunId>;
  /** Which run a checkpoint belongs to, by its hash. */
  readonly checkpointRuns: Map<string, RunId>;
}

export function emptyFederation(): FederationState {
  return {
    size: 0,
    lastTime: 0,
    charter: undefined,
    coordinatorKey: undefined,
    logKey: undefined,
    logKeys: [],
    usedKeys: new Set(),
    incidents: [],
    invitations: new Map(),
    usedTokens: new Set(),
    participants: new Map(),
    runs: new Map(),
    roundRuns: new Map(),
    sessionRuns: new Map(),
    checkpointRuns: new Map(),
  };
}

/** What one message type needs and does; a new type is one rule. */
export interface Rule<Type extends MessageType> {
  /** @throws FederationError when the message may not be the next entry, whoever signed it */
  admissible(state: FederationState, payload: Payload<Type>, time: number): void;
  apply(state: FederationState, payload: Payload<Type>, recorded: RecordedEntry): void;
}
export type Rules<Types extends MessageType> = { readonly [T in Types]: Rule<T> };

/** @throws FederationError UNKNOWN_PARTICIPANT */
export function admittedParticipant(state: FederationState, id: ParticipantId): Participant {
  const participant = state.participants.get(id);
  if (participant?.status === 'admitted') return participant;
  throw new FederationError(
    'UNKNOWN_PARTICIPANT',
    participant === undefined
      ? `"${id}" is not enrolled in this consortium`
      : participant.status === 'revoked'
        ? `the keys of "${id}" are revoked; nothing it signs is taken any more`
        : `"${id}" is enrolled but not yet admitted; the operator compares its fingerprint and runs "tallystick bank admit ${id}"`,
  );
}

/** All rounds of a run, the open one last. */
export function roundsOf({ past, phase }: Run): OpenRound[] {
  const opens = past.map(({ open }) => open);
  return phase.name === 'collecting' ? [...opens, phase.open] : opens;
}

/** Whether this round is the one that is open now. */
export function isOpen({ phase }: Run, round: OpenRound): boolean {
  return phase.name === 'collecting' && phase.open === round;
}

/** @throws FederationError NOT_FOUND */
export function runOf(state: FederationState, id: RunId): Run {
  const run = state.runs.get(id);
  if (run === undefined) throw new FederationError('NOT_FOUND', `no run ${id} in this ledger`);
  return run;
}
