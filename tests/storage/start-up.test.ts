/** What a coordinator refuses to start with, each with its code. */
import { statSync } from 'node:fs';
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseCoordinatorConfig, type CoordinatorConfig } from '#coordinator/config.ts';
import { createCoordinator, type Coordinator } from '#coordinator/coordinator.ts';
import { createLogger } from '#coordinator/logger.ts';
import { Journal } from '#coordinator/journal/journal.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import type { Database } from '#coordinator/store/schema.ts';
import type { FederationError } from '#shared/protocol/error-codes.ts';
import { closeLater } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { freshPostgres, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

describe('a coordinator starts, but', () => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres', passphrase: 'correct horse' });
    const banks = await TestBank.joinAll(coordinator, 'a', 'b');
    const run = await TestRun.start(coordinator, banks);
    await run.complete(banks);
  });

  afterEach(() => coordinator.running || coordinator.start());

  /** Starts one more with these changes to the configuration. */
  async function start(changes: Partial<CoordinatorConfig>): Promise<Coordinator> {
    const started = await createCoordinator(
      { ...coordinator.config(), port: 0, ...changes },
      { clock: coordinator.clock, log: createLogger('silent'), onBroken() {} },
    );
    closeLater(() => started.close());
    return started;
  }

  test('a port that is taken is PORT_IN_USE', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    closeLater(() => void other.close());
    await coordinator.stop();
    await expect(start({ port: (other.address() as AddressInfo).port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
    });
    await coordinator.start();
    await coordinator.operator.get('/v1/runs');
  });

  test('an address that is not ours, or a configuration that makes no sense, is CONFIG', async () => {
    await coordinator.stop();
    await expect(start({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'CONFIG' });
    await coordinator.start();
    const { dataDir } = coordinator;
    for (const wrong of [{ port: 70_000 }, { port: NaN }, { databaseUrl: 'mysql://x' }, { passphrase: '' }]) {
      expect(() => parseCoordinatorConfig({ dataDir, ...wrong })).toThrow(
        expect.objectContaining({
          code: 'CONFIG',
          message: expect.stringContaining(Object.keys(wrong)[0]!) as string,
        }),
      );
    }
  });

  test('another passphrase, none, or a damaged key file is KEY_FILE', async () => {
    await coordinator.stop();
    for (const passphrase of ['wrong', 'Correct horse', undefined]) {
      const { passphrase: _right, ...config } = coordinator.config();
      await expect(
        createCoordinator(
          { ...config, ...(passphrase === undefined ? {} : { passphrase }) },
          { clock: coordinator.clock, log: createLogger('silent'), onBroken() {} },
        ),
      ).rejects.toMatchObject({ code: 'KEY_FILE' });
    }
    for (const name of ['coordinator.json', 'ledger.json']) {
      const path = join(coordinator.dataDir, 'keys', name);
      const sealed = await readFile(path, 'utf8');
      const box = (JSON.parse(sealed) as { box: string }).box;
      for (const damaged of ['', '{}', sealed.slice(0, -20), sealed.replace(box, `A${box.slice(1)}B`)]) {
        await writeFile(path, damaged);
        await expect(start({})).rejects.toMatchObject({ code: 'KEY_FILE' });
      }
      await writeFile(path, sealed);
    }
    await coordinator.start();
  });

  test('the keys of another coordinator, or new ones after a loss, are LEDGER', async () => {
    const other = await TestCoordinator.start({ database: 'postgres', passphrase: 'correct horse' });
    await other.stop();
    await coordinator.stop();
    const keys = join(coordinator.dataDir, 'keys');
    await cp(keys, `${keys}-kept`, { recursive: true });
    for (const name of ['coordinator.json', 'ledger.json']) {
      await cp(join(other.dataDir, 'keys', name), join(keys, name));
      await expect(start({})).rejects.toMatchObject({ code: 'LEDGER' });
      await rm(join(keys, name));
      await expect(start({})).rejects.toMatchObject({ code: 'LEDGER' });
      await cp(join(`${keys}-kept`, name), join(keys, name));
    }
    await coordinator.start();
    expect((await coordinator.operator.get<{ runs: unknown[] }>('/v1/runs')).runs).toHaveLength(1);
  });

  test('key files and their folder are readable by their owner only', async () => {
    const keys = join(coordinator.dataDir, 'keys');
    expect(statSync(keys).mode & 0o077).toBe(0);
    for (const name of await readdir(keys)) expect(statSync(join(keys, name)).mode & 0o077).toBe(0);
  });

  describe('a ledger that was edited in the database is LEDGER:', () => {
    const edits: [what: string, edit: (db: Database) => Promise<unknown>][] = [
      [
        'a word of an entry',
        (db) =>
          sql`update entries set text = replace(text, '"reason":"test"', '"reason":"best"') where type = 'consent'`.execute(
            db,
          ),
      ],
      [
        'the time of an entry',
        (db) =>
          sql`update entries set text = regexp_replace(text, '"time":[0-9]+', '"time":1') where seq = 3`.execute(
            db,
          ),
      ],
      ['an entry taken out', (db) => sql`delete from entries where seq = 4`.execute(db)],
      ['the first entry taken out', (db) => sql`delete from entries where seq = 0`.execute(db)],
      [
        'two entries exchanged',
        (db) =>
          sql`update entries set text = (select other.text from entries other where other.seq = 11 - entries.seq) where seq in (5, 6)`.execute(
            db,
          ),
      ],
      [
        'an entry written twice',
        (db) =>
          sql`insert into entries (seq, time, type, run, claim, text) select 10000, time, type, run, claim || '2', text from entries where seq = 7`.execute(
            db,
          ),
      ],
      [
        'other spacing',
        (db) => sql`update entries set text = replace(text, '"sig":', '"sig": ') where seq = 2`.execute(db),
      ],
      ['not JSON', (db) => sql`update entries set text = 'x' where seq = 2`.execute(db)],
    ];

    class Undo extends Error {}

    test('each of them is found when it is read', async () => {
      const keys = { coordinatorSeed: new Uint8Array(32), logSeed: new Uint8Array(32) };
      await coordinator.stop();
      await coordinator.inDatabase(async (db) => {
        for (const [what, edit] of edits) {
          const undone = db.transaction().execute(async (edited) => {
            await edit(edited);
            const watch = { onBroken() {}, patienceMs: 0 };
            const opening = Journal.open(new EntryStore(edited), keys, coordinator.clock, watch);
            const found = await opening.then(
              () => 'nothing',
              (error: FederationError) => `${error.code}: ${error.message}`,
            );
            expect([what, found]).toEqual([what, expect.stringMatching(/^LEDGER: entr(y|ies) \d+ /)]);
            throw new Undo();
          });
          await expect(undone).rejects.toThrow(Undo);
        }
      });
    });

    test('and the coordinator does not start', async () => {
      await coordinator.stop();
      const restore = await coordinator.inDatabase(async (db) => {
        const { text } = await db
          .selectFrom('entries')
          .select('text')
          .where('seq', '=', 2)
          .executeTakeFirstOrThrow();
        await db
          .updateTable('entries')
          .set({ text: text.replace('"sig":"', '"sig":"A') })
          .where('seq', '=', 2)
          .execute();
        return text;
      });
      await expect(start({})).rejects.toMatchObject({
        code: 'LEDGER',
        message: expect.stringContaining('entry 2') as string,
      });
      await coordinator.inDatabase((db) =>
        db.updateTable('entries').set({ text: restore }).where('seq', '=', 2).execute(),
      );
      await coordinator.start();
    });
  });

  test('a place for bodies that is no folder is STORAGE', async () => {
    await coordinator.stop();
    const bodies = join(coordinator.dataDir, 'bodies');
    await rename(bodies, `${bodies}-kept`);
    await writeFile(bodies, 'in the way');
    const refused = await start({}).then(
      () => 'nothing',
      ({ code }: FederationError) => code,
    );
    await rm(bodies);
    await rename(`${bodies}-kept`, bodies);
    expect(refused).toBe('STORAGE');
  });
});

