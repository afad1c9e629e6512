/**
 * One process a data folder: PGlite itself does not notice a second one, which would damage the database. The
 * lock names its process, so that what a killed one leaves behind is recognised.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FederationError } from '#shared/protocol/error-codes.ts';

const held = new Set<string>();

/** @returns releases the lock. @throws FederationError STORAGE when another coordinator uses the folder */
export async function lockFolder(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, 'lock');
  if (held.has(path)) throw inUse(dataDir, process.pid);
  held.add(path);
  try {
    const owner = Number(await readFile(path, 'utf8').catch(() => 'none'));
    if (owner !== process.pid && isAlive(owner)) throw inUse(dataDir, owner);
    await writeFile(path, String(process.pid));
  } catch (error) {
    held.delete(path);
    throw error;
  }
  return async () => {
    held.delete(path);
    await rm(path, { force: true });
  };
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

function inUse(dataDir: string, pid: number): FederationError {
  return new FederationError(
    'STORAGE',
    `${dataDir} is in use by another coordinator (process ${pid}); stop it, or choose another folder`,
  );
}
