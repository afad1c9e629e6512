import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RecentBodies } from '#coordinator/store/recent-bodies.ts';
import { Uploads } from '#coordinator/store/uploads.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';

let folder: string;
let uploads: Uploads;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-uploads-'));
  uploads = new Uploads(folder, new RecentBodies());
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A body whose second half comes when it is told to. */
function halting(seed: number) {
  const bytes = new Uint8Array(64).fill(seed);
  const hasher = new RootHasher();
  hasher.update(bytes);
  let goOn = (): void => {};
  const told = new Promise<void>((resolve) => (goOn = resolve));
  const root = hasher.root();
  let hungUp = false;
  async function* pieces(offset: number): AsyncGenerator<Uint8Array> {
    if (offset === 0) yield bytes.subarray(0, 32);
    await told;
    if (!hungUp) yield bytes.subarray(32);
  }
  const hangUp = (): void => {
    hungUp = true;
    goOn();
  };
  return {
    root,
    goOn,
    hangUp,
    wasHungUp: () => hungUp,
    /** @returns whether it is complete */
    send: (bank: string, offset = 0): Promise<boolean> =>
      uploads.receive({ bank, root, offset, length: bytes.length, bytes: pieces(offset) }, hangUp),
  };
}

test('a bank uploads four bodies at a time: the fifth is RATE_LIMIT, and another bank is not touched by it', async () => {
  const four = [1, 2, 3, 4].map(halting);
  const underWay = four.map((body) => body.send('a'));
  const fifth = halting(5);
  await expect(fifth.send('a')).rejects.toMatchObject({ code: 'RATE_LIMIT' });
  const other = halting(6);
  other.goOn();
  expect(await other.send('b')).toBe(true);
  for (const { goOn } of four) goOn();
  expect(await Promise.all(underWay)).toEqual([true, true, true, true]);
  fifth.goOn();
  expect(await fifth.send('a')).toBe(true);
});

test('requests that wait for another one with the same body are bounded too', async () => {
  const body = halting(1);
  const sent = Array.from({ length: 9 }, () => body.send('a'));
  await expect(sent.at(-1)).rejects.toMatchObject({ code: 'RATE_LIMIT' });
  body.goOn();
  expect(await Promise.all(sent.slice(0, -1))).toEqual(Array.from({ length: 8 }, () => true));
});

test('uploads that have fallen silent make way for the next attempt, and go on later where they stood', async () => {
  const four = [1, 2, 3, 4].map(halting);
  const underWay = four.map((body) => body.send('a'));
  const fifth = halting(5);
  fifth.goOn();
  await expect(fifth.send('a')).rejects.toMatchObject({ code: 'RATE_LIMIT' });
  expect(await Promise.all(underWay)).toEqual([false, false, false, false]); // hung up on
  expect(four.every((body) => body.wasHungUp())).toBe(true);
  expect(await fifth.send('a')).toBe(true);
  const standing = await Promise.all(
    four.map(async ({ root }) => (await uploads.uploaded('a', root)).offset),
  );
  expect([...standing].sort()).toEqual([0, 32, 32, 32]); // one made room for the fifth
  const again = halting(standing.indexOf(32) + 1);
  again.goOn();
  expect(await again.send('a', 32)).toBe(true);
});

test('an upload that is being received does not make room for others, however many come', async () => {
  const slow = halting(1);
  const first = slow.send('a');
  const later = [2, 3, 4, 5, 6, 7].map(halting);
  for (const body of later) {
    body.goOn();
    expect(await body.send('a')).toBe(true);
  }
  slow.goOn();
  expect(await first).toBe(true);
  const complete = await Promise.all(
    [slow, ...later].map(async ({ root }) => (await uploads.uploaded('a', root)).complete),
  );
  expect(complete.filter(Boolean)).toHaveLength(4);
  expect([complete[0], complete.at(-1)]).toEqual([true, true]);
});

test('after a restart an upload that was whole is complete, and one that was not goes on', async () => {
  const whole = halting(1);
  whole.goOn();
  expect(await whole.send('a')).toBe(true);
  const cut = halting(2);
  const underWay = cut.send('a');
  cut.hangUp();
  expect(await underWay).toBe(false);
  uploads = new Uploads(folder, new RecentBodies());
  expect(await uploads.uploaded('a', whole.root)).toEqual({ offset: 64, complete: true });
  expect(await uploads.uploaded('a', cut.root)).toEqual({ offset: 32, complete: false });
  const rest = halting(2);
  rest.goOn();
  expect(await rest.send('a', 32)).toBe(true);
});

test('a file that is not what its name says is not complete after a restart', async () => {
  const { root } = halting(1);
  await mkdir(join(folder, 'a'));
  await writeFile(uploads.path('a', root), new Uint8Array(64).fill(2));
  expect(await uploads.uploaded('a', root)).toEqual({ offset: 64, complete: false });
});
