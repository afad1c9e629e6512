import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { afterAll, expect, test } from 'vitest';
import { BodyClient } from '#participant-agent/transport/body-client.ts';
import { wayTo } from '#participant-agent/transport/way.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

const BODY = Uint8Array.from({ length: 64 }, (_, i) => i * 3);
const ROOT = vectorRoot(BODY);
const { signal } = new AbortController();

const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
});

/** A client of a coordinator that answers its n-th request, from 0, as told. */
async function clientOf(
  answer: (n: number, response: ServerResponse) => void,
): Promise<{ client: BodyClient; asked: () => number; warned: string[] }> {
  let asked = 0;
  const server = createServer((_, response) => answer(asked++, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const warned: string[] = [];
  const client = new BodyClient({
    way: wayTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, undefined),
    clock: { now: Date.now },
    log: pino({ level: 'warn' }, { write: (line) => void warned.push(line) }),
    token: () => Promise.resolve('token'),
  });
  closing.push(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, asked: () => asked, warned };
}

/** As `recompute` does with a vector that is not the certified one. */
const takeRight = () => (piece: Uint8Array) => {
  if (vectorRoot(piece) !== ROOT) throw new FederationError('VECROOT', 'expected another vector');
};

const ways: [string, (client: BodyClient) => Promise<unknown>][] = [
  ['a body', (client) => client.download(ROOT, signal)],
  ['the vectors of a round', (client) => client.downloadVectors('a'.repeat(64), signal, takeRight)],
];

test.concurrent.each(ways)(
  '%s is asked for again for as long as the coordinator is only out of order',
  async (_, download) => {
    const { client, asked, warned } = await clientOf((n, response) => {
      response.statusCode = n < 4 ? 503 : 200;
      response.end(n < 4 ? 'a proxy without a server behind it' : BODY);
    });
    await download(client);
    // once is a restart; what goes on is said, but not at every attempt
    expect([asked(), warned]).toEqual([5, [expect.stringMatching(/no coordinator behind it.*503/)]]);
  },
);

test.concurrent.each(ways)(
  '%s that is wrong is asked for again a few times, and then given up, which is logged',
  async (_, download) => {
    const { client, asked, warned } = await clientOf((_n, response) => response.end(BODY.subarray(1)));
    await expect(download(client)).rejects.toMatchObject({ code: 'VECROOT' });
    expect([asked(), warned.length]).toEqual([4, 4]);
  },
);

test.concurrent.each(ways)('%s that was wrong by accident is taken when it is right', async (_, download) => {
  const { client, asked, warned } = await clientOf((n, response) =>
    response.end(n === 0 ? BODY.subarray(1) : BODY),
  );
  await download(client);
  expect([asked(), warned.length]).toEqual([2, 1]);
});

test.concurrent('a fault of our own ends a download at once: the network would not mend it', async () => {
  const { client, asked } = await clientOf((_, response) => void response.end(BODY));
  const stumble = () => () => {
    throw new RangeError('a mistake of ours');
  };
  await expect(client.downloadVectors('a'.repeat(64), signal, stumble)).rejects.toThrow('a mistake of ours');
  expect(asked()).toBe(1);
});

test.concurrent(
  'a sum that was shown is not asked for, unless it is another than the one it is said to be',
  async () => {
    const { client, asked } = await clientOf((_, response) => response.end(BODY));
    const copy = (): Uint8Array<ArrayBuffer> => new Uint8Array(BODY);
    client.keepAnnounced(ROOT, copy());
    expect(await client.download(ROOT, signal)).toEqual(BODY);
    expect(asked()).toBe(0);
    client.keepAnnounced(ROOT, copy().fill(1));
    expect(await client.download(ROOT, signal)).toEqual(BODY);
    expect(asked()).toBe(1);
  },
);

test.concurrent('however many sums are shown, only a few wait to be asked for', async () => {
  const { client, asked } = await clientOf((_, response) => response.end(BODY));
  client.keepAnnounced(ROOT, new Uint8Array(BODY));
  for (let i = 0; i < 20; i++) client.keepAnnounced(`another ${i}`, new Uint8Array(8));
  await client.download(ROOT, signal);
  expect(asked()).toBe(1); // the first had to make room
});
