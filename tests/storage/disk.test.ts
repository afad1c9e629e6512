/**
 * What becomes of a round when the disk or the database fails under it: nothing is accepted that is not
 * stored, nothing stored is lost, and it goes on when the trouble is over. A file where a folder should be
 * stands for every disk that does not take what it is given; it stops even root.
 */
import { mkdir, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { auditBundle } from '#scripts/commands/audit.ts';
import { createWords } from '#shared/ring/ring-sum.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { eventually } from '../support/eventually.ts';
import { LoneCoordinator } from '../support/lone-coordinator.ts';
import { bodyOf, stubAnswer } from '../support/stub-answers.ts';
import { TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun, type TestRound } from '../support/test-run.ts';

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

function sumRootOf({ asked }: TestRound, banks: readonly TestBank[]): string {
  const { question } = asked;
  const sum = createWords(question.ring, asked.length);
  for (const { id } of banks) {
    encodeFields(stubAnswer(question, id), question.fields, question.ring, 'unused').forEach(
      (word: number | bigint, i: number) => {
        if (sum instanceof BigUint64Array) sum[i] = sum[i]! + (word as bigint);
        else sum[i] = sum[i]! + (word as number);
      },
    );
  }
  return bodyOf(sum).root;
}

describe.each(DATABASES)('a failing disk under a coordinator on %s', (database) => {
  let coordinator: TestCoordinator;
  let banks: [TestBank, TestBank];
  let names = 0;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database });
  });

  afterEach(async () => {
    if (!coordinator.running) coordinator = await TestCoordinator.start({ database });
  });

  async function firstRound(): Promise<{ run: TestRun; round: TestRound }> {
    const n = ++names;
    banks = (await TestBank.joinAll(coordinator, `a-${n}`, `b-${n}`)) as [TestBank, TestBank];
    const run = await TestRun.start(coordinator, banks, { seed: `seed ${n}` });
    return { run, round: await run.round(0) };
  }

  const bodies = (...parts: string[]): string => join(coordinator.dataDir, 'bodies', ...parts);

  /** Goes on with the run, on a fresh start of the coordinator if it said that it needs one. */
  async function recover(run: TestRun): Promise<void> {
    if (coordinator.broken.length > 0) {
      for (const { code } of coordinator.broken.splice(0)) expect(code).toBe('STORAGE');
      await coordinator.restart();
      await run.watch();
      await Promise.all(banks.map((bank) => bank.connect()));
    }
  }

  test('an upload that cannot be written is not complete, and can be sent again', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    const obstacle = await obstruct(bodies('incoming', a.id));
    const { bytes, root, message } = run.input(a, round);
    const reply = await a.put(root, bytes);
    expect(reply.status).toBeGreaterThanOrEqual(500);
    expect(await a.submit(message)).not.toMatchObject({ outcome: 'accepted' });
    await obstacle.clear();
    await recover(run);
    expect(await run.answer(a, round)).toMatchObject({ outcome: 'accepted' });
    await run.answer(b, round);
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
  });

  test('an update whose body cannot be kept is not accepted, and can be submitted again', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    const { bytes, root, message } = run.input(a, round);
    await a.put(root, bytes);
    const obstacle = await obstruct(bodies(root.slice(0, 2)));
    const size = (await coordinator.ledger()).length;
    expect(await a.submit(message)).toMatchObject({ ok: false });
    expect(await coordinator.ledger()).toHaveLength(size);
    await obstacle.clear();
    await recover(run);
    expect(await a.submit(message)).toMatchObject({ outcome: 'accepted' });
    await run.answer(b, round);
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
  });

  test('a disk that does not take what it is given is STORAGE, not an error of ours', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    const { bytes, root } = run.input(a, round);
    const full = await obstruct(bodies('incoming', a.id));
    const upload = await a.put(root, bytes);
    await full.clear();
    const kept = run.input(b, round);
    await b.put(kept.root, kept.bytes);
    const obstacle = await obstruct(bodies(kept.root.slice(0, 2)));
    const submission = await b.submit(kept.message);
    await obstacle.clear();
    expect([upload.status, upload.code]).toEqual([507, 'STORAGE']);
    expect(submission).toMatchObject({ ok: false, code: 'STORAGE' });
    await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'over' });
  });

  test('a sum that cannot be written does not cost the run', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    await run.answer(a, round);
    const obstacle = await obstruct(bodies(sumRootOf(round, banks).slice(0, 2)));
    const body = run.input(b, round);
    await b.put(body.root, body.bytes).catch(() => {});
    await b.submit(body.message).catch(() => {});
    await eventually(
      'the coordinator to notice',
      async () => {
        const { phase, result } = await run.view();
        return coordinator.broken.length > 0 || phase === 'finished' || result !== undefined;
      },
      3000,
    ).catch(() => {}); // it may also be trying again
    const { result } = await run.view();
    await obstacle.clear();
    expect(result).toBeUndefined();
    await recover(run);
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
  });

  test('a body that is gone when the coordinator starts again costs at most its round', async () => {
    const { run, round } = await firstRound();
    const [a] = banks;
    await run.answer(a, round);
    await coordinator.stop();
    const { root } = run.input(a, round);
    await rm(bodies(root.slice(0, 2), root));
    await coordinator.start(); // the other runs of the consortium must go on
    const view = await coordinator.operator.run(run.id);
    expect(['collecting', 'ready', 'finished']).toContain(view.phase);
    await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'over' }).catch(() => {});
  });

  test('a body that is cut short by a power loss never gets into a sum', async () => {
    const { run, round } = await firstRound();
    const [a, b] = banks;
    await run.answer(a, round);
    await coordinator.stop();
    const { root, bytes } = run.input(a, round);
    await truncate(bodies(root.slice(0, 2), root), 8); // the canary is still there
    expect(bytes.length).toBeGreaterThan(8);
    await coordinator.start();
    await run.watch();
    await Promise.all(banks.map((bank) => bank.connect()));
    await run.answer(b, round).catch(() => {}); // it may have ended the round already
    await eventually('the round to end', () =>
      run.entries.some(({ message }) => ['close-round', 'void-round', 'run-finished'].includes(message.type)),
    );
    for (const { message } of run.entries) {
      if (message.type === 'close-round') expect(message.payload.sumRoot).toBe(sumRootOf(round, banks));
    }
    await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'over' }).catch(() => {});
  });

  test('what is left of uploads that died is not taken for a body', async () => {
    const { run, round } = await firstRound();
    const [a] = banks;
    const { root, bytes, message } = run.input(a, round);
    await a.put(root, bytes.subarray(0, 24), { length: bytes.length });
    await coordinator.restart();
    await run.watch();
    await Promise.all(banks.map((bank) => bank.connect()));
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

  test('a database that is gone is STORAGE: the coordinator stops accepting, and loses nothing', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
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
    expect(await b.submit(body.message)).toMatchObject({ ok: false, code: 'STORAGE' });
    expect(coordinator.broken.map(({ code }) => code)).toEqual(['STORAGE']);
    expect(await b.submit(body.message)).toMatchObject({ ok: false, code: 'STORAGE' });
    const ready = await fetch(`${coordinator.url}/readyz`);
    expect(ready.status).toBeGreaterThanOrEqual(500);
    expect((await fetch(`${coordinator.url}/healthz`)).status).toBe(200);

    await asAdmin(`alter database ${name} allow_connections true`);
    await coordinator.restart();
    await run.watch();
    await Promise.all(banks.map((bank) => bank.connect()));
    expect(await b.submit(body.message)).toMatchObject({ outcome: 'accepted' });
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
  expect((await stat(coordinator.dataDir)).isDirectory()).toBe(true);
});
