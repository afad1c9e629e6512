import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  makeFolder,
  overwriteFile,
  replaceFile,
  replaceFileSync,
  writeBeside,
} from '#shared/platform/files/durable-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-durable-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a file that is written many times at once holds one of the contents whole, and leaves nothing beside it', async () => {
  const path = join(folder, 'status.json');
  const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000 + i));
  await Promise.all(contents.map((content) => replaceFile(path, content, { flush: false, now: false })));
  expect(contents).toContain(await readFile(path, 'utf8'));
  expect(await readdir(folder)).toEqual(['status.json']);
});

test('a file that is written over holds the last text, and nothing of the one before', async () => {
  const path = join(folder, 'note');
  for (const text of ['first', 'a longer one', '', 'ä']) {
    await overwriteFile(path, text);
    expect(await readFile(path, 'utf8')).toBe(text);
  }
  expect(await readdir(folder)).toEqual(['note']);
  expect((await stat(path)).mode & 0o077).toBe(0);
});

test('nobody else may read it', async () => {
  const path = join(folder, 'secret');
  await replaceFile(path, Uint8Array.of(1, 2, 3), { flush: true, now: true });
  expect((await stat(path)).mode & 0o077).toBe(0);
  expect(await readFile(path)).toEqual(Buffer.of(1, 2, 3));
});

test('one that cannot be written to its end is not there, and nothing is left beside it', async () => {
  const path = join(folder, 'bundle');
  await writeFile(path, 'before');
  const failing = writeBeside(
    path,
    async (file) => {
      await file.write('half');
      throw new Error('no room');
    },
    { flush: true, now: true },
  );
  await expect(failing).rejects.toThrow('no room');
  expect(() => replaceFileSync(join(folder, 'no-such-folder', 'x'), 'y', { flush: false })).toThrow(/ENOENT/);
  expect(await readFile(path, 'utf8')).toBe('before');
  expect(await readdir(folder)).toEqual(['bundle']);
});

test('a folder is made with those it is in, once or again, also from a relative path', async () => {
  const here = process.cwd();
  process.chdir(folder);
  try {
    for (let i = 0; i < 2; i++) await makeFolder(join('a', 'b', 'c'));
  } finally {
    process.chdir(here);
  }
  await makeFolder(join(folder, 'a', 'd'));
  expect((await stat(join(folder, 'a/b/c'))).isDirectory()).toBe(true);
  expect(await readdir(join(folder, 'a'))).toEqual(['b', 'd']);
});
