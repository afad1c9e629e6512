/**
 * A TCP proxy that keeps every byte that goes through it, by connection and direction, and can take a
 * WebSocket's client frames out of their masks.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { closeLater } from './opened.ts';

export interface Recorded {
  /** From who dialled. */
  readonly sent: Buffer[];
  readonly received: Buffer[];
}

export class RecordingProxy {
  readonly connections: Recorded[] = [];
  url = '';

  /** @param target URL of the coordinator */
  static async before(target: string): Promise<RecordingProxy> {
    const proxy = new RecordingProxy();
    const { hostname, port } = new URL(target);
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(Number(port), hostname);
      const recorded: Recorded = { sent: [], received: [] };
      proxy.connections.push(recorded);
      near.on('data', (bytes) => recorded.sent.push(bytes));
      far.on('data', (bytes) => recorded.received.push(bytes));
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    closeLater(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return proxy;
  }

  /** What was sent, connection by connection, WebSocket frames unmasked. */
  sent(): Buffer[] {
    return this.connections.map(({ sent }) => {
      const bytes = Buffer.concat(sent);
      const end = bytes.indexOf('\r\n\r\n');
      const isWebSocket = /^upgrade: websocket$/im.test(bytes.subarray(0, end).toString('latin1'));
      if (!isWebSocket) return bytes;
      return Buffer.concat([bytes.subarray(0, end + 4), ...framesIn(bytes.subarray(end + 4))]);
    });
  }
}

/** RFC 6455 section 5.2: the payloads of complete client frames. */
export function framesIn(bytes: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at + 6 <= bytes.length;) {
    if ((bytes[at]! & 0x70) !== 0) throw new Error('a frame uses an extension, perhaps compression');
    if ((bytes[at + 1]! & 0x80) === 0) throw new Error('a client frame is not masked');
    let length = bytes[at + 1]! & 0x7f;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    const mask = bytes.subarray(at, at + 4);
    at += 4;
    const payload = Buffer.from(bytes.subarray(at, at + length));
    for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i % 4]!;
    payloads.push(payload);
    at += length;
  }
  return payloads;
}
