/**
 * What becomes of the ledger when PostgreSQL breaks under an append, or comes back with less than was stored in it: it
 * is written once and in order, or not at all, and never with a hole.
 */
import { join } from 'node:path';
import pg from 'pg';
import { beforeEach, describe, expect, test } from 'vitest';
import { Journal } from '#coordinator/journal/journal.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { openDatabase } from '#coordinator/store/open-database.ts';
import type { FederationError } from '#shared/protocol/error-codes.ts';
import { BreakingLine } from '../support/breaking-line.ts';
import { eventually } from '../support/eventually.ts';
import { LocalFederation } from '../support/local-federation.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { freshPostgres, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

/** Its administrator, by another door. */
async function administratorOf(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  closeLater(() => client.end());
  return client;
}

/** Ends all connections but its own, as a failover does. */
const hangUp = (admin: pg.Client): Promise<unknown> =>
  admin.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );

async function positions(admin: pg.Client): Promise<number[]> {
  const { rows } = await admin.query<{ seq: string }>('select seq from entries order by seq');
  return rows.map(({ seq }) => Number(seq));
}

const upTo = (length: number): number[] => Array.from({ length }, (_, seq) => seq);

describe('an append over a line and a server that break', () => {
  let federation: LocalFederation;
  let line: BreakingLine;
  let admin: pg.Client;
  let journal: Journal;
  let broken: FederationError[];
  let faults: FederationError[];

  beforeEach(async () => {
    const direct = await freshPostgres();
    admin = await administratorOf(direct);
    line = await BreakingLine.to(direct);
    const through = new URL(direct);
    through.port = String(line.port);
    const db = await openDatabase('', through.href);
    closeLater(() => db.destroy());
    federation = LocalFederation.on(db);
    [broken, faults] = [[], []];
    const watch = {
      onBroken: (error: FederationError) => void broken.push(error),
      onFault: (error: FederationError) => void faults.push(error),
      patienceMs: 20_000,
    };
    journal = await Journal.open(new EntryStore(db), federation.keys, federation.clock, watch);
    await journal.lead();
    await federation.found(journal);
  });

  /** The next inserts end their own session, before anything is committed. */
  const dieInInserts = async (times: number): Promise<void> => {
    await admin.query('create sequence if not exists attempts');
    await admin.query(`
      create or replace function die() returns trigger language plpgsql as $$ begin
        if nextval('attempts') <= ${times} then
          perform pg_terminate_backend(pg_backend_pid());
          perform pg_sleep(10);
        end if;
        return new;
      end $$`);
    await admin.query('create trigger die before insert on entries for each row execute function die()');
  };

  test('is done again when the session ends before the commit', async () => {
    await dieInInserts(2);
    const { entry } = await federation.invite(journal, 'a');
    expect(entry.seq).toBe(1);
    expect(faults).toHaveLength(2);
    expect(faults[0]!.message).toMatch(/^PostgreSQL \(DATABASE_URL\) does not answer/);
    await federation.invite(journal, 'b');
    expect(await positions(admin)).toEqual(upTo(3));
    expect(broken).toEqual([]);
  });

  test('is not done again when the reply is lost after the commit', async () => {
    const letThrough = line.holdBack('INSERT 0');
    const pending = federation.invite(journal, 'a');
    await eventually('the commit', async () => (await positions(admin)).length === 2);
    line.cut();
    letThrough();
    await eventually('a fault', () => faults.length > 0);
    line.mend();
    expect((await pending).entry.seq).toBe(1);
    await federation.invite(journal, 'b');
    expect(await positions(admin)).toEqual(upTo(3));
    expect(broken).toEqual([]);
  });

  test('waits for a server that is away, and says so at once to whoever asks', async () => {
    line.cut();
    const pending = federation.invite(journal, 'a');
    await eventually('a fault', () => faults.length > 0);
    await expect(journal.stored()).rejects.toMatchObject({ code: 'DATABASE' });
    line.mend();
    await pending;
    await journal.stored();
    expect(await positions(admin)).toEqual(upTo(2));
  });

  test('does not wait when the coordinator is to end', async () => {
    line.cut();
    const pending = federation.invite(journal, 'a');
    await eventually('a fault', () => faults.length > 0);
    const closing = journal.close();
    await expect(pending).rejects.toMatchObject({ code: 'DATABASE' });
    await closing;
  });

  const losses: [how: string, lose: string[]][] = [
    ['the last entry', ['delete from entries where seq = 3']],
    ['all of them', ['delete from entries']],
    ['nothing but that we lead', ['update ledger_writer set term = term - 1']],
    [
      'the last entry, and who led before us',
      ['delete from entries where seq = 3', 'delete from ledger_writer'],
    ],
  ];
  test.each(losses)('is refused by a replica that lacks %s', async (_how, lose) => {
    for (const name of ['a', 'b', 'c']) await federation.invite(journal, name);
    for (const statement of lose) await admin.query(statement);
    const left = await positions(admin);
    await hangUp(admin);
    await expect(federation.invite(journal, 'd')).rejects.toMatchObject({
      code: 'DATABASE',
      message: expect.stringMatching(/the database has gone back.*ROLLBACK.*start again/) as string,
    });
    expect(await positions(admin)).toEqual(left);
    expect(broken).toHaveLength(1);
  });

  test("is refused by a table whose last entry is another's", async () => {
    for (const name of ['a', 'b']) await federation.invite(journal, name);
    await admin.query(`update entries set text = replace(text, '"b"', '"c"') where seq = 2`);
    await expect(federation.invite(journal, 'd')).rejects.toMatchObject({
      code: 'DATABASE',
      message: expect.stringMatching(/another coordinator writes in this database/) as string,
    });
    expect(await positions(admin)).toEqual(upTo(3));
  });

  test('that another overtakes while the server is away is refused', async () => {
    await dieInInserts(1);
    const store = new EntryStore(federation.db);
    faults.push = (...added): number => {
      void store.lead(); // another process, at the worst moment
      return added.length;
    };
    await expect(federation.invite(journal, 'a')).rejects.toMatchObject({
      code: 'DATABASE',
      message: expect.stringMatching(/another coordinator writes in this database/) as string,
    });
    expect(await positions(admin)).toEqual([0]);
  });
});

