/**
 * A coordinator without honesty: it has its own key, tells each bank the history a test writes for it, keeps
 * all it is sent, and serves the bodies and shares it is told to serve.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { Server } from 'socket.io';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import type { BankMessage, Message, Payload } from '#shared/protocol/messages.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { closeLater } from './opened.ts';

const WITHIN_MS = 10_000;

/** What comes in, one after the other, and waits for it. */
export class Arrivals<T> {
  readonly all: T[] = [];
  private waiters: (() => void)[] = [];

  push(item: T): void {
    this.all.push(item);
    for (const resume of this.waiters.splice(0)) resume();
  }

  /** The first item from place `from` on that matches, as soon as it is there. */
  async until(what: string, match: (item: T) => boolean, from = 0): Promise<T> {
    const giveUp = Date.now() + WITHIN_MS;
    for (;;) {
      const found = this.all.slice(from).find(match);
      if (found !== undefined) return found;
      const left = giveUp - Date.now();
      if (left <= 0) throw new Error(`waited ${WITHIN_MS} ms for ${what}`);
      await new Promise<void>((resolve) => {
        const impatience = setTimeout(resolve, left);
        this.waiters.push(() => {
          clearTimeout(impatience);
          resolve();
        });
      });
    }
  }
}

/** A ledger as one bank is shown it. */
export interface Shown {
  readonly entries: readonly Entry[];
  /** @returns how to stop listening */
  listen(listener: (entry: Entry) => void): () => void;
}

export class MaliciousCoordinator {
  url = '';
  readonly seed = new Uint8Array(randomBytes(32));
  readonly logSeed = new Uint8Array(randomBytes(32));
  readonly charter: Payload<'charter'>;
  readonly bodies = new Map<string, Uint8Array>();
  /** What `GET /v1/sessions/:session/shares` answers, by participant and session. */
  readonly shares = new Map<string, Uint8Array>();
  /** Bodies that are served only when their promise resolves. */
  readonly held = new Map<string, Promise<void>>();
  readonly submitted = new Arrivals<BankMessage>();
  readonly uploads: string[] = [];
  /** How many sockets were opened so far. */
  connections = 0;
  /** A message of this type gets no reply: it is as if the reply were lost. */
  unanswered: BankMessage['type'] | undefined;
  private readonly shown = new Map<string, Shown>();
  private io: Server | undefined;

  private constructor() {
    this.charter = {
      ...{ v: 1, consortium: 'test', origin: 'tallystick/test' },
      coordinatorKey: toBase64Url(publicKeyOf(this.seed)),
      logKey: toBase64Url(publicKeyOf(this.logSeed)),
    };
  }

  static async start(): Promise<MaliciousCoordinator> {
    const self = new MaliciousCoordinator();
    const server = createServer((request, response) => void self.serve(request, response));
    self.io = new Server(server, { transports: ['websocket'], serveClient: false });
    self.serveSockets(self.io);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    closeLater(async () => {
      server.closeAllConnections();
      await self.io!.close();
    });
    return self;
  }

  get charterHash(): string {
    return messageHash('charter', this.charter);
  }

  /** From its next connection on, this bank follows that history. */
  show(participant: string, history: Shown): void {
    this.shown.set(participant, history);
  }

  /** Cuts all connections, as a broken network would. */
  hangUp(): void {
    for (const socket of this.io!.of('/agents').sockets.values()) socket.conn.close();
  }

  /** The first message of this type after the first `from` messages. */
  async until<Type extends BankMessage['type']>(type: Type, from = 0): Promise<Message<Type>> {
    return (await this.submitted.until(`"${type}"`, (m) => m.type === type, from)) as Message<Type>;
  }

  private serveSockets(io: Server): void {
    io.of('/agents').on('connection', (socket) => {
      this.connections++;
      let history: Shown | undefined;
      socket.on('authenticate', ({ payload }: { payload: { from: string } }, reply: (r: object) => void) => {
        history = this.shown.get(payload.from);
        reply({ ok: true, token: payload.from });
      });
      socket.on('follow', ({ from }: { from: number }, reply: (r: object) => void) => {
        const stop = history?.listen((entry) => socket.emit('entries', [entry]));
        socket.on('disconnect', () => stop?.());
        reply({ ok: true, entries: history?.entries.slice(from) ?? [], next: null });
      });
      const take = (message: BankMessage, reply: (r: object) => void): void => {
        if (message.type !== this.unanswered) reply({ ok: true, outcome: 'accepted' });
        this.submitted.push(message);
      };
      socket.on('submit', take);
      socket.on('submit-with-body', (message: BankMessage, body: string, reply: (r: object) => void) => {
        const bytes = fromBase64Url(body);
        this.keep(vectorRoot(bytes), bytes);
        take(message, reply);
      });
      socket.emit('challenge', { nonce: randomBytes(32).toString('base64url'), charter: this.charterHash });
    });
  }

  private keep(root: string, bytes: Uint8Array): void {
    this.bodies.set(root, bytes);
    this.uploads.push(root);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const { pathname, searchParams } = new URL(request.url!, 'http://any');
    const [, , kind, name] = pathname.split('/') as [string, string, string, string];
    const participant = request.headers.authorization?.split(' ')[1] ?? '';
    if (request.method === 'PUT') {
      this.keep(name, new Uint8Array(Buffer.concat(chunks)));
      response.writeHead(201).end();
      return;
    }
    await this.held.get(name);
    const body =
      kind === 'sessions'
        ? this.shares.get(`${participant}/${name}`)
        : kind === 'rounds'
          ? this.vectorsOf(name, this.shown.get(participant)?.entries ?? [], searchParams.get('of'))
          : this.bodies.get(name);
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/octet-stream' });
    response.end(body);
  }

  /** The vectors of the survivors of a round, as this history names them, or of one of them. */
  private vectorsOf(ctx: string, entries: readonly Entry[], of: string | null): Uint8Array {
    let participants: readonly string[] = [];
    let survivors: readonly number[] = [];
    const roots = new Map<string, string>();
    for (const { message } of entries) {
      if (message.type === 'open-session') participants = message.payload.participants;
      if (!('ctx' in message.payload) || message.payload.ctx !== ctx) continue;
      if (message.type === 'fix-survivors') survivors = message.payload.survivors;
      if (message.type === 'masked-input') roots.set(message.payload.from, message.payload.vectorRoot);
    }
    const wanted = of === null ? survivors : [Number(of)];
    return Buffer.concat(wanted.map((index) => this.bodies.get(roots.get(participants[index]!)!)!));
  }
}
