/** Each cause that keeps an agent from its coordinator is said in one line that says what to do, and not at every attempt. */
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import pino from 'pino';
import { expect, test } from 'vitest';
import { Connection } from '#participant-agent/transport/connection.ts';
import { trustBesides } from '#participant-agent/transport/trust.ts';
import { wayTo, type Way } from '#participant-agent/transport/way.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { participantId } from '#shared/protocol/ids.ts';
import { AUTHORITY } from '../support/certificate.ts';
import { startForwardProxy } from '../support/forward-proxy.ts';
import { startFront } from '../support/front.ts';
import { closeLater } from '../support/opened.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';

const WORDS = { addressIn: 'coordinator.url in agent.yaml', trustIn: 'name it as caFile in agent.yaml' };

/** What an agent that dials this way says, and what it would show in its status. */
function dial(way: Way, times = 3) {
  const said: { reason: string; msg: string }[] = [];
  const reasons: string[] = [];
  let isHeard: () => void = () => {};
  const heard = new Promise<void>((resolve) => (isHeard = resolve));
  const connection = new Connection({
    ...{ way, charter: 'f'.repeat(64), participant: participantId.parse('b'), seed: sha256(utf8('b')) },
    clock: { now: () => 0 },
    log: pino({ level: 'warn' }, { write: (line) => void said.push(JSON.parse(line) as (typeof said)[0]) }),
    ...{ position: () => 0, onHead() {}, onItem() {}, onFollowed() {}, onConnected() {} },
    onTrouble(reason) {
      reasons.push(reason);
      if (reasons.length === times) isHeard(); // it goes on trying
    },
  });
  closeLater(() => connection.close());
  connection.connect();
  return { heard, said, reasons };
}

async function listening(server: Server | ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeLater(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function answering(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listening(createServer(listener))}`;
}

const page =
  (status: number, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    void response
      .writeHead(status, { 'content-type': 'text/html', ...headers })
      .end('<html><body>Access to this site is blocked</body></html>');

async function freePort(): Promise<number> {
  const server = createTcpServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const CAUSES: Record<string, { way: () => Promise<Way>; says: RegExp }> = {
  'nothing listens': {
    way: async () => wayTo(`http://127.0.0.1:${await freePort()}`, undefined),
    says: /nothing listens at 127\.0\.0\.1:\d+: is the coordinator started/,
  },
  'a name that is not known': {
    way: () => Promise.resolve(wayTo('https://coordinator.invalid:7400', undefined)),
    says: /the name "coordinator\.invalid" is not known here \(DNS/,
  },
  'TLS on a port without': {
    way: async () => wayTo((await answering(page(200))).replace('http:', 'https:'), undefined),
    says: /does not speak TLS: either the address begins with http:\/\/ \(coordinator\.url in agent\.yaml\)/,
  },
  'no TLS on a port with it': {
    way: async () =>
      wayTo((await startFront('http://127.0.0.1:1', { tls: true })).replace('https:', 'http:'), undefined),
    says: /speaks TLS: the address begins with https:\/\//,
  },
  'an authority that is not known': {
    way: async () => wayTo(await startFront('http://127.0.0.1:1', { tls: true }), undefined),
    says: /is not trusted \(.*\): it is by an authority .*caFile in agent\.yaml/,
  },
  'a certificate for another name': {
    way: async () =>
      wayTo(
        await startFront('http://127.0.0.1:1', { tls: true, host: '127.0.0.2' }),
        trustBesides(AUTHORITY),
      ),
    says: /the certificate of 127\.0\.0\.2:\d+ is for another name/,
  },
  'a page of something in between': {
    way: async () => wayTo(await answering(page(200)), undefined),
    says: /something in between answered with a page, not the coordinator/,
  },
  'a page that asks who one is': {
    way: async () => wayTo(await answering(page(403)), undefined),
    says: /does not let us through \(HTTP 403\)/,
  },
  'another server': {
    way: async () => wayTo(await answering(page(404)), undefined),
    says: /it is no coordinator \(HTTP 404\): is it below a path/,
  },
  'a redirection': {
    way: async () => wayTo(await answering(page(301, { location: 'https://new.example/' })), undefined),
    says: /redirects elsewhere, to https:\/\/new\.example\/: give the coordinator's own address/,
  },
  'a proxy with nothing behind it': {
    way: async () => wayTo(await startFront(`http://127.0.0.1:${await freePort()}`), undefined),
    says: /finds no coordinator behind it \(HTTP 502\)/,
  },
  'a forward proxy that is not there': {
    way: async () =>
      wayTo('https://coordinator.example', undefined, WORDS, {
        HTTPS_PROXY: `http://user:geheim@127.0.0.1:${await freePort()}`,
      }),
    says: /the proxy 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\): see HTTPS_PROXY/,
  },
  'a forward proxy with another password': {
    way: async () => {
      const { url } = await startForwardProxy('user:right');
      url.password = 'geheim';
      return wayTo('https://coordinator.example', undefined, WORDS, { HTTPS_PROXY: url.href });
    },
    says: /the proxy 127\.0\.0\.1:\d+ asks for another user and password/,
  },
};

test.concurrent.each(Object.entries(CAUSES))('%s', async (_, { way, says }) => {
  const { heard, said, reasons } = dial(await way());
  await heard;
  expect(reasons[0]).toMatch(says);
  expect(new Set(reasons).size).toBe(1);
  expect(said).toEqual([expect.objectContaining({ level: 40, reason: reasons[0] })]); // once, however often it dials
  expect(JSON.stringify(said)).not.toContain('geheim');
});

test('the coordinator of another consortium', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite' });
  const { heard, reasons } = dial(wayTo(coordinator.url, undefined), 1);
  await heard;
  expect(reasons[0]).toMatch(/another consortium/);
});

test.each([
  'nothing listens',
  'an authority that is not known',
  'a page of something in between',
  'TLS on a port without',
])('an operator is told the same causes: %s', async (name) => {
  const { way, says } = CAUSES[name]!;
  const client = new OperatorClient((await way()).url, 'token');
  const words = says.source.replace('caFile in agent\\.yaml', '').replace(/ \\\(coordinator.*/, '');
  await expect(client.get('/v1/runs')).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringMatching(new RegExp(words)) as string,
  });
});
