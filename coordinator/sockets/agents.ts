/**
 * The banks' sockets. A fresh socket is given a challenge; it may do nothing until it has signed it with the
 * bank's enrolled key, and has one attempt: what is not an answer that is right ends the connection.
 */
import { randomBytes } from 'node:crypto';
import type { Namespace, Socket } from 'socket.io';
import type { z } from 'zod';
import type { CoordinatorEvents } from '#coordinator/events.ts';
import type { CoordinatorMetrics } from '#coordinator/metrics.ts';
import type { Access } from '#coordinator/participants/access.ts';
import type { Presence } from '#coordinator/participants/presence.ts';
import { assertFromBank } from '#coordinator/participants/bank-signature.ts';
import { charterHash } from '#coordinator/participants/enrolment.ts';
import { acceptUpdate } from '#coordinator/rounds/accept-update.ts';
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import { LiveFeed } from '#coordinator/sockets/live-feed.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import { isStorageFault } from '#coordinator/store/storage-error.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { admittedParticipant, type Participant } from '#shared/ledger/federation-state.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import {
  authentication,
  FEED_TYPES,
  followRequest,
  progress,
  smallBody,
  type AgentToCoordinator,
  type CoordinatorToAgent,
  type FeedItem,
  type FollowPage,
  type Progress,
  type SubmitReply,
} from '#shared/protocol/socket-events.ts';
import { acknowledging } from '#coordinator/sockets/acknowledge.ts';
import type { WaitingRoom } from '#coordinator/sockets/waiting-room.ts';

export type AgentNamespace = Namespace<
  AgentToCoordinator,
  CoordinatorToAgent,
  Record<string, never>,
  AgentData
>;
type AgentSocket = Socket<AgentToCoordinator, CoordinatorToAgent, Record<string, never>, AgentData>;

type Authentication = z.infer<typeof authentication>['payload'];

interface AgentData {
  /** It has had its attempt. */
  wasHeard?: true;
  participant?: ParticipantId;
  token?: string;
}

/** An agent has a few messages for each run it is in; more at once are told to come again. */
const SUBMITS_AT_ONCE = 32;
const LIVE = 'live';

export interface AgentSocketDependencies {
  readonly rounds: RunDependencies;
  readonly entries: EntryStore;
  readonly access: Access;
  readonly presence: Presence;
  readonly waitingRoom: WaitingRoom;
  readonly events: CoordinatorEvents;
  readonly metrics: CoordinatorMetrics;
  readonly onProgress: (report: Progress & { participant: string }) => void;
}

export function serveAgents(agents: AgentNamespace, deps: AgentSocketDependencies): void {
  const { journal, bodies } = deps.rounds;
  const feed = new LiveFeed(
    (root) => bodies.smallInMemory(root),
    (items) => {
      agents.to(LIVE).emit('entries', items);
      const listeners = agents.adapter.rooms.get(LIVE)?.size ?? 0;
      const bytes = items.reduce((sum, item) => sum + ('body' in item ? bytesOfText(item.body) : 0), 0);
      if (bytes > 0) deps.metrics.bodyBytes.inc({ direction: 'sent' }, bytes * listeners);
    },
  );
  journal.onRecorded((recorded) => {
    feed.take(recorded);
    const { message } = recorded.entry;
    if (message.type === 'run-finished') agents.to(LIVE).emit('head', journal.head());
    // whoever was let in with the old key has to come again with the one in force, if there is one
    if (message.type === 'rotate-key') hangUp(agents, message.payload.from);
    if (message.type === 'revoke') hangUp(agents, message.payload.participant);
  });
  agents.on('connection', (socket) => serveAgent(socket, deps));
}

function hangUp(agents: AgentNamespace, participant: ParticipantId): void {
  for (const socket of agents.sockets.values())
    if (socket.data.participant === participant) socket.disconnect(true);
}

