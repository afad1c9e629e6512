/**
 * Thousands of wrong messages (in the soak test 24,000) against one live coordinator, over real sockets and HTTP. It must not
 * fall over, not take an error of the sender for one of its own, not record anything that is not one of the
 * messages the banks really signed, and serve an honest run afterwards.
 *
 * Everything follows from one seed; TALLYSTICK_FUZZ_SEED sets another, TALLYSTICK_FUZZ how many times as many there are.
 */
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { io } from 'socket.io-client';
import { beforeAll, describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { parseEntry } from '#shared/ledger/entry.ts';
import { closeLater } from '../support/opened.ts';
import { LoneCoordinator } from '../support/lone-coordinator.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestRun, type TestRound } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';
import { almost, anyFrame, anyJson, anyRequest } from './nonsense.ts';

const TIMES = Number(process.env['TALLYSTICK_FUZZ'] ?? 1);
const SEED = Number(process.env['TALLYSTICK_FUZZ_SEED'] ?? 20261120);
/** How many are on their way at once. */
const WINDOW = 64;

describe('a coordinator', () => {
  let coordinator: LoneCoordinator;
  let a: TestBank;
  let b: TestBank;
  let run: TestRun;
  let round: TestRound;
  /** The body of an update that is to come. */
  let ready: Uint8Array;
  /** Messages that banks really signed: recorded, late, or not yet sent. */
  let signed: unknown[];
  let sizeBefore: number;
  let sent = 0;
  /** What it called its own fault. */
  const internal: unknown[] = [];

  beforeAll(async () => {
    console.log(`fuzz seed ${SEED}`);
    coordinator = await LoneCoordinator.start('postgres');
    [a, b] = (await TestBank.joinAll(coordinator, 'bank-a', 'bank-b')) as [TestBank, TestBank];
    const earlier = await TestRun.start(coordinator, [a, b]);
    await earlier.complete([a, b]);
    run = await TestRun.propose(coordinator, tinyPlan(['bank-a', 'bank-b']));
    await run.consent(a);
    await run.consent(b);
    round = await run.round(0);
    const input = run.input(b, round);
    ready = input.bytes;
    await b.put(input.root, ready);
    await run.answer(a, round);
    signed = [...earlier.entries, ...run.entries].map(({ message }) => message);
    signed.push(run.input(a, round).message, run.input(a, round, { vectorRoot: input.root }).message);
    signed.push(
      b.sign('authenticate', {
        nonce: 'A'.repeat(43),
        charter: coordinator.charter,
        from: b.id,
        time: 0,
        agentVersion: '',
      }),
    );
    for await (const { text } of coordinator.operator.entries(0)) signed.push(parseEntry(text).entry.message);
    sizeBefore = (await ledger()).length;
  }, 60_000);

  async function ledger(): Promise<string[]> {
    const texts: string[] = [];
    for await (const { text } of coordinator.operator.entries()) texts.push(text);
    return texts;
  }

  /** Sends them all, a window at a time; the answer to each must come. */
  async function pipeline<T>(items: readonly T[], send: (item: T) => Promise<unknown>): Promise<void> {
    const waiting = items.values();
    await Promise.all(
      Array.from({ length: WINDOW }, async () => {
        for (const item of waiting) {
          const reply = await send(item);
          sent++;
          if (JSON.stringify(reply)?.includes('"INTERNAL"') === true) {
            internal.push(JSON.stringify(item).slice(0, 300));
          }
        }
      }),
    );
  }

  function expectUnharmed(): void {
    expect(coordinator.process.running, coordinator.process.output.slice(-2000)).toBe(true);
    expect(internal.splice(0).slice(0, 3)).toEqual([]);
  }

  test('takes messages that are almost right, and accepts none of them', async () => {
    await a.connect();
    const events = ['submit', 'submit', 'submit-with-body', 'authenticate', 'follow'];
    const body = fc.oneof(fc.constant(toBase64Url(ready)), fc.base64String({ maxLength: 200 }), anyJson);
    const messages = fc.sample(fc.tuple(fc.constantFrom(...events), almost(signed), body), {
      numRuns: 2500 * TIMES,
      seed: SEED,
    });
    const genuine = new Set(signed.map((message) => canonicalJson(message)));
    await pipeline(messages, async ([event, message, text]) => {
      const args = event === 'submit-with-body' ? [message, text] : [message];
      const reply = await a.ask<{ ok: boolean; outcome?: string }>(event, ...args);
      const accepted = reply.outcome === 'accepted';
      if (accepted && !genuine.has(canonicalJson(message)))
        throw new Error(`accepted ${JSON.stringify(message)}`);
      return reply;
    });
    expectUnharmed();
  });

  test('takes pieces of nonsense in every event', async () => {
    await a.connect();
    const events = [
      'submit',
      'submit-with-body',
      'authenticate',
      'follow',
      'progress',
      'watch',
      'error',
      'constructor',
      '__proto__',
    ];
    const nonsense = fc.sample(fc.tuple(fc.constantFrom(...events), fc.array(anyJson, { maxLength: 3 })), {
      numRuns: 1500 * TIMES,
      seed: SEED + 1,
    });
    await pipeline(nonsense, async ([event, args]) => {
      const answered = ['submit', 'authenticate', 'follow'].includes(event) && args.length === 1;
      if (answered) return a.ask(event, ...args);
      a.wire.emit(event, ...args);
      return undefined;
    });
    expect(await a.ask('follow', { from: 0 })).toMatchObject({ ok: true });
    expectUnharmed();
  });

  test('takes broken frames, each of which may cost its own connection', async () => {
    const frames = fc.sample(anyFrame, { numRuns: 200 * TIMES, seed: SEED + 2 });
    await pipeline(chunksOf(frames, 4), (some) => {
      const socket = io(`${coordinator.url}/agents`, {
        transports: ['websocket'],
        forceNew: true,
        reconnection: false,
      });
      closeLater(() => void socket.disconnect());
      return new Promise<void>((resolve) => {
        const done = (): void => {
          socket.disconnect();
          resolve();
        };
        socket.once('connect_error', done);
        socket.once('challenge', () => {
          for (const frame of some) socket.io.engine.write(frame);
          socket.once('disconnect', done);
          // it may also take them all, and answer
          socket.emit('follow', { from: 0 }, done);
        });
      });
    });
    expectUnharmed();
  });

  test('takes watchers with all kinds of credentials', async () => {
    const credentials = fc.sample(fc.oneof(anyJson, fc.record({ token: anyJson })), {
      numRuns: 150 * TIMES,
      seed: SEED + 3,
    });
    await pipeline([...credentials, { token: { toString: 1, valueOf: 1 } }], (auth) => {
      const socket = io(`${coordinator.url}/watch`, {
        ...{ transports: ['websocket'], forceNew: true, reconnection: false },
        auth: (give: (data: object) => void) => give(auth as object),
      });
      closeLater(() => void socket.disconnect());
      return new Promise<void>((resolve, reject) => {
        const impatience = setTimeout(done, 5000);
        function done(): void {
          clearTimeout(impatience);
          socket.disconnect();
          resolve();
        }
        socket.once('connect', () => reject(new Error(`let in with ${JSON.stringify(auth)}`)));
        socket.once('connect_error', done);
        socket.once('disconnect', done);
      });
    });
    expectUnharmed();
  });

  test('takes requests to every route', async () => {
    await a.connect();
    const { paths } = await coordinator.operator.get<{ paths: Record<string, unknown> }>('/v1/openapi.json');
    const routes = [
      ...Object.keys(paths),
      '/',
      '/healthz',
      '/readyz',
      '/metrics',
      '/socket.io/',
      '/v1/{a}',
      '/{a}/{b}',
    ];
    const words = [run.id, round.ctx, coordinator.charter, run.input(b, round).root, 'bank-a', '0', '1', 'x'];
    // tokens of operators are left out: what they are allowed to do is no accident
    const tokens = ['', a.token, 'x'.repeat(40), '\u00e9'.repeat(30)];
    const requests = fc.sample(fc.tuple(anyRequest(routes, words), fc.constantFrom(...tokens)), {
      numRuns: 1500 * TIMES,
      seed: SEED + 4,
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });
    closeLater(() => agent.destroy());
    await pipeline(requests, async ([{ method, path, headers, body }, token]) => {
      const reply = await send(
        coordinator.url,
        agent,
        method,
        path,
        { ...headers, authorization: `Bearer ${token}` },
        body,
      );
      if (reply.status >= 500) return { code: 'INTERNAL', ...reply };
      return undefined;
    });
    expectUnharmed();
  });

  test('takes things that are hardly HTTP', async () => {
    const beginnings = [
      '',
      'GET / HTTP/1.1\r\n',
      'PUT /v1/bodies/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
      'POST /v1/enrolments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\n',
    ];
    const things = fc.sample(fc.tuple(fc.constantFrom(...beginnings), fc.uint8Array({ maxLength: 300 })), {
      numRuns: 100 * TIMES,
      seed: SEED + 5,
    });
    const { hostname, port } = new URL(coordinator.url);
    await pipeline(things, ([beginning, bytes]) => {
      return new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname);
        socket.on('error', () => {});
        socket.on('close', () => resolve());
        socket.on('connect', () => {
          socket.write(beginning);
          socket.end(bytes);
          socket.resume();
          socket.setTimeout(500, () => socket.destroy());
        });
      });
    });
    expectUnharmed();
  });

  test('has recorded nothing but what banks signed, and serves them as before', async () => {
    expect(sent).toBeGreaterThan(5000 * TIMES);
    const genuine = new Set(signed.map((message) => canonicalJson(message)));
    const after = await ledger();
    for (const text of after.slice(sizeBefore)) {
      expect(genuine).toContain(canonicalJson(parseEntry(text).entry.message));
    }
    expect(
      coordinator.process.stderr
        .split('\n')
        .filter((line) => line.includes('internal error'))
        .slice(0, 3),
    ).toEqual([]);

    await Promise.all([a.connect(), b.connect()]);
    expect(await run.answer(b, round)).toMatchObject({ outcome: 'accepted' });
    expect((await run.complete([a, b], 1)).outcome).toBe('completed');
  });
});

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** Unlike fetch, sends paths and headers as they are. */
function send(
  url: string,
  agent: Agent,
  method: string,
  path: string,
  headers: Record<string, string>,
  body: string | undefined,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const failed = (): void => resolve({ status: 0, text: '' });
    let sending;
    try {
      sending = httpRequest({ hostname, port, agent, method, path, headers, timeout: 10_000 }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', failed);
      });
    } catch {
      failed(); // not even Node's client sends that
      return;
    }
    sending.on('error', failed);
    sending.on('timeout', () => sending.destroy());
    sending.end(body);
  });
}
