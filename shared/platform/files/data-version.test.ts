import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assertDataVersion, DATA_VERSION } from '#shared/platform/files/data-version.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-version-'));
  await mkdir(join(folder, 'keys'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inKeys = (name: string, text: string): Promise<void> => writeFile(join(folder, 'keys', name), text);
const refused = (words: RegExp) => ({ code: 'CONFIG', message: expect.stringMatching(words) as string });

describe.each([
  ['coordinator', 'coordinator.json', /found the consortium anew/],
  ['agent', 'identity.json', /enrol again/],
] as const)('the folder of a %s', (kind, key, whatNext) => {
  test('that is new gets our version, and is opened again', async () => {
    await assertDataVersion(folder, kind);
    await inKeys(key, '{}');
    await assertDataVersion(folder, kind, false);
    expect((await readdir(join(folder, 'keys'))).sort()).toEqual([key, 'data-version.json'].sort());
  });

  test.each([DATA_VERSION + 1, DATA_VERSION + 20])(
    'of version %i is refused by a sentence with both',
    async (version) => {
      await inKeys(
        'data-version.json',
        JSON.stringify({ folder: kind, version, tallystick: '9.8.7', more: 1 }),
      );
      const opening = assertDataVersion(folder, kind);
      await expect(opening).rejects.toMatchObject(
        refused(
          new RegExp(
            `version ${version}, written by Tallystick 9\\.8\\.7; .* reads version ${DATA_VERSION}\\.`,
          ),
        ),
      );
      await expect(opening).rejects.toMatchObject(refused(whatNext));
    },
  );

  test('with keys from before versions were noted is refused, and nothing is written', async () => {
    await inKeys(key, '{}');
    await expect(assertDataVersion(folder, kind)).rejects.toMatchObject(refused(/version 0, written before/));
    expect(await readdir(join(folder, 'keys'))).toEqual([key]);
  });

  test('of the other kind, one that is not there, and a damaged note are refused', async () => {
    await expect(assertDataVersion(folder, kind, false)).rejects.toMatchObject(refused(/it has no keys/));
    await assertDataVersion(folder, kind === 'agent' ? 'coordinator' : 'agent');
    await expect(assertDataVersion(folder, kind)).rejects.toMatchObject(refused(/is the data folder of/));
    await inKeys('data-version.json', '{');
    await expect(assertDataVersion(folder, kind)).rejects.toMatchObject(refused(/damaged/));
  });
});
