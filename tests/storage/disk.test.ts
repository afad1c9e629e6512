/**
 * What becomes of a round when the disk or the database fails under it: nothing is accepted that is not
 * stored, nothing stored is lost, and it goes on when the trouble is over. A file where a folder should be
 * stands for every disk that does not take what it is given; it stops even root.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { RunMachine } from '#models/run-machine.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { plan } from '#shared/protocol/plan.ts';
import { BreakingLine } from '../support/breaking-line.ts';
import { eventually } from '../support/eventually.ts';
import { LoneCoordinator } from '../support/lone-coordinator.ts';
import { stubBody, stubSum, stubSumRoot } from '../support/stub-answers.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun, type TestRound } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

/** A file in the place of a folder until `clear`. */
async function obstruct(folder: string): Promise<{ clear(): Promise<void> }> {
  const aside = `${folder}-aside`;
  await mkdir(dirname(folder), { recursive: true });
  const moved = await rename(folder, aside).then(
    () => true,
    () => false,
  );
  await writeFile(folder, 'in the way');
  return {
    async clear() {
      await rm(folder);
      if (moved) await rename(aside, folder);
    },
  };
}

const sumRootOf = ({ asked }: TestRound, banks: readonly TestBank[]): string =>
  stubSumRoot(
    asked,
    banks.map(({ id }) => id),
  );