describe('a ledger with a hole', () => {
  test('is not exported: the missing entries are named', async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
    for (const reason of ['1', '2', '3', '4', '5'])
      await coordinator.operator.post('/v1/incidents', { reason });
    const admin = await administratorOf(coordinator.storage.databaseUrl!);
    const cut = async (where: string, message: RegExp): Promise<void> => {
      await admin.query(`create table kept as select * from entries where ${where}`);
      await admin.query(`delete from entries where ${where}`);
      const code = 'LEDGER';
      await expect(coordinator.bundle()).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
      await admin.query('insert into entries select * from kept');
      await admin.query('drop table kept');
    };
    await cut('seq in (2, 3)', /a ledger of 6 entries and does not give entries 2 to 3:/);
    await cut('seq = 5', /does not give entry 5:/);
    await cut('seq = 0', /does not give entry 0:/);
    await coordinator.bundle();
  });

  test('is not started with, though a snapshot is there that needs none of them', async () => {
    const federation = await LocalFederation.open('postgres');
    const snapshot = join(await temporaryFolder('hole'), 'ledger.snapshot');
    const first = await federation.journal(undefined, () => {}, snapshot);
    const charter = first.state.charter!.hash;
    const reasons = Array.from({ length: 5000 }, (_, i) => `number ${i}`);
    await Promise.all(reasons.map((reason) => first.record('incident', { charter, reason })));
    await first.saveSnapshot();
    expect((await federation.journal(undefined, () => {}, snapshot)).tail).toEqual(first.tail);
    await federation.db.deleteFrom('entries').where('seq', 'in', [7, 8]).execute();
    await expect(federation.journal(undefined, () => {}, snapshot)).rejects.toMatchObject({
      code: 'LEDGER',
      message: expect.stringMatching(/^entries 7 to 8 are missing.*Restore/) as string,
    });
  });
});

test('a coordinator in the middle of a run whose database comes back with less stops, and leaves no hole', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const banks = (await TestBank.joinAll(coordinator, 'a', 'b')) as [TestBank, TestBank];
  const run = await TestRun.start(coordinator, banks);
  const round = await run.round(0);
  const admin = await administratorOf(coordinator.storage.databaseUrl!);
  const size = (await positions(admin)).length;
  const { rows } = await admin.query('delete from entries where seq >= $1 returning *', [size - 3]);
  await hangUp(admin);

  expect(await run.answer(banks[0], round)).toMatchObject({ ok: false, code: 'DATABASE' });
  expect(coordinator.broken.map(({ message }) => message)).toEqual([
    expect.stringContaining(`it holds ${size - 3} entries, and ${size} were stored`),
  ]);
  expect(await positions(admin)).toEqual(upTo(size - 3));
  const ready = await fetch(`${coordinator.url}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('has gone back')]);

  // the database that has them is back
  await coordinator.stop();
  for (const row of rows as Record<string, unknown>[])
    await admin.query(
      'insert into entries (seq, time, type, run, claim, text) values ($1, $2, $3, $4, $5, $6)',
      ['seq', 'time', 'type', 'run', 'claim', 'text'].map((column) => row[column]),
    );
  await coordinator.start();
  await run.watch();
  await Promise.all(banks.map((bank) => bank.connect()));
  expect((await run.complete(banks)).outcome).toBe('completed');
});
