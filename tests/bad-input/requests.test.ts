/** REST requests of every wrong shape: always problem details with a code, never an internal error. */
import { beforeAll, describe, expect, test } from 'vitest';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { ERROR_CODES, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { request, TestBank, type HttpReply } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

/** Problem details as RFC 9457 and our table of codes have them. */
function expectProblem(reply: HttpReply, code: ErrorCode): void {
  const { status, title, retryable } = ERROR_CODES[code];
  expect(reply.json).toEqual({
    ...{ type: 'about:blank', title, status, code, retryable },
    detail: expect.stringMatching(/./) as string,
    requestId: reply.headers.get('x-request-id'),
  });
  expect(reply.status).toBe(status);
  expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json/);
}

describe('wrong requests', () => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
  });

  const send = (
    method: string,
    path: string,
    options: Parameters<typeof request>[3] = {},
  ): Promise<HttpReply> =>
    request(coordinator.url, method, path, { token: coordinator.operatorToken, ...options });
  const post = (path: string, json: unknown): Promise<HttpReply> => send('POST', path, { json });

  test('bodies of the wrong shape are SCHEMA', async () => {
    const run = '0'.repeat(64);
    const wrong: [path: string, body: unknown][] = [
      ...[null, [], 'x', {}, { participant: 'x' }].map((body): [string, unknown] => [
        '/v1/invitations',
        body,
      ]),
      ['/v1/invitations', { participant: 'Upper', url: 'http://x' }],
      ['/v1/invitations', { participant: '../up', url: 'http://x' }],
      ['/v1/invitations', { participant: 'a', url: 'javascript:alert(1)' }],
      ['/v1/invitations', { participant: 'a', url: 'http://x', validHours: 0 }],
      ['/v1/invitations', { participant: 'a', url: 'http://x', validHours: 1e9 }],
      ['/v1/invitations', { participant: 'a', url: 'http://x', extra: 1 }],
      ['/v1/invitations', JSON.parse('{"participant":"a","url":"http://x","__proto__":{"x":1}}')],
      ['/v1/participants/a/admission', {}],
      ['/v1/participants/a/admission', { fingerprint: 7 }],
      ['/v1/participants/a/admission', { fingerprint: 'x'.repeat(41) }],
      ['/v1/participants/A%20B/admission', { fingerprint: 'x' }],
      ['/v1/runs', {}],
      ['/v1/runs', { contract: tinyContract }],
      ['/v1/runs', { contract: tinyContract, plan: 'x' }],
      ['/v1/runs', { contract: { ...tinyContract, features: [] }, plan: tinyPlan(['a']) }],
      ['/v1/runs', { contract: tinyContract, plan: { ...tinyPlan(['a']), contract: run } }],
      ['/v1/runs/short/start', {}],
      ['/v1/runs/short/stop', { reason: 'x' }],
      [`/v1/runs/${run}/stop`, {}],
      [`/v1/runs/${run}/stop`, { reason: '' }],
      [`/v1/runs/${run}/stop`, { reason: 'x'.repeat(401) }],
      ['/v1/tokens', { name: 'a b', role: 'auditor' }],
      ['/v1/tokens', { name: 'a', role: 'king' }],
      ['/v1/tokens/a%2Fb/removal', {}],
    ];
    for (const [path, body] of wrong) {
      const reply = await post(path, body);
      expect([path, body, reply.code]).toEqual([path, body, 'SCHEMA']);
      expectProblem(reply, 'SCHEMA');
    }
  });

  test('queries and paths of the wrong shape are SCHEMA', async () => {
    const wrong = [
      '/v1/runs/xyz',
      '/v1/ledger/entries?from=-1',
      '/v1/ledger/entries?from=x',
      '/v1/ledger/entries?from=1.5',
      '/v1/ledger/entries?limit=0',
      '/v1/ledger/entries?limit=501',
      '/v1/ledger/entries?run=xyz',
      '/v1/ledger/entries?from=0&from=1',
      '/v1/ledger/entries?unknown=1',
      '/v1/ledger/entries?__proto__=1',
      '/v1/ledger/proofs/inclusion',
      '/v1/ledger/proofs/inclusion?index=0',
      '/v1/ledger/proofs/inclusion?index=0&size=0',
      '/v1/ledger/proofs/inclusion?index=0&size=1e99',
      '/v1/ledger/proofs/consistency?from=0&to=1',
      '/v1/runs/%ZZ',
    ];
    for (const path of wrong) {
      const reply = await send('GET', path);
      expect([path, reply.code]).toEqual([path, 'SCHEMA']);
      expectProblem(reply, 'SCHEMA');
    }
  });

  test('what is not there is NOT_FOUND', async () => {
    const run = '0'.repeat(64);
    const gets = [
      '/',
      '/v1',
      '/v1/nothing',
      '/V2/runs',
      `/v1/runs/${run}`,
      `/v1/bodies/${run}`,
      '/v1/ledger/proofs/inclusion?index=0&size=9999999',
      '/v1/ledger/proofs/inclusion?index=9&size=1',
      '/v1/ledger/proofs/consistency?from=2&to=1',
      '/v1/ledger/proofs/consistency?from=1&to=9999999',
    ];
    for (const path of gets) {
      const reply = await send('GET', path);
      expect([path, reply.code]).toEqual([path, 'NOT_FOUND']);
      expectProblem(reply, 'NOT_FOUND');
    }
    expectProblem(await send('DELETE', '/v1/runs'), 'NOT_FOUND');
    expectProblem(await send('PATCH', '/v1/tokens', { json: {} }), 'NOT_FOUND');
    expectProblem(await post(`/v1/runs/${run}/start`, {}), 'NOT_FOUND');
    expectProblem(await post('/v1/participants/nobody/admission', { fingerprint: 'x' }), 'NOT_FOUND');
  });

  test('a body that is not JSON, too large or wrongly encoded is told so', async () => {
    const path = '/v1/invitations';
    const text = (body: string, headers: Record<string, string> = {}): Promise<HttpReply> =>
      send('POST', path, { body, headers: { 'content-type': 'application/json', ...headers } });
    for (const body of ['{', '{"a":}', '\u0000', 'undefined', '{"a":1}}', '[1,2']) {
      expectProblem(await text(body), 'SCHEMA');
    }
    expectProblem(await text(`"${'x'.repeat(LIMITS.requestBytesMax)}"`), 'TOO_LARGE');
    expectProblem(await text('{}', { 'content-type': 'text/plain' }), 'SCHEMA');
    expectProblem(await text('{}', { 'content-type': 'application/json; charset=klingon' }), 'SCHEMA');
    expectProblem(await text('{}', { 'content-encoding': 'klingon' }), 'SCHEMA');
    expectProblem(await text('not gzip', { 'content-encoding': 'gzip' }), 'SCHEMA');
  });

  test('nesting without end is refused like any other nonsense', async () => {
    const nested = (depth: number, open: string, close: string): string =>
      open.repeat(depth) + close.repeat(depth);
    const plan = { ...tinyPlan(['a']), program: { name: 'fedavg', settings: 'HERE' } };
    for (const depth of [70, 1000, 20_000]) {
      const deep = nested(depth, '[', ']');
      const proposal = JSON.stringify({ contract: tinyContract, plan }).replace('"HERE"', deep);
      const reply = await send('POST', '/v1/runs', {
        body: proposal,
        headers: { 'content-type': 'application/json' },
      });
      expect([depth, reply.status]).toEqual([depth, expect.toSatisfy((status: number) => status < 500)]);

      // the one route that takes a message from anybody
      const signed = JSON.stringify({
        type: 'run-proposed',
        payload: { charter: '0'.repeat(64), plan: { ...plan, contract: '0'.repeat(64) } },
        sig: 'A'.repeat(86),
      }).replace('"HERE"', deep);
      const open = await request(coordinator.url, 'POST', '/v1/enrolments', {
        body: signed,
        headers: { 'content-type': 'application/json' },
      });
      // whoever has no token is not even read so far
      const code = signed.length > LIMITS.strangerRequestBytesMax ? 'TOO_LARGE' : 'SCHEMA';
      expect([depth, open.code]).toEqual([depth, code]);
    }
  });

  test('a range of a body that cannot be is answered as HTTP has it', async () => {
    const bank = await TestBank.join(coordinator, 'ranges');
    const run = await TestRun.start(coordinator, [bank]);
    await run.answer(bank, await run.round(0));
    const { sumRoot } = (await run.until('close-round')).payload;
    const part = await bank.get(sumRoot, { range: 'bytes=0-7' });
    expect([part.status, part.headers.get('content-length')]).toEqual([206, '8']);
    expect((await bank.get(sumRoot, { range: 'bytes=99999999-' })).status).toBe(416);
    expect((await bank.get(sumRoot, { range: 'nonsense' })).status).toBe(200);
    expect((await bank.get(sumRoot, { 'if-match': '"other"' })).status).toBe(412);
    await run.complete([bank], 1);
  });

  test('a plan beyond its limits is SCHEMA, and nothing is recorded', async () => {
    await TestBank.join(coordinator, 'large-plan');
    const size = (await coordinator.ledger()).length;
    const plan = tinyPlan(['large-plan'], { name: 'x'.repeat(101) });
    expectProblem(await post('/v1/runs', { contract: tinyContract, plan }), 'SCHEMA');
    const many = Array.from({ length: 1025 }, (_, i) => `bank-${i}`);
    expectProblem(await post('/v1/runs', { contract: tinyContract, plan: tinyPlan(many) }), 'SCHEMA');
    expect(await coordinator.ledger()).toHaveLength(size);
  });
});