/** What was said to it is sent, then the line is closed. */
function turnAway(socket: AgentSocket, { waitingRoom }: AgentSocketDependencies, isBank: boolean): void {
  if (!isBank) waitingRoom.failed(socket.request);
  setImmediate(() => socket.disconnect(true));
}

function serveAgent(socket: AgentSocket, deps: AgentSocketDependencies): void {
  const { journal, clock } = deps.rounds;
  const { events } = deps;
  const nonce = randomBytes(32).toString('base64url');
  let isFollowing = false;
  let submitting = 0;

  /** What a stranger says is heard once. */
  socket.use(([event], next) => {
    if (socket.data.participant === undefined) {
      if (socket.data.wasHeard === true) return;
      socket.data.wasHeard = true;
      if (event !== 'authenticate') turnAway(socket, deps, false);
    }
    next();
  });

  socket.on('authenticate', (raw, acknowledge) =>
    acknowledging(acknowledge, events, () => {
      let participant: Participant;
      let payload: Authentication;
      let isBank = false;
      try {
        payload = answered(raw, socket, nonce, journal);
        isBank = true; // who holds the key is told what is the matter, and may come again as often as need be
        participant = admittedParticipant(journal.state, payload.from);
        assertClocksAgree(payload.time, clock.now());
      } catch (error) {
        if (socket.data.participant === undefined) turnAway(socket, deps, isBank);
        throw error;
      }
      deps.waitingRoom.vouchFor(socket.conn);
      socket.data.participant = participant.id;
      socket.data.token = deps.access.grantBank(participant.id);
      deps.presence.join(participant.id);
      events.agentConnected(participant.id, payload.agentVersion);
      return { ok: true, token: socket.data.token } as const;
    }),
  );

  socket.on('follow', (raw, acknowledge) =>
    acknowledging(acknowledge, events, async () => {
      authenticatedOn(socket);
      const parsed = followRequest.safeParse(raw);
      if (!parsed.success) throw new FederationError('SCHEMA', 'expected {from}');
      if (isFollowing) throw new FederationError('RATE_LIMIT', 'expected one follow after the other');
      isFollowing = true;
      // live before the page is read: an entry recorded meanwhile comes twice rather than never
      try {
        await socket.join(LIVE);
        const page = await feedPage(journal, deps.entries, parsed.data.from);
        if (page.next === null) socket.emit('head', journal.head());
        return page;
      } finally {
        isFollowing = false;
      }
    }),
  );

  const take = (acknowledge: unknown, raw: unknown, body?: unknown): void =>
    acknowledging(acknowledge, events, async () => {
      const sender = authenticatedOn(socket);
      if (submitting >= SUBMITS_AT_ONCE) {
        throw new FederationError(
          'RATE_LIMIT',
          `${SUBMITS_AT_ONCE} messages are under way on this socket; wait for an answer`,
        );
      }
      submitting++;
      try {
        return await submit(raw, sender, deps, body);
      } finally {
        submitting--;
      }
    });
  socket.on('submit', (raw, acknowledge) => take(acknowledge, raw));
  // one that is missing is wrong: the message alone may be meant for an upload
  socket.on('submit-with-body', (raw, body, acknowledge) => take(acknowledge, raw, body ?? null));

  socket.on('progress', (raw) => {
    const { participant } = socket.data;
    const parsed = progress.safeParse(raw);
    if (participant === undefined || !parsed.success) return;
    const isIn = journal.state.runs.get(parsed.data.run)?.roster.includes(participant);
    if (isIn === true) deps.onProgress({ ...parsed.data, participant });
  });

  socket.on('disconnect', () => {
    socket.conn.close(); // whoever left the namespace has nothing more to say on this connection
    const { participant, token } = socket.data;
    if (participant === undefined || token === undefined) return;
    deps.access.revokeBank(token);
    deps.presence.leave(participant);
    events.agentDisconnected(participant);
  });

  socket.emit('challenge', { nonce, charter: charterHash(journal) });
}

/**
 * What a bank says on a socket to be let in; what costs least is looked at first.
 * @throws FederationError SCHEMA | REPLAY | SIG
 */
