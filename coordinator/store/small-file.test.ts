import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isThere, writeSmallFile } from '#coordinator/store/small-file.ts';

const BYTES = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);

describe('a small file', () => {
  let folder: string;
  let path: string;
  let fresh: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tallystick-small-file-'));
    path = join(folder, 'body');
    fresh = join(folder, 'fresh');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test('is there whole once it is written, with nothing beside it', () => {
    expect(isThere(path)).toBe(false);
    writeSmallFile(path, BYTES, fresh);
    expect(isThere(path)).toBe(true);
    expect(new Uint8Array(readFileSync(path))).toEqual(BYTES);
    expect(readdirSync(folder)).toEqual(['body']);
  });

  test('that holds the bytes already is left alone; one that is short, or damaged, is replaced', () => {
    writeSmallFile(path, BYTES, fresh);
    const { ino } = statSync(path);
    writeSmallFile(path, BYTES, fresh);
    expect(statSync(path).ino).toBe(ino);
    for (const other of [BYTES.subarray(0, 4096), BYTES.map((byte) => byte ^ 1)]) {
      writeFileSync(path, other);
      writeSmallFile(path, BYTES, fresh);
      expect(new Uint8Array(readFileSync(path))).toEqual(BYTES);
    }
  });

  test('that cannot be put in its place leaves nothing behind', () => {
    mkdirSync(path);
    expect(() => writeSmallFile(path, BYTES, fresh)).toThrow(/EISDIR|ENOTEMPTY|EEXIST|EPERM/);
    expect(readdirSync(folder)).toEqual(['body']);
  });
});
