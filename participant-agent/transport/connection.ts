/**
 * The agent's one socket: dials out, proves who it is by signing the coordinator's challenge, follows the
 * ledger from where it stands, and submits messages until each has an outcome. socket.io reconnects with
 * growing pauses; after each reconnection all of this happens again, so nothing is lost in between.
 */
import { io, type Socket } from 'socket.io-client';
import type { Logger } from '#participant-agent/logger.ts';
import { backOff } from '#participant-agent/transport/back-off.ts';
import { Complaints, findObstacle } from '#participant-agent/transport/trouble.ts';
import type { Way } from '#participant-agent/transport/way.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { socketAddressOf } from '#shared/protocol/coordinator-address.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';
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
  readonly way: Way;
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
  /** Called with what keeps the agent from being connected, as often as it is found out. */
  readonly onTrouble: (reason: string) => void;
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
  private readonly complaints: Complaints;
  private isLooking = false;
  /** How often in a row HTTP reached the coordinator and the socket did not. */
  private onlyHttp = 0;
  /** What is about to be told of a run. */
  private readonly reports = new Map<RunId, { report: Progress; timer: NodeJS.Timeout }>();
  /** Live entries that arrive while the feed is still being read up to them. */
  private held: FeedItem[] | undefined;
  private closed = false;

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.complaints = new Complaints(options.clock);
    const { url, path } = socketAddressOf(options.way.url, 'agents');
    // a string in socket.io's types, for browsers; Node's sockets take what Node's requests take
    const agent = options.way.createAgent() as unknown as string;
    this.socket = io(url, {
      path,
      agent,
      transports: ['websocket'],
      reconnectionDelay: 250,
      reconnectionDelayMax: 15_000,
      autoConnect: false,
      forceNew: true,
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
      if (was && !this.closed)
        this.complain('the connection to the coordinator was lost; dialling again', inert(reason));
      options.log.debug({ reason }, 'disconnected');
      // the coordinator hung up on purpose: socket.io leaves it to us to try again
      if (reason === 'io server disconnect') this.redial();
    });
    this.socket.on('connect_error', (error) => void this.look(error));
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

  /** Said once for each reason, and again from time to time; `agent status` knows the newest. */
  private complain(what: string, reason: string): void {
    const { log, onTrouble } = this.options;
    onTrouble(reason);
    if (this.complaints.isDue(reason)) log.warn({ reason }, what);
  }

  /** A socket could not be opened: WebSockets do not say why, so the same way is asked over HTTP. */
  private async look(error: Error): Promise<void> {
    if (this.isLooking || this.closed) return;
    this.isLooking = true;
    const { way, charter } = this.options;
    const obstacle = await findObstacle(way, charter);
    this.isLooking = false;
    if (this.closed || this.socket.connected) return;
    this.onlyHttp = obstacle === undefined ? this.onlyHttp + 1 : 0;
    // once may be a coordinator that has just been started
    if (obstacle === undefined && this.onlyHttp < 2) return;
    this.complain(
      'no connection to the coordinator; dialling again',
      obstacle ??
        `requests reach ${way.url}, WebSockets do not (${inert(error.message)}): a proxy in between must let "Upgrade: websocket" through`,
    );
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
      log.info({ url: this.options.way.url }, 'connected to the coordinator');
      this.complaints.forget();
      this.options.onConnected(true);
      for (const resume of this.ready.waiters.splice(0)) resume();
    } catch (error) {
      // an agent may wait for days to be admitted
      if (!this.closed)
        this.complain('the coordinator does not let the agent in; it keeps trying', describeError(error));
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
