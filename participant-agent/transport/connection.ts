/**
 * The agent's one socket: dials out, proves who it is by signing the coordinator's challenge, follows the
 * ledger from where it stands, and submits messages until each has an outcome. socket.io reconnects with
 * growing pauses; after each reconnection all of this happens again, so nothing is lost in between.
 */
import { io, type Socket } from 'socket.io-client';
import type { Logger } from '#participant-agent/logger.ts';
import { backOff } from '#participant-agent/transport/back-off.ts';
import type { Trust } from '#participant-agent/transport/trust.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import type { ParticipantId, RunId } from '#shared/protocol/ids.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';
import {
  challenge as challengeSchema,
  type AgentToCoordinator,
  type CoordinatorToAgent,
  type FeedItem,
  type FollowPage,
  type Progress,
  type Refusal,
  type SubmitReply,
} from '#shared/protocol/socket-events.ts';
import { VERSION } from '#shared/protocol/version.ts';

export interface ConnectionOptions {
  readonly url: string;
  readonly trust?: Trust;
  readonly charter: string;
  readonly participant: ParticipantId;
  readonly seed: Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where the feed goes on. */
  readonly position: () => number;
  /** Called with each raw item of the feed, in order; they may come twice. */
  readonly onItem: (item: FeedItem) => void;
  /** Called with each signed head of the ledger, perhaps before the last of its entries. */
  readonly onHead: (head: unknown) => void;
  /** Called when everything the coordinator has was shown; what it throws keeps the agent from going on. */
  readonly onFollowed: () => void;
  readonly onConnected: (connected: boolean) => void;
}

const REPLY_MS_MAX = 60_000;
/** What is over sooner is not worth a message: nobody could read it. */
const PROGRESS_MS = 500;
/** Pause before dialling again after either side hung up on purpose. */
const REDIAL_MS = 2000;

