/** Who may speak on a socket, and what becomes of those who may not. */
import { io, Manager, type Socket } from 'socket.io-client';
import { beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '#shared/protocol/limits.ts';
import { closeLater } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

interface Silent {
  readonly coordinator: TestCoordinator;
  readonly openedAt: number;
  readonly closedAt: Promise<number>;
}

/** All coordinators are started before the first test, so that their silent sockets wait at the same time. */
const silent = new Map<string, Silent>();
beforeAll(async () => {
  for (const database of DATABASES) {
    const coordinator = await TestCoordinator.start({ database });
    const never = new TestBank(coordinator, 'never');
    await never.dial();
    silent.set(database, {
      coordinator,
      openedAt: Date.now(),
      closedAt: never.hungUp().then(() => Date.now()),
    });
  }
});

describe.each(DATABASES)('sockets on %s', (database) => {
  let coordinator: TestCoordinator;
  let bank: TestBank;
  beforeAll(async () => {
    ({ coordinator } = silent.get(database)!);
    bank = await TestBank.join(coordinator, 'bank');
  });

  test('before it has authenticated, a socket may do nothing', async () => {
    const strangers = Array.from({ length: 4 }, () => new TestBank(coordinator, 'bank', bank.seed));
    const [following, submitting, progressing, waiting] = strangers as [
      TestBank,
      TestBank,
      TestBank,
      TestBank,
    ];
    for (const stranger of strangers) await stranger.dial();
    expect(await following.ask('follow', { from: 0 })).toMatchObject({ ok: false, code: 'UNAUTHENTICATED' });
    const run = await TestRun.propose(coordinator, tinyPlan(['bank']));
    const consent = run.consentOf(bank);
    expect(await submitting.submit(consent)).toMatchObject({ ok: false, code: 'UNAUTHENTICATED' });
    const gone = progressing.hungUp();
    progressing.wire.emit('progress', { run: run.id, round: 0, stage: 'answering', fraction: 0.5 });
    expect(await gone).toMatch('io server disconnect');
    await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'done' });
    expect(await waiting.ask('follow', { from: 0 })).toMatchObject({ ok: false });
    // also nothing of what was recorded meanwhile
    for (const stranger of strangers) expect(stranger.entries).toEqual([]);
    expect(run.entries.filter(({ message }) => message.type === 'consent')).toEqual([]);
  });

  test('an answer to the challenge of another socket is REPLAY', async () => {
    const first = new TestBank(coordinator, 'bank', bank.seed);
    const { nonce } = await first.dial();
    const second = new TestBank(coordinator, 'bank', bank.seed);
    expect(await second.authenticate({ nonce })).toMatchObject({ ok: false, code: 'REPLAY' });
    expect(await second.authenticate({ charter: '0'.repeat(64) })).toMatchObject({
      ok: false,
      code: 'REPLAY',
    });
  });

  test('a challenge is answered once', async () => {
    const again = new TestBank(coordinator, 'bank', bank.seed);
    const { nonce, charter } = await again.dial();
    const time = coordinator.clock.now();
    const answer = again.sign('authenticate', { nonce, charter, from: 'bank', time, agentVersion: '' });
    expect(await again.ask('authenticate', answer)).toMatchObject({ ok: true });
    expect(await again.ask('authenticate', answer)).toMatchObject({ ok: false, code: 'REPLAY' });
  });

  test('an answer that is signed by another bank, or tampered with, is SIG', async () => {
    const impostor = await TestBank.join(coordinator, 'impostor');
    expect(await impostor.authenticate({ from: 'bank' })).toMatchObject({ ok: false, code: 'SIG' });
    const { nonce, charter } = await impostor.dial();
    const time = coordinator.clock.now();
    const signed = impostor.sign('authenticate', {
      nonce,
      charter,
      from: 'impostor',
      time,
      agentVersion: '1',
    });
    const tampered = { ...signed, payload: { ...signed.payload, agentVersion: '2' } };
    expect(await impostor.ask('authenticate', tampered)).toMatchObject({ ok: false, code: 'SIG' });
    expect(await impostor.authenticate()).toMatchObject({ ok: true });
  });

  test('a bank nobody knows is SIG like one that signs wrongly; what is not an answer is SCHEMA', async () => {
    const nobody = new TestBank(coordinator, 'nobody');
    expect(await nobody.authenticate()).toMatchObject({ ok: false, code: 'SIG' });
    for (const raw of [
      null,
      1,
      'x',
      {},
      [],
      { type: 'authenticate' },
      { type: 'enrol', payload: {}, sig: '' },
    ]) {
      await nobody.dial();
      expect(await nobody.ask('authenticate', raw)).toMatchObject({ ok: false, code: 'SCHEMA' });
    }
  });

  test('a clock that is off by more than the tolerance is refused, and told so', async () => {
    const { clockSkewMsMax } = LIMITS;
    for (const skew of [-clockSkewMsMax - 5000, clockSkewMsMax + 5000]) {
      const late = new TestBank(coordinator, 'bank', bank.seed);
      const reply = await late.authenticate({ time: coordinator.clock.now() + skew });
      expect(reply).toMatchObject({
        ok: false,
        code: 'STATE',
        message: expect.stringContaining('clock') as string,
      });
    }
    const fine = new TestBank(coordinator, 'bank', bank.seed);
    expect(await fine.authenticate({ time: coordinator.clock.now() - clockSkewMsMax + 5000 })).toMatchObject({
      ok: true,
    });
  });

  test('a new socket of a bank may open before its old one has gone, and either may speak', async () => {
    const twin = new TestBank(coordinator, 'bank', bank.seed);
    await twin.connect();
    const run = await TestRun.propose(coordinator, tinyPlan(['bank']));
    expect(await run.consent(twin)).toMatchObject({ outcome: 'accepted' });
    twin.disconnect();
    const round = await run.round(0);
    expect(await run.answer(bank, round)).toMatchObject({ outcome: 'accepted' });
    expect((await run.complete([bank], 1)).outcome).toBe('completed');
  });

  test('one socket reads one page at a time and has so many messages under way; more is RATE_LIMIT', async () => {
    const greedy = await TestBank.join(coordinator, 'greedy');
    const codes = async (event: string, raw: unknown, times: number): Promise<(string | undefined)[]> => {
      const replies = Array.from({ length: times }, () => greedy.ask<{ code?: string }>(event, raw));
      return (await Promise.all(replies)).map(({ code }) => code);
    };
    const pages = await codes('follow', { from: 0 }, 20);
    expect(pages).toEqual(expect.arrayContaining([undefined, 'RATE_LIMIT']));
    expect(await greedy.ask('follow', { from: 0 })).toMatchObject({ ok: true });

    const run = await TestRun.propose(coordinator, tinyPlan(['greedy', 'bank']));
    const consents = await codes('submit', run.consentOf(greedy), 60);
    expect(consents.filter((code) => code === undefined).length).toBeGreaterThanOrEqual(1);
    expect(consents).toContain('RATE_LIMIT');
    expect(await run.consent(greedy)).toMatchObject({ outcome: 'accepted' });
    await run.until('consent');
    expect(run.entries.filter(({ message }) => message.type === 'consent')).toHaveLength(1);
    await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'done' });
  });

  test('who watches a run hears of the progress of its banks, and of nobody else', async () => {
    const outsider = await TestBank.join(coordinator, 'outsider');
    const insider = await TestBank.join(coordinator, 'insider');
    const run = await TestRun.start(coordinator, [insider]);
    await run.round(0);
    const { socket } = await coordinator.auditor.watch(run.id, () => {});
    const heard: string[] = [];
    const first = new Promise<void>((resolve) =>
      socket.on('progress', ({ participant }) => {
        heard.push(participant);
        resolve();
      }),
    );
    for (const one of [outsider, insider]) {
      one.wire.emit('progress', { run: run.id, round: 0, stage: 'answering', fraction: 0.5 });
      await one.ask('follow', { from: 0 }); // by now it has arrived
    }
    await first;
    expect(heard).toEqual(['insider']);
    socket.disconnect();
    await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'done' });
  });

  describe('that watch', () => {
    const watch = (auth: object): Socket => {
      const socket = io(`${coordinator.url}/watch`, {
        transports: ['websocket'],
        forceNew: true,
        reconnection: false,
        auth,
      });
      closeLater(() => void socket.disconnect());
      return socket;
    };
    const outcome = (socket: Socket): Promise<string> =>
      new Promise((resolve) => {
        socket.once('connect', () => resolve('connected'));
        socket.once('connect_error', (error) => resolve(error.message));
        socket.once('disconnect', () => resolve('disconnected'));
      });

    test('need the token of an operator or auditor', async () => {
      for (const token of [coordinator.operatorToken, coordinator.auditorToken]) {
        expect(await outcome(watch({ token }))).toBe('connected');
      }
      const wrong = [
        {},
        { token: '' },
        { token: 'x'.repeat(43) },
        { token: bank.token },
        { token: 7 },
        { token: null },
      ];
      for (const auth of wrong) expect(await outcome(watch(auth))).toBe('UNAUTHENTICATED');
    });

    test('may watch runs that exist, and are told when one does not', async () => {
      const socket = watch({ token: coordinator.auditorToken });
      await outcome(socket);
      const ask = (raw: unknown): Promise<unknown> => socket.timeout(5000).emitWithAck('watch', raw);
      expect(await ask({ run: '0'.repeat(64) })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
      for (const raw of [null, {}, { run: 'x' }, { run: '0'.repeat(64), more: 1 }, 'x', 3]) {
        expect(await ask(raw)).toMatchObject({ ok: false, code: 'SCHEMA' });
      }
    });
  });
});

