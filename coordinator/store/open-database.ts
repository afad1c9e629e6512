/** Opens the database, PGlite in the data folder or PostgreSQL, and brings it to the newest migration. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, Migrator, PostgresDialect, type Migration } from 'kysely';
import { createPGliteFolder } from '#coordinator/store/create-pglite-folder.ts';
import { PGliteDialect } from '#coordinator/store/pglite-dialect.ts';
import { postgresPool } from '#coordinator/store/postgres-pool.ts';
import * as m0001 from '#coordinator/store/migrations/0001-entries.ts';
import * as m0002 from '#coordinator/store/migrations/0002-access-tokens.ts';
import * as m0003 from '#coordinator/store/migrations/0003-ledger-writer.ts';
import * as m0004 from '#coordinator/store/migrations/0004-token-expiry.ts';
import type { Database, Tables } from '#coordinator/store/schema.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** PGlite fills them with zeros at its start; a file's pages are in the system's memory anyway. Its default is 128 MB. */
const PGLITE_BUFFERS = '16MB';

export const MIGRATIONS: Record<string, Migration> = {
  '0001-entries': m0001,
  '0002-access-tokens': m0002,
  '0003-ledger-writer': m0003,
  '0004-token-expiry': m0004,
};

/**
 * @param databaseUrl a PostgreSQL connection string, or undefined for PGlite in `dataDir`
 * @throws FederationError DATABASE, STORAGE when there is no room to make one
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
    throw new FederationError('DATABASE', `${where} cannot be opened: ${describeError(cause)}`, { cause });
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
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool: postgresPool(connectionString) }) });
}

async function migrate(db: Database): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(MIGRATIONS) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}
