/**
 * Creating a PGlite database takes six seconds and peaks near 850 MB, which the process would keep. So a
 * short-lived child process does it, once for each installation: the empty database is kept in the cache folder of
 * `node_modules`, and every later one is a copy of it. A folder gets its name when it is complete; a crash leaves
 * another beside it, to be removed.
 */
import { spawn } from 'node:child_process';
import { constants, cpSync, existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { lockFolder } from '#shared/platform/files/folder-lock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const PGLITE = createRequire(import.meta.url).resolve('@electric-sql/pglite');
const SCRIPT = `
  const { PGlite } = require(process.argv[1]);
  PGlite.create(process.argv[2]).then((db) => db.close());
`;

/** @throws FederationError STORAGE */
export async function createPGliteFolder(folder: string): Promise<void> {
  const fresh = `${folder}.creating`;
  const clear = (): Promise<void> => rm(fresh, { recursive: true, force: true });
  await clear();
  try {
    const empty = await emptyDatabase();
    // a thousand small files: twice as fast as asynchronously, and nothing else goes on yet
    cpSync(empty, fresh, { recursive: true, mode: constants.COPYFILE_FICLONE });
  } catch {
    // it is being made, or belongs to another user and may not be written or read
    await clear();
    await create(fresh);
  }
  await rename(fresh, folder);
}

/** The installation's own empty database, made when there is none. */
async function emptyDatabase(): Promise<string> {
  const packageFile = await readFile(join(dirname(PGLITE), '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(packageFile) as { version: string };
  // where installed tools keep what they can make again: a new installation begins without it
  const cache = join(dirname(PGLITE), '..', '..', '..', '.cache', 'tallystick');
  const kept = join(cache, `empty-database-${version}`);
  if (existsSync(kept)) return kept;
  await mkdir(cache, { recursive: true });
  const lock = await lockFolder(join(cache, 'lock'));
  try {
    if (existsSync(kept)) return kept;
    const fresh = `${kept}.creating`;
    await rm(fresh, { recursive: true, force: true });
    await create(fresh);
    await flush(fresh); // a power loss must not leave a damaged one that all others are copied from
    await rename(fresh, kept);
    return kept;
  } finally {
    await lock.release();
  }
}

async function create(folder: string): Promise<void> {
  await runNode(['-e', SCRIPT, PGLITE, folder]);
}

async function flush(folder: string): Promise<void> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const { parentPath, name } of files.filter((file) => file.isFile())) {
    const file = await open(join(parentPath, name), 'r');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}

function runNode(args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (text) => (stderr = `${stderr}${text}`.slice(-2000)));
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else
        reject(
          new FederationError('STORAGE', `creating the database failed (exit ${code}): ${stderr.trim()}`),
        );
    });
  });
}