test('nobody stays connected who has not joined a namespace that is there, or has left it', async () => {
  const { coordinator } = silent.get(DATABASES[0])!;
  /** A bare connection on which these packets are sent. @returns what came, once the coordinator has hung up */
  const lineWith = (...packets: string[]): Promise<string[]> =>
    new Promise((resolve) => {
      const came: string[] = [];
      const manager = new Manager(coordinator.url, { transports: ['websocket'], reconnection: false });
      closeLater(() => void manager.engine.close());
      manager.once('open', () => {
        manager.engine.on('message', (packet: string) => {
          came.push(packet.replace(/"sid":"[^"]+"/, 'sid'));
          if (packet.startsWith('0/agents')) manager.engine.write('1/agents,');
        });
        for (const packet of packets) manager.engine.write(packet);
      });
      manager.once('close', () => resolve(came));
    });
  const [silence, root, nowhere, left] = await Promise.all([
    lineWith(),
    lineWith('0'),
    lineWith('0/nowhere,'),
    lineWith('0/agents,'),
  ]);
  expect(silence).toEqual([]);
  expect(root).toEqual(['4{"message":"NOT_FOUND"}']);
  expect(nowhere).toEqual(['4/nowhere,{"message":"Invalid namespace"}']);
  expect(left[0]).toBe('0/agents,{sid}');
});

test.each(DATABASES)(
  'a socket that never authenticates is dropped after ten seconds (%s)',
  async (database) => {
    const { openedAt, closedAt, coordinator } = silent.get(database)!;
    const bank = await TestBank.join(coordinator, 'stays');
    const lasted = (await closedAt) - openedAt;
    expect(lasted).toBeGreaterThan(9000);
    expect(lasted).toBeLessThan(13_000);
    expect(bank.wire.connected).toBe(true);
  },
);
