/**
 * The processes of `bench-transport.ts`: `serve` takes bodies and gives one out, `send PORT BANKS` is so many banks.
 * Bodies are hashed at both ends; nothing is kept, added, signed or computed.
 */
import { createHash } from 'node:crypto';
import { Agent, createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

const [role, ...rest] = process.argv.slice(2);
const say = (message: unknown): boolean => process.send!(message);

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function hashed(stream: IncomingMessage, into?: Uint8Array): Promise<void> {
  const hash = createHash('sha256');
  let at = 0;
  for await (const piece of stream as AsyncIterable<Uint8Array>) {
    hash.update(piece);
    into?.set(piece, at);
    at += piece.length;
  }
  hash.digest();
}

function serve(bytes: number): void {
  const body = new Uint8Array(bytes).fill(7);
  const server = createServer((incoming, response) => {
    if (incoming.method === 'PUT') void hashed(incoming).then(() => response.writeHead(201).end());
    else response.setHeader('content-length', bytes).end(body);
  });
  server.listen(0, '127.0.0.1', () => say((server.address() as AddressInfo).port));
  process.on('message', () => say(cpuSeconds()));
}

function send(port: number, banks: number, bytes: number): void {
  const agent = new Agent({ keepAlive: true });
  const bodies = Array.from({ length: banks }, (_, i) => new Uint8Array(bytes).fill(i));
  const replies = bodies.map(() => new Uint8Array(bytes));
  const ask = (method: 'PUT' | 'GET', bank: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = method === 'PUT' ? { 'content-length': bytes } : {};
      const sending = request({ host: '127.0.0.1', port, method, agent, headers }, (reply) =>
        hashed(reply, replies[bank]).then(resolve, reject),
      );
      sending.on('error', reject);
      if (method === 'GET') return sending.end();
      createHash('sha256').update(bodies[bank]!).digest();
      return sending.end(bodies[bank]);
    });
  process.on('message', (method: 'PUT' | 'GET') => {
    void Promise.all(bodies.map((_, bank) => ask(method, bank))).then(() => say(cpuSeconds()));
  });
  say('ready');
}

process.on('disconnect', () => process.exit(0));
if (role === 'serve') serve(Number(rest[0]));
else send(Number(rest[0]), Number(rest[1]), Number(rest[2]));
