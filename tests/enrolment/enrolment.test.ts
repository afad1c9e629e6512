/** How a bank joins, and what each kind of token may do. */
import { beforeAll, describe, expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { fromHex, sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { readInvitationCode } from '#shared/protocol/invitation-code.ts';
import type { MessageType } from '#shared/protocol/messages.ts';
import { eventually } from '../support/eventually.ts';
import { request, TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

const HOUR_MS = 3_600_000;

describe.each(DATABASES)('enrolment on %s', (database) => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database });
  });

  const countOf = async (type: MessageType): Promise<number> =>
    (await coordinator.ledger()).filter((message) => message.type === type).length;

  test('a bank joins by invitation, enrolment and admission of the fingerprint it reads out', async () => {
    const bank = new TestBank(coordinator, 'joins');
    const code = await bank.invite();
    expect(readInvitationCode(code)).toMatchObject({
      url: coordinator.url,
      charter: coordinator.charter,
      participant: 'joins',
    });

    const enrolled = await bank.enrol(code);
    expect(enrolled.status).toBe(200);
    expect(enrolled.json).toMatchObject({
      status: 'enrolled',
      fingerprint: bank.fingerprint,
      connected: false,
    });

    await bank.admit();
    await bank.connect();
    const { participants } = await coordinator.auditor.get<{ participants: { participant: string }[] }>(
      '/v1/participants',
    );
    expect(participants.find((p) => p.participant === 'joins')).toEqual({
      participant: 'joins',
      status: 'admitted',
      fingerprint: bank.fingerprint,
      identityKey: bank.identityKey,
      enrolledAt: expect.any(Number) as number,
      connected: true,
    });
  });

  test('a bank that is enrolled but not admitted cannot authenticate', async () => {
    const bank = new TestBank(coordinator, 'only-enrolled');
    await bank.enrol(await bank.invite());
    expect(await bank.authenticate()).toMatchObject({ ok: false, code: 'UNKNOWN_PARTICIPANT' });
    await eventually('it to be hung up on', () => !bank.wire.connected);
    await bank.admit();
    expect(await bank.authenticate()).toMatchObject({ ok: true });
  });

  test('another fingerprint than the enrolled one is refused, and the bank stays out', async () => {
    const bank = new TestBank(coordinator, 'wrong-fingerprint');
    await bank.enrol(await bank.invite());
    const last = bank.fingerprint.at(-1) === '0' ? '1' : '0';
    await expect(bank.admit(bank.fingerprint.slice(0, -1) + last)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    await expect(bank.admit('')).rejects.toMatchObject({ code: 'SCHEMA' });
    expect(await bank.authenticate()).toMatchObject({ ok: false, code: 'UNKNOWN_PARTICIPANT' });
    await bank.admit(bank.fingerprint.toUpperCase()); // how it is read out does not matter
    await expect(bank.admit()).rejects.toMatchObject({ code: 'REPLAY' });
  });

  test('an invitation enrols one key, once; the message that did it may be sent again', async () => {
    const bank = new TestBank(coordinator, 'invited-once');
    const code = await bank.invite();
    const thief = new TestBank(coordinator, 'invited-once');
    const [first, stolen, second] = await Promise.all([
      bank.enrol(code),
      thief.enrol(code),
      bank.enrol(code),
    ]);
    expect([first.status, stolen.status].sort()).toEqual([200, 403]); // whoever came first
    expect(second.status).toBe(first.status);
    const [winner, loser] = first.status === 200 ? [bank, thief] : [thief, bank];
    expect((await winner.enrol(code)).status).toBe(200); // its reply may have been lost
    expect((await winner.enrol(code, { agentVersion: 'another' })).code).toBe('INVITATION');
    expect((await loser.enrol(code)).code).toBe('INVITATION');
    const enrolled = (await coordinator.ledger()).filter(
      ({ type, payload }) => type === 'enrol' && 'from' in payload && payload.from === bank.id,
    );
    expect(enrolled).toHaveLength(1);
  });

  test('an invitation does not work after its time, nor before somebody has made one', async () => {
    const bank = new TestBank(coordinator, 'too-late');
    const code = await bank.invite(1);
    coordinator.clock.advance(HOUR_MS + 1);
    expect((await bank.enrol(code)).code).toBe('INVITATION');
    expect((await bank.enrol(code, { invite: '0'.repeat(64) })).code).toBe('INVITATION');
    expect((await bank.enrol(await bank.invite())).status).toBe(200);
  });

  test('an invitation is for one id', async () => {
    const invited = new TestBank(coordinator, 'the-invited');
    const other = new TestBank(coordinator, 'the-other');
    const code = await invited.invite();
    expect((await other.enrol(code)).code).toBe('INVITATION');
    expect((await invited.enrol(code)).status).toBe(200);
  });

  test('the newest invitation of a bank counts', async () => {
    const bank = new TestBank(coordinator, 'invited-twice');
    const first = await bank.invite();
    const second = await bank.invite();
    expect((await bank.enrol(first)).code).toBe('INVITATION');
    expect((await bank.enrol(second)).status).toBe(200);
    await bank.admit();
    await expect(bank.invite()).rejects.toMatchObject({ code: 'STATE' }); // an id is admitted once
  });

  test('whoever used an invitation that had leaked makes room for the bank, which gets a new one', async () => {
    const thief = new TestBank(coordinator, 'robbed');
    const leaked = await thief.invite();
    expect((await thief.enrol(leaked)).status).toBe(200);
    const bank = new TestBank(coordinator, 'robbed');
    expect((await bank.enrol(leaked)).code).toBe('INVITATION');
    await expect(bank.admit()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const code = await bank.invite();
    await expect(thief.admit()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await bank.enrol(code)).status).toBe(200);
    expect((await thief.enrol(leaked)).code).toBe('INVITATION');
    await expect(thief.admit()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await thief.authenticate()).toMatchObject({ code: 'SIG' });
    await bank.admit();
    await bank.connect();
    expect(await thief.authenticate()).toMatchObject({ code: 'SIG' });
  });

  test('the token of an invitation has 256 random bits, and only its hash is in the ledger', async () => {
    const codes = [];
    for (let i = 0; i < 8; i++) codes.push(await new TestBank(coordinator, `guess-${i}`).invite());
    const tokens = codes.map((code) => readInvitationCode(code).token);
    expect(new Set(tokens).size).toBe(8);
    for (const token of tokens) {
      expect(fromBase64Url(token.replace('tally_invite_', ''))).toHaveLength(32);
    }
    const ledger = JSON.stringify(await coordinator.ledger());
    for (const token of tokens) {
      expect(ledger).not.toContain(token);
      expect(ledger).toContain(toHex(sha256(utf8(token))));
    }
    const wrong = tokens[0]!.slice(0, -1) + (tokens[0]!.endsWith('A') ? 'Q' : 'A');
    expect((await new TestBank(coordinator, 'guess-0').enrol(codes[0]!, { token: wrong })).code).toBe(
      'INVITATION',
    );
  });

  test('a key of small order or in another encoding is refused, and the invitation stays good', async () => {
    const bank = new TestBank(coordinator, 'weak-key');
    const code = await bank.invite();
    const weak = [
      '0100000000000000000000000000000000000000000000000000000000000000', // the neutral element
      '0000000000000000000000000000000000000000000000000000000000000080',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', // order 8
      'f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', // y = p + 3
    ];
    for (const key of weak) {
      expect((await bank.enrol(code, { identityKey: toBase64Url(fromHex(key)) })).code).toBe('WEAK_KEY');
    }
    expect((await bank.enrol(code)).status).toBe(200);
  });

  test('who enrols a key must hold it, and nobody enrols the key of another bank', async () => {
    const bank = new TestBank(coordinator, 'holds-key');
    const code = await bank.invite();
    const { identityKey } = new TestBank(coordinator, 'somebody');
    expect((await bank.enrol(code, { identityKey })).code).toBe('SIG');
    expect((await bank.enrol(code)).status).toBe(200);

    const copy = new TestBank(coordinator, 'copied-key', bank.seed);
    expect((await copy.enrol(await copy.invite())).code).toBe('REPLAY');
  });

  test('what is not an enrolment is refused by code, and none of it is recorded', async () => {
    const before = await countOf('enrol');
    const bank = new TestBank(coordinator, 'not-an-enrolment');
    const wrong: unknown[] = [
      {},
      [],
      { type: 'enrol' },
      { type: 'enrol', payload: {}, sig: 'A'.repeat(86) },
      bank.sign('admit', { enrol: '0'.repeat(64), participant: bank.id }),
      { ...bank.sign('enrol', { from: bank.id }), extra: true },
    ];
    for (const json of wrong) {
      const reply = await request(coordinator.url, 'POST', '/v1/enrolments', { json });
      expect([reply.status, reply.code]).toEqual([400, 'SCHEMA']);
    }
    expect(await countOf('enrol')).toBe(before);
  });
});

