/** A folder's keys belong to one ledger: no other is begun with them, and whoever has the folder gets in again. */
import { existsSync } from 'node:fs';
import { cp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import type { CoordinatorConfig } from '#coordinator/config.ts';
import { createCoordinator } from '#coordinator/coordinator.ts';
import { createLogger } from '#coordinator/logger.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { command, onlyJson, startCommand } from '../support/command-line.ts';
import { closeLater } from '../support/opened.ts';
import { freshPostgres, freshStorage, TestCoordinator } from '../support/test-coordinator.ts';

async function start(config: CoordinatorConfig): Promise<{ charter: string }> {
  const started = await createCoordinator(config, {
    clock: { now: Date.now },
    log: createLogger('silent'),
    onBroken() {},
  });
  closeLater(() => started.close());
  const { charter } = started;
  await started.close();
  return { charter };
}

/** A coordinator that has run, stopped. */
async function used(database: 'pglite' | 'postgres') {
  const coordinator = await TestCoordinator.start({ database });
  const { charter } = coordinator;
  const config = { ...coordinator.config(), port: 0 };
  await coordinator.stop();
  const { databaseUrl, ...embedded } = config;
  return { config, charter, databaseUrl, embedded };
}

async function entriesIn(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>('select count(*) from entries');
    return Number(rows[0]!.count);
  } finally {
    await client.end();
  }
}

const refused = (...words: (string | RegExp)[]) => ({
  code: 'LEDGER',
  message: expect.stringMatching(
    new RegExp(words.map((word) => (typeof word === 'string' ? word : word.source)).join('.*')),
  ) as string,
});

test('a forgotten DATABASE_URL is refused with what to do, and no database is made', async () => {
  const { embedded, charter, config } = await used('postgres');
  await expect(start(embedded)).rejects.toMatchObject(
    refused(
      /belong to the ledger with the charter/,
      charter,
      /PostgreSQL at 127/,
      /is empty/,
      /Set DATABASE_URL/,
    ),
  );
  expect(existsSync(join(embedded.dataDir, 'database'))).toBe(false);
  expect(await start(config)).toEqual({ charter });
});

test('an empty PostgreSQL is refused under keys that were used, be it with the embedded database or another', async () => {
  for (const before of ['pglite', 'postgres'] as const) {
    const { config, charter } = await used(before);
    const databaseUrl = await freshPostgres();
    await expect(start({ ...config, databaseUrl })).rejects.toMatchObject(refused(charter, /is empty/));
    expect(await entriesIn(databaseUrl)).toBe(0);
    expect(await start(config)).toEqual({ charter });
  }
});

test('keys that are all that was saved found nothing new, and find their ledger again', async () => {
  const { config, charter } = await used('postgres');
  await rm(join(config.dataDir, 'keys', 'used-for.json'));
  const databaseUrl = await freshPostgres();
  await expect(start({ ...config, databaseUrl })).rejects.toMatchObject(refused(/belong to a ledger/));
  expect(await start(config)).toEqual({ charter });
  await expect(start({ ...config, databaseUrl })).rejects.toMatchObject(refused(charter));
});

test('another ledger that was begun with the same keys is refused', async () => {
  const { config, charter } = await used('postgres');
  const { dataDir } = await freshStorage('postgres');
  await cp(join(config.dataDir, 'keys'), join(dataDir, 'keys'), { recursive: true });
  await writeFile(join(dataDir, 'keys', 'used-for.json'), '{"ledger":null}');
  const databaseUrl = await freshPostgres();
  const other = await start({ ...config, dataDir, databaseUrl });
  expect(other.charter).toBe(charter); // the same keys and the same name
  await expect(start({ ...config, databaseUrl })).rejects.toMatchObject(
    refused(charter, /holds another, founded at another time with the same keys/),
  );
});

test('the same ledger in another place is taken, and its place noted', async () => {
  const { config, charter } = await used('postgres');
  const moved = new URL(await freshPostgres());
  const admin = new pg.Client({ connectionString: inject('postgresUrl') });
  await admin.connect();
  const [from, to] = [new URL(config.databaseUrl!), moved].map(({ pathname }) => pathname.slice(1));
  await admin.query(`drop database ${to}`);
  await admin.query(`create database ${to} template ${from}`);
  await admin.end();
  expect(await start({ ...config, databaseUrl: moved.href })).toEqual({ charter });
  const note = await readFile(join(config.dataDir, 'keys', 'used-for.json'), 'utf8');
  expect(note).toContain(to);
  expect(note).not.toContain(moved.password);
});