describe('a failing disk', () => {
  let coordinator: TestCoordinator;
  let banks: [TestBank, TestBank];
  let names = 0;
  /** What it says to its operator. */
  const logged: string[] = [];
  beforeAll(async () => {
    const log = pino({ level: 'error' }, { write: (line) => void logged.push(line) });
    coordinator = await TestCoordinator.start({ database: 'postgres', log });
  });

  async function firstRound(): Promise<{ run: TestRun; round: TestRound }> {
    const n = ++names;
    banks = (await TestBank.joinAll(coordinator, `a-${n}`, `b-${n}`)) as [TestBank, TestBank];
    const run = await TestRun.start(coordinator, banks, { seed: `seed ${n}` });
    return { run, round: await run.round(0) };
  }

  const bodies = (...parts: string[]): string => join(coordinator.dataDir, 'bodies', ...parts);

  async function restart(run: TestRun, whileStopped: () => Promise<unknown>): Promise<void> {
    await coordinator.stop();
    await whileStopped();
    await coordinator.start();
    await run.watch();
    await Promise.all(banks.map((bank) => bank.connect()));
  }

  test('an upload that cannot be written is STORAGE, not complete, and can be sent again', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    const obstacle = await obstruct(bodies('incoming', a.id));
    const { bytes, root, message } = run.input(a, round);
    const reply = await a.put(root, bytes);
    expect([reply.status, reply.code]).toEqual([507, 'STORAGE']);
    expect(await a.submit(message)).not.toMatchObject({ outcome: 'accepted' });
    await obstacle.clear();
    expect(await run.answer(a, round)).toMatchObject({ outcome: 'accepted' });
    await run.answer(b, round);
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
  });

  test('an update whose body cannot be kept is STORAGE, not recorded, and can be submitted again', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    const { bytes, root, message } = run.input(a, round);
    await a.put(root, bytes);
    const obstacle = await obstruct(bodies(root.slice(0, 2)));
    const size = (await coordinator.ledger()).length;
    expect(await a.submit(message)).toMatchObject({ ok: false, code: 'STORAGE' });
    expect(await coordinator.ledger()).toHaveLength(size);
    await obstacle.clear();
    expect(await a.submit(message)).toMatchObject({ outcome: 'accepted' });
    await run.answer(b, round);
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
  });

  test('an update whose body came with it and cannot be kept is STORAGE, and can be submitted again', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    const { bytes, root, message } = run.input(a, round);
    const obstacle = await obstruct(bodies(root.slice(0, 2)));
    const size = (await coordinator.ledger()).length;
    expect(await a.submitWithBody(message, bytes)).toMatchObject({ ok: false, code: 'STORAGE' });
    expect(await coordinator.ledger()).toHaveLength(size);
    await obstacle.clear();
    expect(await a.submitWithBody(message, bytes)).toMatchObject({ outcome: 'accepted' });
    await run.answer(b, round);
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
  });

  test('an agent whose body is lost before its message is recorded uploads it again', async () => {
    const ids = ['agent-a', 'agent-b'] as const;
    const proposed = tinyPlan(ids, { hidden: [140, 140] }); // too large to come with its message
    const whole = plan.parse({ ...proposed, contract: contractHash(tinyContract) });
    const machine = new RunMachine(whole, tinyContract, 2);
    for (let round = 0; round < 2; round++)
      machine.next(stubSum(machine.asked!, ids), 2, stubSumRoot(machine.asked!, ids));
    const [id] = ids;
    const { root } = stubBody(machine.asked!.question, id);
    const obstacle = await obstruct(bodies(root.slice(0, 2))); // its message cannot be recorded
    await TestAgent.joinAll(coordinator, ids);
    const run = await TestRun.propose(coordinator, proposed);
    const upload = bodies('incoming', id, root);
    await eventually('the upload', () => existsSync(upload));
    await rm(upload);
    await obstacle.clear();
    expect((await run.finished()).outcome).toBe('completed');
  });

  test('a sum that cannot be written does not cost the run: it is tried again', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    await run.answer(a, round);
    const body = run.input(b, round);
    await b.put(body.root, body.bytes);
    const obstacle = await obstruct(bodies(sumRootOf(round, banks).slice(0, 2)));
    await b.submit(body.message);
    await eventually('the coordinator to say so', () => logged.some((line) => line.includes(run.id)));
    expect((await run.view()).phase).toBe('collecting');
    await obstacle.clear();
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
    expect(coordinator.broken).toEqual([]);
  });

  test.each([
    ['gone', (path: string) => rm(path)],
    ['cut short', (path: string) => truncate(path, 8)], // the canary is still there
  ])(
    'a body that is %s after a power loss costs its round, and never gets into a sum',
    async (_how, lose) => {
      const { run, round } = await firstRound();
      const { root } = run.input(banks[0], round);
      await run.answer(banks[0], round);
      await restart(run, () => lose(bodies(root.slice(0, 2), root)));
      expect((await run.until('void-round')).payload).toMatchObject({ ctx: round.ctx, code: 'STORAGE' });
      const again = await run.round(0, 1);
      for (const bank of banks) expect(await run.answer(bank, again)).toMatchObject({ outcome: 'accepted' });
      expect((await run.until('close-round')).payload.sumRoot).toBe(sumRootOf(again, banks));
      expect((await run.complete(banks, 1)).outcome).toBe('completed');
    },
  );

  test('a contract that is gone costs the runs under it, and the coordinator starts', async () => {
    const { run } = await firstRound();
    const { contract } = (await run.view()).plan;
    await restart(run, () => rm(bodies(contract.slice(0, 2), contract)));
    expect(await run.finished()).toMatchObject({ outcome: 'failed', code: 'STORAGE' });
    const next = await TestRun.start(coordinator, banks);
    expect((await next.complete(banks)).outcome).toBe('completed');
  });

  test('what is left of uploads that died is not taken for a body', async () => {
    const { run, round } = await firstRound();
    const [a] = banks;
    const { root, bytes, message } = run.input(a, round);
    await a.put(root, bytes.subarray(0, 24), { length: bytes.length });
    await restart(run, async () => {});
    expect(await a.submit(message)).toMatchObject({ outcome: 'rejected', code: 'VECROOT' });
    const head = await a.http('HEAD', `/v1/bodies/${root}`);
    expect([head.status, head.headers.get('upload-offset')]).toEqual([404, '24']);
    expect((await a.put(root, bytes, { offset: 24 })).status).toBe(201);
    expect(await a.submit(message)).toMatchObject({ outcome: 'accepted' });
    await run.answer(banks[1], round);
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
    expect(await auditBundle(await coordinator.bundle(), coordinator.charter)).toMatchObject({
      passed: true,
    });
  });
});