describe.each(DATABASES)('access tokens on %s', (database) => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database });
  });

  const reads = [
    '/v1/participants',
    '/v1/runs',
    `/v1/runs/${'0'.repeat(64)}`,
    '/v1/ledger/entries',
    `/v1/bodies/${'0'.repeat(64)}`,
    '/metrics',
  ];
  const writes: [path: string, body: unknown][] = [
    ['/v1/invitations', { participant: 'new-bank', url: 'http://localhost' }],
    ['/v1/participants/new-bank/admission', { fingerprint: 'x' }],
    ['/v1/runs', { contract: tinyContract, plan: tinyPlan(['nobody']) }],
    [`/v1/runs/${'0'.repeat(64)}/start`, {}],
    [`/v1/runs/${'0'.repeat(64)}/stop`, { reason: 'x' }],
    ['/v1/tokens', { name: 'n', role: 'operator' }],
    ['/v1/tokens/n/removal', {}],
  ];

  test('without a token, or with an unknown one, everything but the public routes is 401', async () => {
    const unknown = `tally_operator_${'A'.repeat(43)}`;
    for (const token of ['', 'short', unknown, `${coordinator.operatorToken}x`]) {
      for (const path of [...reads, '/v1/tokens']) {
        const reply = await request(coordinator.url, 'GET', path, { token });
        expect([path, reply.status, reply.code]).toEqual([path, 401, 'UNAUTHENTICATED']);
      }
      for (const [path, json] of writes) {
        const reply = await request(coordinator.url, 'POST', path, { token, json });
        expect([path, reply.status, reply.code]).toEqual([path, 401, 'UNAUTHENTICATED']);
      }
    }
    for (const path of [
      '/v1/charter',
      '/v1/ledger/checkpoint',
      '/v1/ledger/proofs/inclusion?index=0&size=1',
      '/v1/openapi.json',
      '/healthz',
      '/readyz',
    ]) {
      expect((await request(coordinator.url, 'GET', path)).status).toBe(200);
    }
  });

  test('an auditor reads everything and changes nothing; an operator may do both', async () => {
    for (const path of reads) {
      for (const token of [coordinator.auditorToken, coordinator.operatorToken]) {
        const { status } = await request(coordinator.url, 'GET', path, { token });
        expect([path, [200, 404].includes(status)]).toEqual([path, true]);
      }
    }
    const size = (await coordinator.ledger()).length;
    for (const [path, json] of writes) {
      const auditor = await request(coordinator.url, 'POST', path, { token: coordinator.auditorToken, json });
      expect([path, auditor.status, auditor.code]).toEqual([path, 403, 'FORBIDDEN']);
    }
    expect(
      await request(coordinator.url, 'GET', '/v1/tokens', { token: coordinator.auditorToken }),
    ).toMatchObject({
      status: 403,
    });
    expect(await coordinator.ledger()).toHaveLength(size);
    const outcomes: unknown[] = [];
    for (const [path, json] of writes) {
      const reply = await request(coordinator.url, 'POST', path, { token: coordinator.operatorToken, json });
      outcomes.push(reply.code ?? reply.status);
    }
    // let in everywhere; what is refused is refused for what it asks
    expect(outcomes).toEqual([200, 'NOT_FOUND', 'UNKNOWN_PARTICIPANT', 'NOT_FOUND', 'NOT_FOUND', 200, 200]);
  });

  test('the token of a bank opens neither the operator routes nor the auditor routes', async () => {
    const bank = await TestBank.join(coordinator, 'token-bank');
    for (const path of ['/v1/participants', '/v1/runs', '/v1/ledger/entries', '/v1/tokens', '/metrics']) {
      expect((await bank.http('GET', path)).code).toBe('FORBIDDEN');
    }
    for (const [path, json] of writes)
      expect((await bank.http('POST', path, { json })).code).toBe('FORBIDDEN');
    expect((await bank.http('GET', '/v1/ledger/proofs/inclusion?index=0&size=1')).status).toBe(200);
  });

  test('the token of a bank ends with its socket', async () => {
    const bank = await TestBank.join(coordinator, 'token-ends');
    expect((await bank.get('0'.repeat(64))).code).toBe('NOT_FOUND');
    bank.disconnect();
    await eventually(
      'the token to end',
      async () => (await bank.get('0'.repeat(64))).code === 'UNAUTHENTICATED',
    );
  });

  test('a token that is removed is worthless, and a name is used by one token at a time', async () => {
    const { operator } = coordinator;
    const { token } = await operator.post<{ token: string }>('/v1/tokens', { name: 'anna', role: 'auditor' });
    expect((await request(coordinator.url, 'GET', '/v1/runs', { token })).status).toBe(200);
    await expect(operator.post('/v1/tokens', { name: 'anna', role: 'operator' })).rejects.toMatchObject({
      code: 'STATE',
    });
    await operator.post('/v1/tokens/anna/removal', {});
    expect((await request(coordinator.url, 'GET', '/v1/runs', { token })).status).toBe(401);
    await expect(operator.post('/v1/tokens/anna/removal', {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a token that is removed ends what is watched with it', async () => {
    const { operator } = coordinator;
    const { token } = await operator.post<{ token: string }>('/v1/tokens', { name: 'eve', role: 'auditor' });
    const bank = await TestBank.join(coordinator, 'watched-bank');
    const run = await TestRun.propose(coordinator, tinyPlan(['watched-bank']));
    const seen: string[] = [];
    const { socket } = await new OperatorClient(coordinator.url, token).watch(run.id, ({ message }) =>
      seen.push(message.type),
    );
    const ended = new Promise((resolve) => socket.once('disconnect', resolve));
    await operator.post('/v1/tokens/eve/removal', {});
    expect(await ended).toBe('io server disconnect');
    await run.consent(bank);
    await run.until('consent'); // who may still watch sees it
    expect(seen).toEqual(['run-proposed']);
    await operator.post(`/v1/runs/${run.id}/stop`, { reason: 'done' });
  });

  test('the last operator cannot remove its own token', async () => {
    const { operator } = coordinator;
    const { tokens } = await operator.get<{ tokens: { name: string; role: string }[] }>('/v1/tokens');
    const operators = tokens.filter(({ role }) => role === 'operator').map(({ name }) => name);
    expect(operators).toHaveLength(1);
    const own = `/v1/tokens/${operators[0]}/removal`;
    await expect(operator.post(own, {})).rejects.toMatchObject({ code: 'STATE' });
    const { token } = await operator.post<{ token: string }>('/v1/tokens', {
      ...{ name: 'second', role: 'operator' },
    });
    const second = new OperatorClient(coordinator.url, token);
    await second.post(own, {});
    await expect(operator.get('/v1/tokens')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(second.post('/v1/tokens/second/removal', {})).rejects.toMatchObject({ code: 'STATE' });
    coordinator.operatorToken = token;
  });

  test('tokens are in the database as hashes only', async () => {
    const { token } = await coordinator.operator.post<{ token: string }>('/v1/tokens', {
      name: 'hashed',
      role: 'auditor',
    });
    const bank = await TestBank.join(coordinator, 'hashed-bank');
    const { token: invitation } = readInvitationCode(await new TestBank(coordinator, 'not-yet').invite());
    await coordinator.stop();
    const rows = await coordinator.inDatabase(async (db) => ({
      entries: await db.selectFrom('entries').selectAll().execute(),
      tokens: await db.selectFrom('access_tokens').selectAll().execute(),
    }));
    await coordinator.start();
    expect(rows.tokens.length).toBeGreaterThanOrEqual(3);
    for (const { hash } of rows.tokens) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    const everything = JSON.stringify(rows);
    for (const secret of [
      token,
      coordinator.operatorToken,
      coordinator.auditorToken,
      bank.token,
      invitation,
    ]) {
      expect(everything).not.toContain(secret);
      expect(everything).not.toContain(secret.slice(-20));
    }
    expect((await request(coordinator.url, 'GET', '/v1/runs', { token })).status).toBe(200);
  });
});
