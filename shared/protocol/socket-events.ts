/**
 * Events over socket.io. Every payload passes its schema, every event that asks for something is
 * acknowledged with `{ok: true, …}` or `{ok: false, code, message}`.
 *
 *   /agents   the banks' agents; authenticate first, everything else after
 *   /watch    operators and auditors, by access token
 */
import { z } from 'zod';
import { base64UrlLength, fromBase64Url } from '#shared/crypto/base64.ts';
import { describeError } from '#shared/protocol/error-codes.ts';
import { hash, participantId, runId, signature64, timeMs } from '#shared/protocol/ids.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { MessageType } from '#shared/protocol/messages.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';

/**
 * What a bank is told of the ledger: who belongs to the consortium and how each came to, the coordinator's side of runs;
 * of other banks' part in them only what masked rounds need, where every bank checks every other's signature. Plain
 * updates are nobody else's business.
 */
export const FEED_TYPES = [
  'charter',
  'invite',
  'enrol',
  'admit',
  'revoke',
  'retention',
  'rotate-key',
  'rotate-log-key',
  'rotate-coordinator-key',
  'run-proposed',
  'consent',
  'withdraw',
  'run-started',
  'open-round',
  'close-round',
  'void-round',
  'checkpoint',
  'cosign',
  'run-finished',
  'open-session',
  'advertise-keys',
  'share-keys',
  'seal-session',
  'complain',
  'void-session',
  'masked-input',
  'fix-survivors',
  'consistency-check',
  'unmask',
  'abort-round',
  'confirm-sum',
  'blame',
] as const satisfies readonly MessageType[];

/** The coordinator's first word on a fresh /agents socket. */
export const challenge = z.strictObject({ nonce: z.string().regex(/^[A-Za-z0-9_-]{43}$/), charter: hash });
export type Challenge = z.infer<typeof challenge>;

/** The bank's signature over the challenge; type "authenticate". Not a ledger entry. */
export const authentication = z.strictObject({
  type: z.literal('authenticate'),
  payload: z.strictObject({
    nonce: challenge.shape.nonce,
    charter: hash,
    from: participantId,
    time: timeMs,
    agentVersion: z.string().max(40),
  }),
  sig: signature64,
});

/** `token` is for HTTP while this socket lives. */
export const authenticated = z.strictObject({ ok: z.literal(true), token: z.string() });

export const followRequest = z.strictObject({ from: z.int().min(0) });

/**
 * Entries, one after the other from `seq` on, that are not this bank's business: only the hashes under which they are
 * in the tree, 32 bytes each, as base64url.
 */
export const hiddenEntries = z.strictObject({
  seq: z.int().min(0),
  leaves: z.string().max(Math.ceil((LIMITS.pageLeavesMax * 32 * 4) / 3)),
});
export type HiddenEntries = z.infer<typeof hiddenEntries>;

/** A body that travels over the socket: as base64url, of at most `LIMITS.bodyWithMessageBytesMax` bytes. */
export const smallBody = z
  .string()
  .max(base64UrlLength(LIMITS.bodyWithMessageBytesMax))
  .transform((text, context) => {
    try {
      return fromBase64Url(text);
    } catch (error) {
      context.addIssue(describeError(error));
      return z.NEVER;
    }
  });

/** A sum, just before the entry that announces it; banks that join later, or want a larger one, fetch it over HTTP. */
export const announcedBody = z.strictObject({ root: hash, body: smallBody });
export type AnnouncedBody = z.input<typeof announcedBody>;

/** One or more positions of the ledger as a bank sees them, of which none is left out; or a body. */
export type FeedItem = Entry | HiddenEntries | AnnouncedBody;

export interface FollowPage {
  readonly ok: true;
  readonly entries: readonly FeedItem[];
  /** Where the next page starts, or null when this was the last. */
  readonly next: number | null;
}

export type Outcome = 'accepted' | 'rejected' | 'discarded';
export interface SubmitReply {
  readonly ok: true;
  readonly outcome: Outcome;
  readonly code?: string;
  readonly message?: string;
}

/** Not signed, not recorded: for the people who watch. */
export const progress = z.strictObject({
  run: runId,
  round: z.int().min(0),
  stage: z.enum(['answering', 'uploading']),
  /** 0 to 1. */
  fraction: z.number().min(0).max(1),
});
export type Progress = z.infer<typeof progress>;

/** `from`: the position after the last entry the watcher has. */
export const watchRequest = z.strictObject({ run: runId, from: z.int().min(0).default(0) });

export interface Refusal {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
}

type Acknowledge<T> = (reply: T | Refusal) => void;

export interface AgentToCoordinator {
  authenticate(message: unknown, acknowledge: Acknowledge<z.infer<typeof authenticated>>): void;
  follow(request: unknown, acknowledge: Acknowledge<FollowPage>): void;
  submit(message: unknown, acknowledge: Acknowledge<SubmitReply>): void;
  /** A message with the body it names, if that is small; larger ones are uploaded over HTTP before it. */
  'submit-with-body'(message: unknown, body: unknown, acknowledge: Acknowledge<SubmitReply>): void;
  progress(report: unknown): void;
}

export interface CoordinatorToAgent {
  challenge(challenge: Challenge): void;
  /** What comes next in the ledger, in order. */
  entries(entries: readonly FeedItem[]): void;
  /** The signed head of the ledger: at the end of the feed, and when a run is finished. */
  head(head: SignedHead): void;
}

export interface WatchReply {
  readonly ok: true;
  readonly entries: readonly Entry[];
  /** Whether these are all there are: else ask again from where they end. */
  readonly whole: boolean;
  readonly connected: readonly string[];
}

export interface WatchToCoordinator {
  watch(request: unknown, acknowledge: Acknowledge<WatchReply>): void;
}

export interface CoordinatorToWatch {
  entry(entry: Entry): void;
  progress(report: Progress & { participant: string }): void;
  presence(change: { participant: string; connected: boolean }): void;
}
