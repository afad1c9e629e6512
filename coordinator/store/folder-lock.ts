/**
 * One process a data folder: PGlite itself does not notice a second one, which would damage the database. The
 * lock names its process, so that what a killed one leaves behind is recognised.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** In containers every process may have the same number. */
const THIS_PROCESS = randomUUID();
const ATTEMPTS = 3;

/** @returns releases the lock. @throws FederationError STORAGE when another coordinator uses the folder */
export async function lockFolder(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, 'lock');
  for (let attempt = 1; ; attempt++) {
    try {
      await writeFile(path, `${process.pid} ${THIS_PROCESS}\n`, { flag: 'wx' });
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid, owner] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ');
    const isHeld = owner === THIS_PROCESS || (Number(pid) !== process.pid && isAlive(Number(pid)));
    if (isHeld || attempt === ATTEMPTS) throw inUse(dataDir, path, pid);
    await rm(path, { force: true }); // left behind by a process that was killed
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function inUse(dataDir: string, path: string, pid = '?'): FederationError {
  return new FederationError(
    'STORAGE',
    `${dataDir} is in use by another coordinator (process ${pid}); stop it, or choose another folder. ` +
      `If no coordinator runs, another program has got its number: remove ${path}`,
  );
}
