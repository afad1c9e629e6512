import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BodyStore } from '#coordinator/store/body-store.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

const SMALL = new Uint8Array(100).fill(7);
const LARGE = new Uint8Array(LIMITS.bodyWithMessageBytesMax + 1).fill(9);

describe('a body that is being written', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'tallystick-body-store-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const fresh = (root = ''): string => join(folder, 'fresh', root);

  test.each([SMALL, LARGE])(
    'has its name once it is whole, and nothing stays where it was written',
    async (bytes) => {
      const store = await BodyStore.open(folder);
      const root = vectorRoot(bytes);
      await store.put(root, bytes);
      expect(new Uint8Array(await (await BodyStore.open(folder)).read(root))).toEqual(bytes);
      expect(await readdir(fresh())).toEqual([]);
    },
  );

  test('when the process is killed is gone at the next start, and can be written again', async () => {
    await BodyStore.open(folder);
    const root = vectorRoot(LARGE);
    await writeFile(fresh(root), LARGE.subarray(0, 1000));
    const store = await BodyStore.open(folder);
    expect(existsSync(fresh(root))).toBe(false);
    expect(await store.size(root)).toBeUndefined();
    await store.put(root, LARGE);
    expect(await store.size(root)).toBe(LARGE.length);
  });
});
