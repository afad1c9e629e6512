import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeAgentKeys, makeNextKeys, openAgentKeys, promoteNextKeys } from '#participant-agent/keys.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-keys-'));
  await makeAgentKeys(folder, undefined);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const place = (name: string): string => join(folder, 'keys', `${name}.json`);

test.each(['', 'A'.repeat(42), '\n'])(
  'a secret that a power loss has cut short opens nothing and seals nothing: %j',
  async (left) => {
    await writeFile(join(folder, 'keys', 'unlock.key'), left);
    const damaged = { code: 'KEY_FILE', message: expect.stringMatching(/unlock\.key is damaged/) as string };
    await expect(openAgentKeys(folder, undefined)).rejects.toMatchObject(damaged);
    await expect(makeNextKeys(folder, undefined)).rejects.toMatchObject(damaged);
    for (const name of ['identity', 'witness']) await rm(place(name));
    await expect(makeAgentKeys(folder, undefined)).rejects.toMatchObject(damaged);
    expect(await readdir(join(folder, 'keys'))).toEqual(['data-version.json', 'unlock.key']);
  },
);

test('keys that are made twice at once are made once', async () => {
  await rm(join(folder, 'keys'), { recursive: true });
  const makings = await Promise.allSettled([
    makeAgentKeys(folder, undefined),
    makeAgentKeys(folder, undefined),
  ]);
  const made = makings.flatMap((making) => (making.status === 'fulfilled' ? [making.value] : []));
  expect(made).toEqual([await openAgentKeys(folder, undefined)]);
});

test('next keys are the same until they have taken their place', async () => {
  const next = await makeNextKeys(folder, undefined);
  expect(await makeNextKeys(folder, undefined)).toEqual(next);
  await promoteNextKeys(folder);
  expect(await openAgentKeys(folder, undefined)).toEqual(next);
  expect(await makeNextKeys(folder, undefined)).not.toEqual(next);
});

test('a change that was cut short while they were made goes on with the key that is there', async () => {
  const next = await makeNextKeys(folder, undefined);
  await rm(place('identity-next'));
  const again = await makeNextKeys(folder, undefined);
  expect(again.witness).toEqual(next.witness);
  expect(again.identity).not.toEqual(next.identity);
});

test('a change that was cut short while they took their place loses none of them', async () => {
  const old = await openAgentKeys(folder, undefined);
  const next = await makeNextKeys(folder, undefined);
  await rename(place('witness-next'), place('witness')); // the first of two, and then the power went
  expect(await openAgentKeys(folder, undefined)).toEqual({ ...next, identity: old.identity });
  expect(await makeNextKeys(folder, undefined)).toEqual(next);
  await promoteNextKeys(folder);
  expect(await openAgentKeys(folder, undefined)).toEqual(next);
  for (const name of ['identity-next', 'witness-next']) expect(existsSync(place(name))).toBe(false);
});
