/**
 * Strangers for `bench-strangers.ts`, in a process of their own: a thousand attempts a second from one address to
 * authenticate with a signature that is nobody's, and lines from another that are held open and say nothing. Sockets by
 * hand: a WebSocket library would need more CPU than what it attacks. Reads the coordinator's URL and charter as
 * arguments, says what became of its attempts whenever it gets a line, and ends when its input does.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const [url, charter] = process.argv.slice(2) as [string, string];
const { hostname, port } = new URL(url);
const ATTEMPTS_PER_SECOND = 1000;
const IDLE_LINES = 500;
const EVERY_MS = 10;
const counts = { attempts: 0, heard: 0, refused: 0, broken: 0, idle: 0 };

const HANDSHAKE =
  `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: ${hostname}\r\nconnection: upgrade\r\n` +
  'upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

/** A text frame of RFC 6455, masked with zeros. */
function frame(text: string): Buffer {
  const body = Buffer.from(text);
  const head =
    body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), body]);
}

function dial(localAddress: string, onData: (line: Socket, text: string) => void, onEnd: () => void): void {
  const line = connect({ host: hostname, port: Number(port), localAddress }, () => line.write(HANDSHAKE));
  line.on('data', (bytes) => onData(line, bytes.toString('latin1')));
  line.on('error', () => counts.broken++);
  line.on('close', onEnd);
}

function attempt(): void {
  counts.attempts++;
  dial(
    '127.0.0.2',
    (line, text) => {
      if (text.startsWith('HTTP/1.1 101')) line.write(frame('40/agents,'));
      else if (text.startsWith('HTTP/1.1')) counts.refused++;
      const nonce = /"nonce":"([^"]+)"/.exec(text)?.[1];
      if (nonce !== undefined) {
        const payload = { nonce, charter, from: 'bank-a', time: Date.now(), agentVersion: 'x' };
        const message = { type: 'authenticate', payload, sig: 'A'.repeat(86) };
        line.write(frame(`42/agents,1${JSON.stringify(['authenticate', message])}`));
      }
      if (text.includes('"SIG"')) counts.heard++;
    },
    () => {},
  );
}

/** One that is turned out comes again. */
function hold(): void {
  counts.idle++;
  dial(
    '127.0.0.3',
    () => {},
    () => {
      counts.idle--;
      setTimeout(hold, 1000);
    },
  );
}

for (let i = 0; i < IDLE_LINES; i++) hold();
let due = 0;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  due += ((now - last) / 1000) * ATTEMPTS_PER_SECOND;
  last = now;
  for (; due >= 1; due--) attempt();
}, EVERY_MS);
const lines = createInterface({ input: process.stdin });
lines.on('line', () => process.stdout.write(`${JSON.stringify(counts)}\n`));
lines.on('close', () => process.exit(0));
