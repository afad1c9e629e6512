/**
 * One process a folder. Two agents in one, as when a service is started again before the old one has ended, would
 * each know only their own promises, and could sign two different certificates for one slot; two coordinators would
 * damage an embedded database, which does not notice a second process.
 *
 *   lock    {"pid": 812, "process": "<random>", "place": "<host, boot and pid namespace>", "host": "<host>"}
 *
 * The file is made by an exclusive create. One that is left by a process that was killed is taken over:
 *
 *   same place        when no process of that number is alive, or it is our own number, which is then used again
 *   another place     (a container that was made anew, a reboot, another machine) numbers mean nothing there, so when
 *                     its holder has not touched it for `LEASE_MS`
 *
 * A holder looks every `BEAT_MS` whether the lock is still its own. It does not defend against a holder that stood
 * still for longer than the lease on another machine, nor against network file systems without exclusive creates.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { systemClock } from '#shared/platform/clock.ts';
import { isAlive } from '#shared/platform/files/process-alive.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const BEAT_MS = 10_000;
/** Three beats, so that one that comes late costs nobody the lock. */
const LEASE_MS = 30_000;
/** Each attempt but the last has found a lock that was gone a moment later. */
const ATTEMPTS_MAX = 5;

const owner = z.object({ pid: z.int().min(1), process: z.string(), place: z.string(), host: z.string() });
type Owner = z.infer<typeof owner>;

const OURS: Owner = { pid: process.pid, process: randomUUID(), place: placeOfProcesses(), host: hostname() };
const OURS_TEXT = JSON.stringify(OURS);
/** Locks that this process holds. */
const held = new Set<string>();

export interface FolderLock {
  /** Resolves when it is not ours any more: whoever holds it must stop. */
  readonly lost: Promise<FederationError>;
  release(): Promise<void>;
}

/**
 * @param path of the lock's file, in a folder that is there
 * @throws FederationError STORAGE when another holds it, naming the file and what to do
 */
export async function lockFolder(path: string, clock: Clock = systemClock): Promise<FolderLock> {
  if (held.has(path)) throw inUse(path, OURS);
  held.add(path); // at once: what follows is about other processes
  try {
    await acquire(path, clock);
  } catch (error) {
    held.delete(path);
    throw error;
  }
  let beating: NodeJS.Timeout | undefined;
  const lost = new Promise<FederationError>((resolve) => {
    const beat = async (): Promise<void> => {
      try {
        if ((await readFile(path, 'utf8')) !== OURS_TEXT) return resolve(inUse(path, undefined));
        const now = new Date(clock.now());
        await utimes(path, now, now);
      } catch (error) {
        // a disk that fails now may be read again later, but a lock that is gone keeps nobody else out
        if ((error as NodeJS.ErrnoException).code === 'ENOENT' && held.has(path))
          resolve(inUse(path, undefined));
      }
    };
    // also keeps a process alive that waits for nothing else: between two attempts to be let in, or once it has broken off
    beating = setInterval(() => void beat(), BEAT_MS);
  });
  return {
    lost,
    async release() {
      clearInterval(beating);
      held.delete(path);
      if ((await readFile(path, 'utf8').catch(() => undefined)) === OURS_TEXT)
        await rm(path, { force: true });
    },
  };
}

async function acquire(path: string, clock: Clock): Promise<void> {
  for (let attempt = 1; !(await create(path)); attempt++) {
    const found = await readFile(path, 'utf8').catch(() => undefined);
    if (found === undefined && attempt < ATTEMPTS_MAX) continue; // released in between
    if (found === undefined || attempt === ATTEMPTS_MAX || (await isHeld(path, found, clock)))
      throw inUse(path, ownerIn(found ?? ''));
    await putAside(path, found);
  }
}

async function create(path: string): Promise<boolean> {
  try {
    await writeFile(path, OURS_TEXT, { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function isHeld(path: string, text: string, clock: Clock): Promise<boolean> {
  const found = ownerIn(text);
  // with our own number: it could not be removed when we released it, or was another's who had our number
  if (found?.place === OURS.place) return found.pid !== OURS.pid && isAlive(found.pid);
  // its file is empty for a moment while it is being made, and for ever after a power loss
  const touched = await stat(path).catch(() => undefined);
  return touched !== undefined && clock.now() - touched.mtimeMs < LEASE_MS;
}

/** Removes the lock that was found, and not one that somebody else has made since. */
async function putAside(path: string, found: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== found) await link(aside, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error; // somebody else was quicker; the next attempt sees
  } finally {
    await rm(aside, { force: true });
  }
}

function ownerIn(text: string): Owner | undefined {
  try {
    return owner.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Where a process number means one process: this machine since it was started, and in it this container. */
function placeOfProcesses(): string {
  const parts = [hostname()];
  for (const read of [
    () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    () => readlinkSync('/proc/self/ns/pid'),
  ]) {
    try {
      parts.push(read());
    } catch {
      // not Linux: its name must do
    }
  }
  return parts.join(' ');
}

function inUse(path: string, found: Owner | undefined): FederationError {
  const who = found === undefined ? 'another process' : `another process (${found.pid} on ${found.host})`;
  return new FederationError(
    'STORAGE',
    `${who} works in the folder of ${path}, or has a moment ago; stop it and try again. If you are sure that none runs, delete that file`,
  );
}