test('a folder of another data version is refused by a sentence with both, and nothing is touched', async () => {
  const { config, charter } = await used('postgres');
  const note = join(config.dataDir, 'keys', 'data-version.json');
  const ours = await readFile(note, 'utf8');
  await writeFile(note, '{"folder":"coordinator","version":7,"tallystick":"0.9.0"}');
  await expect(start(config)).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringMatching(/version 7, written by Tallystick 0\.9\.0; .*reads version 1/) as string,
  });
  await rm(note);
  await expect(start(config)).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringMatching(/version 0, written before/) as string,
  });
  expect(existsSync(note)).toBe(false);
  await writeFile(note, ours);
  expect(await start(config)).toEqual({ charter });
});

test('a first start that a crash cut short before the charter is done again', async () => {
  const { dataDir } = await freshStorage('postgres');
  const { config } = await used('postgres');
  await cp(join(config.dataDir, 'keys'), join(dataDir, 'keys'), { recursive: true });
  await writeFile(join(dataDir, 'keys', 'used-for.json'), '{"ledger":null}');
  const databaseUrl = await freshPostgres();
  const { charter } = await start({ ...config, dataDir, databaseUrl });
  expect(await start({ ...config, dataDir, databaseUrl })).toEqual({ charter });
});

test("another consortium's name than the charter's is refused", async () => {
  const { config, charter } = await used('postgres');
  await expect(start({ ...config, consortium: 'Southern banks' })).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringMatching(
      /"Test consortium".*not "Southern banks".*leave --consortium out/,
    ) as string,
  });
  const { consortium: _, ...unnamed } = config;
  expect(await start(unnamed)).toEqual({ charter });
});

test('a lost operator token is made anew by whoever has the folder of a stopped coordinator', async () => {
  const { dataDir, databaseUrl } = await freshStorage('postgres');
  const env = { DATABASE_URL: databaseUrl };
  const file = join(dataDir, 'operator.token');
  const run = async <T>(use: (output: string, url: string) => Promise<T>): Promise<T> => {
    const child = startCommand(['coordinator', 'start', '--data', dataDir, '--port', '0'], { env });
    await child.until(/^(Operator token|No operator token) .*$/m);
    try {
      return await use(child.stdout, (await readFile(join(dataDir, 'url'), 'utf8')).trim());
    } finally {
      await child.kill('SIGTERM');
    }
  };
  const recover = async (): Promise<unknown> =>
    onlyJson(await command(['coordinator', 'token', '--data', dataDir, '--json'], { env }));
  const first = await run(async (output) => {
    expect(output).toContain(`Operator token in ${file}.`);
    return readFile(file, 'utf8');
  });
  expect(await recover()).toEqual({ file, made: null });
  expect(await readFile(file, 'utf8')).toBe(first);

  await rm(file);
  await run(async (output) => {
    expect(output).toMatch(/No operator token is kept in .*tallystick coordinator token --data/);
    expect(await recover()).toMatchObject({ error: { code: 'STORAGE' } }); // it is running
  });
  expect(existsSync(file)).toBe(false);
  expect(await recover()).toEqual({ file, made: 'recovered' });
  expect((await stat(file)).mode & 0o077).toBe(0);
  const second = (await readFile(file, 'utf8')).trim();
  await run(async (_, url) => {
    const client = new OperatorClient(url, second);
    const { tokens } = await client.get<{ tokens: { name: string }[] }>('/v1/tokens');
    expect(tokens.map(({ name }) => name)).toEqual(['first-operator', 'recovered']);
    await client.post('/v1/tokens', { name: 'other', role: 'operator' });
    await client.post('/v1/tokens/recovered/removal', {});
  });
  // a file that is worth nothing any more is not lost either
  expect(await recover()).toEqual({ file, made: 'recovered' });
  expect((await readFile(`${file}.old`, 'utf8')).trim()).toBe(second);
});

test('an operator token that is there is never overwritten: a database without tokens takes it up again', async () => {
  const { config } = await used('postgres');
  const file = join(config.dataDir, 'operator.token');
  const token = `tally_operator_${'t'.repeat(43)}`;
  const env = { DATABASE_URL: config.databaseUrl };
  const begin = ['coordinator', 'start', '--data', config.dataDir, '--port', '0', '--json'];
  const client = new pg.Client({ connectionString: config.databaseUrl });
  await client.connect();
  closeLater(() => client.end());
  await client.query('delete from access_tokens');
  await writeFile(file, 'something else\n');
  expect(onlyJson(await command(begin, { env }))).toMatchObject({ error: { code: 'CONFIG' } });
  expect(await readFile(file, 'utf8')).toBe('something else\n');

  await writeFile(file, `${token}\n`);
  const child = startCommand(begin, { env });
  const [line] = await child.until(/^\{"ready":true.*\}$/m);
  const { url } = JSON.parse(line) as { url: string };
  expect(await new OperatorClient(url, token).get('/v1/tokens')).toMatchObject({
    tokens: [{ role: 'operator' }],
  });
  expect(await readFile(file, 'utf8')).toBe(`${token}\n`);
});
