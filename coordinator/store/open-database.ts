/** Opens the database, PGlite in the data folder or PostgreSQL, and brings it to the newest migration. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, Migrator, PostgresDialect, type Migration } from 'kysely';
import pg from 'pg';
import { createPGliteFolder } from '#coordinator/store/create-pglite-folder.ts';
import { PGliteDialect } from '#coordinator/store/pglite-dialect.ts';
import * as m0001 from '#coordinator/store/migrations/0001-entries.ts';
import * as m0002 from '#coordinator/store/migrations/0002-access-tokens.ts';
import * as m0003 from '#coordinator/store/migrations/0003-token-expiry.ts';
import type { Database, Tables } from '#coordinator/store/schema.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** The largest page of entries takes well below a second. */
const QUERY_MS_MAX = 30_000;

/** PGlite fills them with zeros at its start; a file's pages are in the system's memory anyway. Its default is 128 MB. */
const PGLITE_BUFFERS = '16MB';

export const MIGRATIONS: Record<string, Migration> = {
  '0001-entries': m0001,
  '0002-access-tokens': m0002,
  '0003-token-expiry': m0003,
};

/**
 * @param databaseUrl a PostgreSQL connection string, or undefined for PGlite in `dataDir`
 * @throws FederationError STORAGE
 */
export async function openDatabase(dataDir: string, databaseUrl: string | undefined): Promise<Database> {
  try {
    const db = databaseUrl === undefined ? await openPGlite(dataDir) : openPostgres(databaseUrl);
    try {
      await migrate(db);
    } catch (error) {
      await db.destroy();
      throw error;
    }
    return db;
  } catch (cause) {
    if (cause instanceof FederationError) throw cause;
    const where = databaseUrl === undefined ? `the database in ${dataDir}` : 'PostgreSQL at DATABASE_URL';
    throw new FederationError('STORAGE', `${where} cannot be opened: ${describeError(cause)}`, { cause });
  }
}

async function openPGlite(dataDir: string): Promise<Database> {
  const folder = join(dataDir, 'database');
  if (!existsSync(join(folder, 'PG_VERSION'))) {
    await mkdir(dataDir, { recursive: true });
    await createPGliteFolder(folder);
  }
  const pglite = await PGlite.create(folder, {
    startParams: [...PGlite.defaultStartParams, '-c', `shared_buffers=${PGLITE_BUFFERS}`],
  });
  return new Kysely<Tables>({ dialect: new PGliteDialect(pglite) });
}

function openPostgres(connectionString: string): Database {
  const pool = new pg.Pool({
    ...{ connectionString, max: 8, connectionTimeoutMillis: 10_000 },
    // a database that vanishes without a word is an error in time, not a reply that is waited for
    ...{ keepAlive: true, query_timeout: QUERY_MS_MAX },
  });
  // a connection that breaks while idle is replaced at the next query, which reports what is wrong
  pool.on('error', () => {});
  // one that breaks between two queries of its holder has nobody else to tell: unheard, it would end the process
  pool.on('connect', (client) => client.on('error', () => {}));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

async function migrate(db: Database): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(MIGRATIONS) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}