function answered(raw: unknown, socket: AgentSocket, nonce: string, journal: Journal): Authentication {
  const parsed = authentication.safeParse(raw);
  if (!parsed.success) throw new FederationError('SCHEMA', 'expected a signed authenticate message');
  const { payload } = parsed.data;
  if (
    socket.data.participant !== undefined ||
    payload.nonce !== nonce ||
    payload.charter !== charterHash(journal)
  ) {
    throw new FederationError('REPLAY', 'expected an answer to the challenge of this very socket');
  }
  assertFromBank(journal.state, parsed.data, payload.from);
  return payload;
}

/** @throws FederationError STATE */
function assertClocksAgree(theirs: number, ours: number): void {
  if (Math.abs(theirs - ours) > LIMITS.clockSkewMsMax) {
    throw new FederationError(
      'STATE',
      `the bank's clock and the coordinator's differ by more than ${LIMITS.clockSkewMsMax / 1000} s; set them by NTP`,
    );
  }
}

/** @throws FederationError UNAUTHENTICATED */
function authenticatedOn(socket: AgentSocket): ParticipantId {
  if (socket.data.participant === undefined) {
    throw new FederationError('UNAUTHENTICATED', 'expected authenticate first');
  }
  return socket.data.participant;
}

/** Every submission ends as accepted, rejected or discarded; anything else is our own fault. */
async function submit(
  raw: unknown,
  sender: ParticipantId,
  deps: AgentSocketDependencies,
  body: unknown,
): Promise<SubmitReply> {
  try {
    const bytes = body === undefined ? undefined : bytesIn(body);
    if (bytes !== undefined) deps.metrics.bodyBytes.inc({ direction: 'received' }, bytes.length);
    await acceptUpdate(raw, sender, deps.rounds, bytes);
  } catch (error) {
    if (!(error instanceof FederationError) || isStorageFault(error)) throw error;
    const { code, message } = error;
    // the same message again: its first copy was accepted, and perhaps the reply was lost
    if (code !== 'REPLAY') {
      const outcome = code === 'LATE' ? 'discarded' : 'rejected';
      deps.events.submitted(sender, raw, outcome, code);
      return { ok: true, outcome, code, message };
    }
  }
  deps.events.submitted(sender, raw, 'accepted');
  return { ok: true, outcome: 'accepted' };
}

/** Bytes that so much base64url stands for. */
const bytesOfText = (text: string): number => Math.floor((text.length * 3) / 4);

/** @throws FederationError SCHEMA */
function bytesIn(body: unknown): Uint8Array<ArrayBuffer> {
  const parsed = smallBody.safeParse(body);
  if (!parsed.success)
    throw new FederationError(
      'SCHEMA',
      `expected a body of at most ${LIMITS.bodyWithMessageBytesMax} bytes as base64url; upload a larger one`,
    );
  return parsed.data;
}

/** Every position from `from` on: entries that banks are shown, of the others the leaves. */
async function feedPage({ tree }: Journal, store: EntryStore, from: number): Promise<FollowPage> {
  const end = Math.min(tree.size, from + LIMITS.pageLeavesMax);
  const rows = await store.page(from, LIMITS.pageEntriesMax, { types: FEED_TYPES, before: end });
  const entries: FeedItem[] = [];
  let bytes = 0;
  let next = from;
  const hideUntil = (seq: number): void => {
    if (next < seq) entries.push({ seq: next, leaves: toBase64Url(tree.leaves(next, seq)) });
    next = seq;
  };
  for (const { seq, text } of rows) {
    bytes += text.length * 3; // UTF-8 needs at most three bytes for each UTF-16 unit
    if (bytes > LIMITS.pageBytesMax && entries.length > 0) return { ok: true, entries, next };
    hideUntil(seq);
    entries.push(JSON.parse(text) as Entry);
    next = seq + 1;
  }
  if (rows.length < LIMITS.pageEntriesMax) hideUntil(end);
  return { ok: true, entries, next: next < tree.size ? next : null };
}