describe('too many requests', () => {
  test('are RATE_LIMIT, for all routes but bodies and health, and the answer says when to come again', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres', requestsPerMinute: 25 });
    const replies: HttpReply[] = [];
    for (let i = 0; i < 40; i++) replies.push(await request(coordinator.url, 'GET', '/v1/charter'));
    expect(replies.slice(0, 25).every(({ status }) => status === 200)).toBe(true);
    for (const reply of replies.slice(25)) expectProblem(reply, 'RATE_LIMIT');
    expect(Number(replies.at(-1)!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(replies[0]!.headers.get('ratelimit')).toContain('r=24');
    for (const path of ['/healthz', '/readyz'])
      expect((await request(coordinator.url, 'GET', path)).status).toBe(200);
    const body = await request(coordinator.url, 'GET', `/v1/bodies/${'0'.repeat(64)}`, {
      token: coordinator.auditorToken,
    });
    expect(body.code).toBe('NOT_FOUND');
  });

  test('are counted for strangers who ask for bodies, shares, vectors and metrics too', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres', requestsPerMinute: 8 });
    const paths = ['bodies/X', 'sessions/X/shares', 'rounds/X/vectors'].map(
      (path) => `/v1/${path.replace('X', '0'.repeat(64))}`,
    );
    const ask = (path: string, token = ''): Promise<HttpReply> =>
      request(coordinator.url, 'GET', path, { token });
    for (let i = 0; i < 2; i++)
      for (const path of [...paths, '/metrics']) expectProblem(await ask(path), 'UNAUTHENTICATED');
    const unknown = `tally_auditor_${'A'.repeat(43)}`;
    for (const path of [...paths, '/metrics']) expectProblem(await ask(path, unknown), 'RATE_LIMIT');
    expect((await ask(paths[0]!, coordinator.auditorToken)).code).toBe('NOT_FOUND'); // somebody with a token may go on
  });

  test('with tokens that nobody has are RATE_LIMIT early, over HTTP and on sockets; a good token is let in still', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
    const unknown = `tally_operator_${'A'.repeat(43)}`;
    const get = (token: string): Promise<HttpReply> => request(coordinator.url, 'GET', '/v1/runs', { token });
    const replies: HttpReply[] = [];
    for (let i = 0; i < 70; i++) replies.push(await get(unknown));
    for (const reply of replies.slice(0, 60)) expectProblem(reply, 'UNAUTHENTICATED');
    for (const reply of replies.slice(60)) expectProblem(reply, 'RATE_LIMIT');
    const watching = new OperatorClient(coordinator.url, unknown).watch('0'.repeat(64), () => {});
    await expect(watching).rejects.toThrow(/unknown tokens/);
    expect((await get(coordinator.auditorToken)).status).toBe(200);
    coordinator.clock.advance(60_000);
    expectProblem(await get(unknown), 'UNAUTHENTICATED');
  });

  test('behind a proxy are counted by the address that the proxy saw, not by what a caller makes up', async () => {
    const ask = (coordinator: TestCoordinator, forwarded: string): Promise<HttpReply> =>
      request(coordinator.url, 'GET', '/v1/charter', { headers: { 'x-forwarded-for': forwarded } });
    const behind = await TestCoordinator.start({ database: 'postgres', requestsPerMinute: 2, trustProxy: 1 });
    const status = async (forwarded: string): Promise<number> => (await ask(behind, forwarded)).status;
    expect([await status('192.0.2.1'), await status('192.0.2.1'), await status('192.0.2.1')]).toEqual([
      ...[200, 200],
      429,
    ]);
    expect(await status('192.0.2.2')).toBe(200);
    expect(await status('192.0.2.9, 192.0.2.1')).toBe(429);

    const direct = await TestCoordinator.start({ database: 'postgres', requestsPerMinute: 2 });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask(direct, `192.0.2.${i}`)).status);
    expect(statuses).toEqual([200, 200, 429]);
  });
});