test('a disk that is full in the middle of an upload: nothing is recorded, and it goes on when there is room', async () => {
  const coordinator = await LoneCoordinator.start('postgres', { fileBytesMax: 65_536 });
  const banks = (await TestBank.joinAll(coordinator, 'a', 'b')) as [TestBank, TestBank];
  const [a, b] = banks;
  const run = await TestRun.start(coordinator, banks, { hidden: [120, 120] });
  for (const round of [0, 1]) {
    const asked = await run.round(round);
    await Promise.all(banks.map((bank) => run.answer(bank, asked)));
  }
  const round = await run.round(2);
  const { bytes, root, message } = run.input(a, round);
  expect(bytes.length).toBeGreaterThan(65_536);
  const before = run.entries.length;
  const stands = async (): Promise<number> =>
    Number((await a.http('HEAD', `/v1/bodies/${root}`)).headers.get('upload-offset'));
  for (let i = 0; i < 2; i++) {
    const reply = await a.put(root, bytes, { offset: await stands() });
    expect(reply.status).toBeGreaterThanOrEqual(500);
    expect(await a.submit(message)).toMatchObject({ outcome: 'rejected', code: 'VECROOT' });
  }
  expect(run.entries).toHaveLength(before);
  expect(coordinator.process.running).toBe(true);

  expect(await coordinator.stop()).toBe(0);
  await coordinator.start();
  await run.watch();
  await Promise.all(banks.map((bank) => bank.connect()));
  expect((await a.put(root, bytes, { offset: await stands() })).status).toBe(201);
  expect(await a.submit(message)).toMatchObject({ outcome: 'accepted' });
  await run.answer(b, round);
  expect((await run.complete(banks, 3)).outcome).toBe('completed');
});

