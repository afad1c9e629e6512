/**
 * What the keys in a data folder are used for, kept beside them:
 *
 *   keys/used-for.json    {"ledger": null}                     they are being made; a ledger may be founded with them
 *                         {"ledger": {"charter": "7168…", "first": "…", "database": "PostgreSQL at db:5432/tallystick"}}
 *
 * With it a start against another database than before is refused. Without it a forgotten DATABASE_URL would found a
 * second ledger under the same keys, which is what a coordinator that cheats does.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CoordinatorConfig } from '#coordinator/config.ts';
import { makeFolder, replaceFile } from '#shared/platform/files/durable-file.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';

const usedFor = z.strictObject({
  ledger: z.strictObject({ charter: hash, first: hash, database: z.string() }).nullable(),
});
type UsedFor = z.infer<typeof usedFor>;

/** Two ledgers founded with the same keys may have the same charter: they differ in when that was. */
export interface LedgerName {
  /** Hash of the charter. */
  readonly charter: string;
  /** Hash of entry 0 in the tree, hex. */
  readonly first: string;
}

type Place = Pick<CoordinatorConfig, 'dataDir' | 'databaseUrl'>;

const pathIn = (dataDir: string): string => join(dataDir, 'keys', 'used-for.json');

/** To be called before keys are made. A crash later finds that nothing was founded with them. */
export async function noteNewKeys(dataDir: string): Promise<void> {
  if (existsSync(join(dataDir, 'keys', 'coordinator.json')) || existsSync(pathIn(dataDir))) return;
  await makeFolder(join(dataDir, 'keys'));
  await write(dataDir, { ledger: null });
}

/** To be called once their ledger is there. */
export async function noteLedger(place: Place, ledger: LedgerName): Promise<void> {
  const { charter, first } = ledger;
  const database = databaseOf(place);
  const before = (await read(place.dataDir))?.ledger;
  if (before?.first === first && before.database === database) return;
  await write(place.dataDir, { ledger: { charter, first, database } });
}

/**
 * To be called before the database is opened, which would make an embedded one.
 * @throws FederationError LEDGER when it is not there and the keys were used before
 */
export async function assertDatabaseIsThere(place: Place): Promise<void> {
  if (place.databaseUrl !== undefined || existsSync(join(place.dataDir, 'database', 'PG_VERSION'))) return;
  await assertSameLedger(place, undefined);
}

/**
 * @param found the ledger in the database; undefined when it has none
 * @throws FederationError LEDGER when the keys were used for another
 */
export async function assertSameLedger(place: Place, found: LedgerName | undefined): Promise<void> {
  const { dataDir } = place;
  const used = await read(dataDir);
  const ledger = used?.ledger ?? undefined;
  const wereUsed = used === undefined ? existsSync(join(dataDir, 'keys')) : ledger !== undefined;
  // that a ledger which is there was begun with these keys, its charter itself says
  if (found === undefined ? !wereUsed : ledger === undefined || ledger.first === found.first) return;
  const theirs =
    ledger === undefined
      ? 'were made before and belong to a ledger'
      : `belong to the ledger with the charter ${ledger.charter}, which was in ${ledger.database}`;
  const here = databaseOf(place);
  const holds =
    found === undefined
      ? 'is empty'
      : `holds another${found.charter === ledger!.charter ? ', founded at another time with the same keys' : `, with the charter ${found.charter}`}`;
  throw new FederationError(
    'LEDGER',
    `the keys in ${dataDir} ${theirs}; ${here} ${holds}. Nothing was changed. ` +
      `${place.databaseUrl === undefined ? 'Set DATABASE_URL as it was' : 'Set DATABASE_URL, or leave it out, as it was'}, ` +
      'or restore a backup of that ledger; for a new consortium take an empty folder (--data)',
  );
}

async function read(dataDir: string): Promise<UsedFor | undefined> {
  const path = pathIn(dataDir);
  if (!existsSync(path)) return undefined;
  try {
    return usedFor.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new FederationError('KEY_FILE', `${path} is damaged; restore it from a backup`, { cause });
  }
}

function write(dataDir: string, value: UsedFor): Promise<void> {
  return replaceFile(pathIn(dataDir), JSON.stringify(value), { flush: true, now: true });
}

/** Without user and password. */
function databaseOf({ databaseUrl, dataDir }: Place): string {
  if (databaseUrl === undefined) return `the embedded database in ${dataDir}`;
  const { host, pathname } = new URL(databaseUrl);
  return `PostgreSQL at ${host}${pathname}`;
}
