import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '#shared/platform/clock.ts';
import { lockFolder } from '#shared/platform/files/folder-lock.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-lock-'));
  path = join(folder, 'lock');
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true, force: true });
});

interface Owner {
  pid: number;
  process: string;
  place: string;
  host: string;
}

/** What a process on this machine that is not this one writes. */
async function another(changes: Partial<Owner>): Promise<string> {
  const lock = await lockFolder(path, systemClock);
  const ours = JSON.parse(await readFile(path, 'utf8')) as Owner;
  await lock.release();
  return JSON.stringify({ ...ours, process: 'another', ...changes });
}

const refused = { code: 'STORAGE', message: expect.stringMatching(/lock.*delete that file/) as string };

test('a folder is locked once, until it is released', async () => {
  const lock = await lockFolder(path, systemClock);
  await expect(lockFolder(path, systemClock)).rejects.toMatchObject(refused);
  await lock.release();
  expect(await readdir(folder)).toEqual([]);
  await (await lockFolder(path, systemClock)).release();
});

test('of several that start at once in the place of one that was killed, exactly one gets it', async () => {
  await writeFile(path, await another({ pid: spawnSync(process.execPath, ['-e', '']).pid }));
  const starts = Array.from({ length: 8 }, () => lockFolder(path, systemClock));
  const results = await Promise.allSettled(starts);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await readdir(folder)).toEqual(['lock']);
});

test('a process that is alive keeps it, and one that was killed does not', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  await writeFile(path, await another({ pid: child.pid! }));
  await expect(lockFolder(path, systemClock)).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining(`${child.pid} on ${hostname()}`) as string,
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await lockFolder(path, systemClock)).release();
});

test.skipIf(process.platform !== 'linux')(
  'a process that was killed and that its parent has not waited for does not keep it',
  async () => {
    // the shell's child ends; what the shell becomes does not know of it
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60']);
    const pid = Number(String((await once(parent.stdout, 'data'))[0]));
    try {
      process.kill(pid, 'SIGKILL');
      await vi.waitFor(async () => expect(await readFile(`/proc/${pid}/stat`, 'latin1')).toMatch(/\) Z /));
      await writeFile(path, await another({ pid }));
      await (await lockFolder(path, systemClock)).release();
    } finally {
      parent.kill('SIGKILL');
    }
  },
);

test("a killed process's number that is ours now does not keep us out", async () => {
  await writeFile(path, await another({ pid: process.pid }));
  await (await lockFolder(path, systemClock)).release();
});

test.each([
  ['of another machine or container', () => another({ place: 'elsewhere' })],
  ['that a power loss has emptied', () => Promise.resolve('')],
])('a lock %s is believed while it is touched, whatever its number means here', async (_, text) => {
  await writeFile(path, await text());
  await expect(lockFolder(path, systemClock)).rejects.toMatchObject(refused);
  const [now, minuteAgo] = [Date.now() / 1000, Date.now() / 1000 - 60];
  await utimes(path, now, minuteAgo);
  await (await lockFolder(path, systemClock)).release();
});

test.each([
  ['is taken by another process', () => writeFile(path, '{}')],
  ['is deleted', () => rm(path)],
])('a holder whose lock %s learns of it, and takes nothing away from the other', async (_, happens) => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  const lock = await lockFolder(path, systemClock);
  await happens();
  vi.advanceTimersByTime(10_000);
  expect(await lock.lost).toMatchObject(refused);
  const before = await readdir(folder);
  await lock.release();
  expect(await readdir(folder)).toEqual(before);
});

test('a holder touches its lock, by which others know that it is there', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  const inTwoHours = Date.now() + 7_200_000;
  const lock = await lockFolder(path, { now: () => inTwoHours });
  vi.advanceTimersByTime(10_000);
  await vi.waitFor(async () => expect((await stat(path)).mtimeMs).toBeCloseTo(inTwoHours, -1));
  await lock.release();
});