describe('a failing PostgreSQL', () => {
  async function asAdmin(statement: string): Promise<void> {
    const client = new pg.Client({ connectionString: inject('postgresUrl') });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  }
  const nameOf = (coordinator: TestCoordinator): string =>
    new URL(coordinator.storage.databaseUrl!).pathname.slice(1);
  const hangUpOn = (name: string): Promise<void> =>
    asAdmin(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);

  test('connections that break while nothing happens are replaced', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
    const banks = await TestBank.joinAll(coordinator, 'a', 'b');
    await hangUpOn(nameOf(coordinator));
    await eventually('it to be ready again', async () => {
      const { status } = await fetch(`${coordinator.url}/readyz`);
      return status === 200;
    });
    const run = await TestRun.start(coordinator, banks);
    expect((await run.complete(banks)).outcome).toBe('completed');
    expect(coordinator.broken).toEqual([]);
  });

  test('a database that restarts is waited for, and nothing is lost', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres', databasePatienceMs: 30_000 });
    const banks = (await TestBank.joinAll(coordinator, 'a', 'b')) as [TestBank, TestBank];
    const run = await TestRun.start(coordinator, banks);
    const round = await run.round(0);
    const name = nameOf(coordinator);
    await asAdmin(`alter database ${name} allow_connections false`);
    await hangUpOn(name);
    const answers = Promise.all(banks.map((bank) => run.answer(bank, round)));
    await eventually('it to say so', async () => (await fetch(`${coordinator.url}/readyz`)).status === 503);
    await asAdmin(`alter database ${name} allow_connections true`);
    for (const answer of await answers) expect(answer).toMatchObject({ outcome: 'accepted' });
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
    expect(coordinator.broken).toEqual([]);
  });

  test('one that is down, hangs, or takes no writes is 503 within two seconds, and blamed on no disk', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
    const direct = coordinator.storage.databaseUrl!;
    const line = await BreakingLine.to(direct);
    const through = new URL(direct);
    through.port = String(line.port);
    coordinator.reach(through.href);
    await coordinator.restart();
    const name = nameOf(coordinator);
    const readOnly = async (value: 'on' | 'off'): Promise<void> => {
      await asAdmin(`alter database ${name} set default_transaction_read_only = ${value}`);
      await hangUpOn(name);
    };
    const troubles: [what: RegExp, begin: () => unknown, end: () => unknown][] = [
      [/PostgreSQL .* does not answer/, () => line.cut(), () => line.mend()],
      [/the database has not answered for 1\.5 seconds/, () => line.hang(), () => line.mend()],
      [/the database takes no writes: it is read-only/, () => readOnly('on'), () => readOnly('off')],
    ];
    for (const [what, begin, end] of troubles) {
      await begin();
      const answer = await eventually(
        'another answer than the last, which is good for a second',
        async () => {
          const asked = performance.now();
          const reply = await fetch(`${coordinator.url}/readyz`);
          expect(performance.now() - asked).toBeLessThan(2000);
          return reply.status !== 200 && `${reply.status} ${await reply.text()}`;
        },
      );
      expect(answer).toMatch(/^503 /);
      expect(answer).toMatch(what);
      expect(answer).not.toMatch(/disk/i);
      await end();
      await eventually(
        'it to be ready',
        async () => (await fetch(`${coordinator.url}/readyz`)).status === 200,
      );
    }
    await coordinator.operator.post('/v1/incidents', { reason: 'over' });
    expect(coordinator.broken).toEqual([]);
  });

  test('a database that is gone for too long is DATABASE: the coordinator stops accepting, and loses nothing', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres', databasePatienceMs: 0 });
    const banks = (await TestBank.joinAll(coordinator, 'a', 'b')) as [TestBank, TestBank];
    const [a, b] = banks;
    const run = await TestRun.start(coordinator, banks);
    const round = await run.round(0);
    await run.answer(a, round);
    const body = run.input(b, round);
    await b.put(body.root, body.bytes);
    const name = nameOf(coordinator);
    await asAdmin(`alter database ${name} allow_connections false`);
    await hangUpOn(name);
    expect(await b.submit(body.message)).toMatchObject({ ok: false, code: 'DATABASE' });
    expect(coordinator.broken.map(({ code }) => code)).toEqual(['DATABASE']);
    expect(await b.submit(body.message)).toMatchObject({ ok: false, code: 'DATABASE' });
    for (const path of ['/readyz', '/v1/runs']) {
      const reply = await a.http('GET', path, { token: coordinator.operatorToken });
      expect([path, reply.status, reply.code]).toEqual([path, 503, 'DATABASE']);
    }
    expect((await fetch(`${coordinator.url}/healthz`)).status).toBe(200);
    // who is asking is known without it
    for (const [token, status] of [
      [coordinator.operatorToken, 200],
      [`tally_operator_${'A'.repeat(43)}`, 401],
    ] as const)
      expect((await a.http('GET', '/metrics', { token })).status).toBe(status);

    await asAdmin(`alter database ${name} allow_connections true`);
    await coordinator.restart();
    await run.watch();
    await Promise.all(banks.map((bank) => bank.connect()));
    expect(await run.answer(b, round)).toMatchObject({ outcome: 'accepted' });
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
    expect(await auditBundle(await coordinator.bundle(), coordinator.charter)).toMatchObject({
      passed: true,
      complete: true,
    });
  });
});

test('the data folder holds what it should and nothing else', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const banks = await TestBank.joinAll(coordinator, 'a', 'b');
  const run = await TestRun.start(coordinator, banks);
  await run.complete(banks);
  const left = await readdir(join(coordinator.dataDir, 'bodies', 'incoming', 'a'));
  expect(left).toEqual([]); // every upload was claimed
  expect((await readdir(coordinator.dataDir)).sort()).toEqual(['bodies', 'keys', 'lock']);
});