export class Connection {
  private readonly options: ConnectionOptions;
  private readonly socket: Socket<CoordinatorToAgent, AgentToCoordinator>;
  private token: string | undefined;
  private readonly ready: { waiters: (() => void)[] } = { waiters: [] };
  private lastRefusal = '';
  /** What is about to be told of a run. */
  private readonly reports = new Map<RunId, { report: Progress; timer: NodeJS.Timeout }>();
  /** Live entries that arrive while the feed is still being read up to them. */
  private held: FeedItem[] | undefined;
  private closed = false;

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.socket = io(new URL('/agents', options.url).href, {
      transports: ['websocket'],
      reconnectionDelay: 250,
      reconnectionDelayMax: 15_000,
      autoConnect: false,
      forceNew: true,
      ...(options.trust === undefined ? {} : { ca: [...options.trust] }),
    });
    this.socket.on('challenge', (raw) => void this.begin(raw));
    this.socket.on('entries', (raw: unknown) => {
      const items = (Array.isArray(raw) ? raw : [raw]) as FeedItem[]; // each is looked at before it is believed
      if (this.held === undefined) for (const item of items) this.take(item);
      else this.held.push(...items);
    });
    this.socket.on('head', (head) => {
      if (!this.closed) options.onHead(head);
    });
    this.socket.on('disconnect', (reason) => {
      const was = this.token !== undefined;
      this.token = undefined;
      if (was) options.onConnected(false);
      options.log.debug({ reason }, 'disconnected');
      // the coordinator hung up on purpose: socket.io leaves it to us to try again
      if (reason === 'io server disconnect') this.redial();
    });
    this.socket.on('connect_error', (error) =>
      options.log.debug({ reason: error.message }, 'coordinator not reachable'),
    );
  }

  connect(): void {
    this.socket.connect();
  }

  /** The token for HTTP; waits until the socket is authenticated. */
  async httpToken(signal: AbortSignal): Promise<string> {
    await this.untilReady(signal);
    return this.token!;
  }

  /**
   * Submits a signed message until the coordinator has said what became of it.
   * @param body that it names, if it is small enough to travel with it
   * @throws FederationError STOPPED when `signal` aborts first
   */
  async submit(message: BankMessage, signal: AbortSignal, body?: Uint8Array): Promise<SubmitReply> {
    const text = body && toBase64Url(body);
    for await (const _attempt of backOff(signal)) {
      await this.untilReady(signal);
      try {
        const socket = this.socket.timeout(REPLY_MS_MAX);
        const reply = await (text === undefined
          ? socket.emitWithAck('submit', message)
          : socket.emitWithAck('submit-with-body', message, text));
        if (reply.ok) return reply;
        this.options.log.warn({ code: reply.code }, `submission failed: ${reply.message}; will try again`);
      } catch {
        // no reply: it may or may not have been recorded. Sending the same bytes again is safe.
      }
    }
    throw new FederationError('STOPPED', 'the agent is stopping');
  }

  /** Best effort: lost without harm. Of what follows quickly, only the last is sent. */
  progress(report: Progress): void {
    const { reports } = this;
    const waiting = reports.get(report.run);
    reports.set(report.run, {
      report,
      timer: waiting?.timer ?? setTimeout(() => this.sendProgress(report.run), PROGRESS_MS).unref(),
    });
  }

  /** What was reported of this run is over. */
  endProgress(run: RunId): void {
    clearTimeout(this.reports.get(run)?.timer);
    this.reports.delete(run);
  }

  /** Called after the signal of whoever waits here was aborted: then they stop waiting. */
  close(): void {
    this.closed = true;
    for (const { timer } of this.reports.values()) clearTimeout(timer);
    this.socket.disconnect();
    for (const resume of this.ready.waiters.splice(0)) resume();
  }

  private sendProgress(run: RunId): void {
    const { report } = this.reports.get(run)!;
    this.reports.delete(run);
    if (this.token !== undefined) this.socket.volatile.emit('progress', report);
  }

  private take(item: FeedItem): void {
    // what comes after the word that made us hang up is not to be believed either
    if (!this.closed) this.options.onItem(item);
  }

  private redial(): void {
    setTimeout(() => {
      if (!this.closed && !this.socket.active) this.socket.connect();
    }, REDIAL_MS).unref();
  }

  private async begin(raw: unknown): Promise<void> {
    const { charter, participant, seed, clock, log } = this.options;
    try {
      const challenge = challengeSchema.parse(raw);
      if (challenge.charter !== charter) {
        throw new FederationError(
          'FORBIDDEN',
          'the coordinator serves another consortium than the one in the invitation',
        );
      }
      const time = clock.now();
      const message = signMessage(
        'authenticate',
        { nonce: challenge.nonce, charter, from: participant, time, agentVersion: VERSION },
        seed,
      );
      const reply = await this.socket.timeout(REPLY_MS_MAX).emitWithAck('authenticate', message);
      if (!reply.ok) throw new FederationError(reply.code as ErrorCode, reply.message);
      await this.follow();
      this.options.onFollowed();
      if (this.closed) return; // what was shown made us break off: nothing more leaves, bodies over HTTP neither
      this.token = reply.token;
      log.info({ url: this.options.url }, 'connected to the coordinator');
      this.lastRefusal = '';
      this.options.onConnected(true);
      for (const resume of this.ready.waiters.splice(0)) resume();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // said once, not at every attempt: an agent may wait for days to be admitted
      if (reason !== this.lastRefusal)
        log.warn({ reason }, 'the coordinator does not let the agent in yet; it keeps trying');
      this.lastRefusal = reason;
      this.socket.disconnect();
      this.redial();
    }
  }

  /** Reads the feed up to now; what is recorded meanwhile comes live, and after it. */
  private async follow(): Promise<void> {
    this.held = [];
    for (let from: number | null = this.options.position(); from !== null;) {
      const page: FollowPage | Refusal = await this.socket
        .timeout(REPLY_MS_MAX)
        .emitWithAck('follow', { from });
      if (!page.ok) throw new FederationError(page.code as ErrorCode, page.message);
      for (const item of page.entries) this.take(item);
      from = page.next;
    }
    for (const item of this.held) this.take(item);
    this.held = undefined;
  }

  /** Resolves when the agent is let in and knows the ledger up to now. @throws FederationError STOPPED */
  async untilReady(signal: AbortSignal): Promise<void> {
    while (this.token === undefined) {
      if (signal.aborted) throw new FederationError('STOPPED', 'the agent is stopping');
      await new Promise<void>((resolve) => this.ready.waiters.push(resolve)); // `close` ends it too
    }
  }
}
