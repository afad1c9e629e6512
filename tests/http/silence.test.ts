/** Connections on which nothing moves: they are cut, but for WebSockets and for those whom we keep waiting. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import { Server as SocketServer } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { beforeAll, expect, test } from 'vitest';
import { sendFile } from '#coordinator/http/send-body.ts';
import { createServer } from '#coordinator/http/server.ts';
import { cutOffSlowReaders } from '#coordinator/sockets/slow-readers.ts';
import { eventually } from '../support/eventually.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';

const SILENCE_MS = 400;
const BODY_BYTES = 64 * 1_048_576;
const WAITING_BYTES = 8 * 1_048_576;

let port: number;
let sockets: SocketServer;
/** How much was waiting for each that was cut off for not reading. */
const cutOff: number[] = [];
/** What became of requests, by path. */
const ended: string[] = [];
beforeAll(async () => {
  const file = join(await temporaryFolder('silence'), 'body');
  await writeFile(file, new Uint8Array(BODY_BYTES));
  const app = express();
  app.get('/body', async (_request, response) => {
    response.setHeader('content-length', BODY_BYTES);
    await sendFile(file, response); // resolves when its handle and its buffer are free again
    ended.push('body');
    response.end();
  });
  app.get('/slow', async (_request, response) => {
    await sleep(3 * SILENCE_MS);
    response.send('done');
  });
  app.put('/upload', (request) => {
    request.once('close', () => ended.push('upload')).resume();
  });
  const server = await createServer(app, undefined, SILENCE_MS);
  sockets = new SocketServer(server, { transports: ['websocket'], pingInterval: 60_000 });
  cutOffSlowReaders(sockets, WAITING_BYTES, (waiting) => cutOff.push(waiting));
  closeLater(() => sockets.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

function line(text: string) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  socket.write(text);
  closeLater(() => void socket.destroy());
  return socket;
}

test('a reader that stops reading is cut off, and holds no file any more', async () => {
  line('GET /body HTTP/1.1\r\nhost: x\r\n\r\n');
  await eventually('the file to be closed', () => ended.includes('body'), 10 * SILENCE_MS);
});

test('a sender that stops sending is cut off', async () => {
  line('PUT /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc');
  await eventually('the upload to end', () => ended.includes('upload'), 10 * SILENCE_MS);
});

test('a reader that goes on reading has the whole body, however slowly', async () => {
  const response = await fetch(`http://127.0.0.1:${port}/body`);
  let bytes = 0;
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    if (bytes % 8_388_608 < piece.length) await sleep(SILENCE_MS / 4);
  }
  expect(bytes).toBe(BODY_BYTES);
});

test('whoever waits for an answer that takes long gets it', async () => {
  const response = await fetch(`http://127.0.0.1:${port}/slow`);
  expect([response.status, await response.text()]).toEqual([200, 'done']);
});

test('a WebSocket may be silent', async () => {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], reconnection: false });
  closeLater(() => void socket.disconnect());
  await once(socket as unknown as NodeJS.EventEmitter, 'connect');
  await sleep(4 * SILENCE_MS);
  expect(socket.connected).toBe(true);
});

test('a WebSocket whose other end does not read is cut off before much is waiting for it, whatever it sends', async () => {
  const [deaf, reading] = ['deaf', 'reading'].map(() =>
    io(`http://127.0.0.1:${port}`, { transports: ['websocket'], reconnection: false }),
  ) as [Socket, Socket];
  for (const socket of [deaf, reading]) {
    closeLater(() => void socket.disconnect());
    await once(socket as unknown as NodeJS.EventEmitter, 'connect');
  }
  let read = 0;
  reading.on('piece', (piece: string) => (read += piece.length));
  const { ws } = deaf.io.engine.transport as unknown as { ws: { pause(): void } };
  ws.pause();
  const piece = 'x'.repeat(256 * 1024);
  // what the system takes for a reader that does not read is a few MB, and not ours to count
  let sent = 0;
  await eventually('it to be cut off', () => {
    deaf.io.engine.transport.send([{ type: 'pong' }]);
    for (let i = 0; i < 4; i++, sent += piece.length) sockets.emit('piece', piece);
    return cutOff.length > 0;
  });
  expect(cutOff).toHaveLength(1);
  expect(cutOff[0]).toBeGreaterThan(WAITING_BYTES);
  expect(cutOff[0]).toBeLessThan(WAITING_BYTES + 2 * piece.length);
  await eventually('the other to have read all', () => read === sent);
  expect(reading.connected).toBe(true);
});

test('a certificate that is not there, or is none, is CONFIG and named', async () => {
  const file = join(await temporaryFolder('pem'), 'cert.pem');
  await writeFile(file, 'not a certificate');
  const app = express();
  await expect(createServer(app, { certFile: '/no/such.pem', keyFile: file })).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringContaining('/no/such.pem') as string,
  });
  await expect(createServer(app, { certFile: file, keyFile: file })).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringContaining(file) as string,
  });
});
