/**
 * Creating a PGlite database takes seconds and peaks near 850 MB, which the process would keep. So a
 * short-lived child process does it, in a folder beside the final one; a crash leaves that to be removed.
 */
import { spawn } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { FederationError } from '#shared/protocol/error-codes.ts';

const SCRIPT = `
  const { PGlite } = require(process.argv[1]);
  PGlite.create(process.argv[2]).then((db) => db.close());
`;

/** @throws FederationError STORAGE */
export async function createPGliteFolder(folder: string): Promise<void> {
  const fresh = `${folder}.creating`;
  await rm(fresh, { recursive: true, force: true });
  const pglite = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  await runNode(['-e', SCRIPT, pglite, fresh]);
  await rename(fresh, folder);
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
