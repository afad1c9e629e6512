/**
 * What a coordinator looks like to an agent, with a test in place of its honesty: it greets, lets everybody
 * in, sends the entries it is told to, and keeps what it gets.
 */
import type { AddressInfo } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { Server } from 'socket.io';
import type { Entry } from '#shared/ledger/entry.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';
import { closeLater } from './opened.ts';

export class FalseCoordinator {
  url = '';
  /** What the feed begins with. */
  readonly entries: Entry[] = [];
  readonly bodies = new Map<string, Uint8Array>();
  readonly submitted: BankMessage[] = [];
  /** Bodies that came with messages, as text. */
  readonly received: string[] = [];
  /** Everything it was asked, in order. */
  readonly asked: string[] = [];
  private io: Server | undefined;

  static async start(charter: () => string): Promise<FalseCoordinator> {
    const self = new FalseCoordinator();
    const server = createHttpServer((request, response) => {
      self.asked.push(`${request.method} ${request.url}`);
      const body = self.bodies.get(request.url!.split('/').at(-1)!);
      request.resume().on('end', () => {
        response.statusCode = request.method === 'PUT' ? 201 : body === undefined ? 404 : 200;
        response.end(body);
      });
    });
    self.io = new Server(server, { transports: ['websocket'], serveClient: false });
    self.io.of('/agents').on('connection', (socket) => {
      self.asked.push('connection');
      socket.on('disconnect', () => self.asked.push('disconnect'));
      socket.on('authenticate', (_message: unknown, reply: (answer: object) => void) => {
        self.asked.push('authenticate');
        reply({ ok: true, token: 'tally_bank_false' });
      });
      socket.on('follow', ({ from }: { from: number }, reply: (answer: object) => void) => {
        self.asked.push('follow');
        reply({ ok: true, entries: self.entries.filter(({ seq }) => seq >= from), next: null });
      });
      const take = (message: BankMessage, reply: (answer: object) => void): void => {
        self.submitted.push(message);
        reply({ ok: true, outcome: 'accepted' });
      };
      socket.on('submit', take);
      socket.on('submit-with-body', (message: BankMessage, body: string, reply: (answer: object) => void) => {
        self.received.push(body);
        take(message, reply);
      });
      socket.emit('challenge', { nonce: 'A'.repeat(43), charter: charter() });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    closeLater(async () => {
      server.closeAllConnections();
      await self.io!.close();
    });
    return self;
  }

  /** Says one more thing to everybody who listens. */
  say(entry: Entry): void {
    this.entries.push(entry);
    this.show(entry);
  }

  /** Shows something that is in no ledger. */
  show(item: unknown): void {
    this.io!.of('/agents').emit('entries', [item]);
  }
}