describe('a database', () => {
  let config: CoordinatorConfig;
  beforeAll(async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
    await coordinator.stop();
    config = { ...coordinator.config(), port: 0 };
  });
  const deps = { clock: { now: Date.now }, log: createLogger('silent'), onBroken() {} };

  test('that cannot be reached, or refuses us, is DATABASE, and its password is not told', async () => {
    const good = await freshPostgres();
    const nobody = new URL(good);
    nobody.port = '1';
    const wrongPassword = new URL(good);
    wrongPassword.password = 'open-sesame';
    const noDatabase = new URL(good);
    noDatabase.pathname = '/no_such_database';
    for (const url of [nobody, wrongPassword, noDatabase]) {
      const failure = createCoordinator({ ...config, databaseUrl: url.href }, deps);
      await expect(failure).rejects.toMatchObject({ code: 'DATABASE' });
      const error = await failure.catch((reason: Error) => reason);
      expect(String(error)).not.toContain(url.password);
      expect(String(error)).toMatch(/PostgreSQL \(DATABASE_URL\)/);
      expect(String(error)).not.toMatch(/disk/i);
    }
  });

  test('of another program is left alone', async () => {
    const databaseUrl = await freshPostgres();
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    await client.query('create table entries (something text)');
    await expect(createCoordinator({ ...config, databaseUrl }, deps)).rejects.toMatchObject({
      code: 'DATABASE',
    });
    const { rows } = await client.query<{ column_name: string }>(
      `select column_name from information_schema.columns where table_name = 'entries'`,
    );
    expect(rows).toEqual([{ column_name: 'something' }]);
    await client.end();
  });
});

describe('a data folder on PGlite', () => {
  test('is used by one coordinator at a time: a second is STORAGE, and the first is unharmed', async () => {
    const first = await TestCoordinator.start({ database: 'pglite' });
    const banks = await TestBank.joinAll(first, 'a', 'b');
    const run = await TestRun.start(first, banks);
    const round = await run.round(0);
    await run.answer(banks[0]!, round);
    const second = createCoordinator(
      { ...first.config(), port: 0 },
      { clock: first.clock, log: createLogger('silent'), onBroken() {} },
    );
    closeLater(() => second.then((started) => started.close()).catch(() => {}));
    await expect(second).rejects.toMatchObject({ code: 'STORAGE' });
    await run.answer(banks[1]!, round);
    expect((await run.complete(banks, 1)).outcome).toBe('completed');
    const before = await first.ledger();
    await first.restart();
    expect(await first.ledger()).toEqual(before);
  });
});
