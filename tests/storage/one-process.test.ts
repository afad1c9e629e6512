/** One process a data folder, also of two that cannot see each other: containers on one volume. */
import { spawnSync } from 'node:child_process';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { Child } from '../support/child-process.ts';
import { freshStorage } from '../support/test-coordinator.ts';

const BIN = fileURLToPath(new URL('../../bin/tallystick.js', import.meta.url));

/** What starts a process in a PID namespace of its own, which ends with it; undefined where nobody may. */
const namespace = [
  ['--pid', '--fork', '--mount-proc', '--kill-child'],
  ['--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'],
].find((flags) => spawnSync('unshare', [...flags, 'true']).status === 0);

function start(dataDir: string): Child {
  const command = [process.execPath, BIN, 'coordinator', 'start', '--data', dataDir, '--port', '0', '--json'];
  const [file, ...args] = namespace === undefined ? command : ['unshare', ...namespace, ...command];
  return new Child(file!, args, { env: { DATABASE_URL: undefined, TALLYSTICK_PASSPHRASE: undefined } });
}

async function ready(child: Child): Promise<{ url: string }> {
  const [line] = await child.until(/^\{"ready":true.*\}$/m);
  return JSON.parse(line) as { url: string };
}

/** As the holder leaves it that has not touched it for a minute. */
const age = (lock: string): Promise<void> => {
  const minuteAgo = new Date(Date.now() - 60_000);
  return utimes(lock, minuteAgo, minuteAgo);
};

const how =
  namespace === undefined ? 'by a lock that says so, as no PID namespaces may be made here' : 'really';

test(`of two coordinators in PID namespaces of their own (${how}) the second is refused, and a killed one's folder is taken over`, async () => {
  const { dataDir } = await freshStorage('pglite');
  const lock = join(dataDir, 'lock');
  const first = start(dataDir);
  const { url } = await ready(first);
  const operator = new OperatorClient(url, (await readFile(join(dataDir, 'operator.token'), 'utf8')).trim());
  await operator.post('/v1/incidents', { reason: 'from the first' });
  if (namespace === undefined) {
    const owner = JSON.parse(await readFile(lock, 'utf8')) as object;
    await writeFile(lock, JSON.stringify({ ...owner, place: 'a container', pid: 1 }));
  }

  const second = start(dataDir);
  await second.until(/"error"|"ready"/);
  expect(second.stdout).toMatch(
    /STORAGE.*another process \(\d+ on .*\) works in the folder.*stop it and try again/,
  );
  await operator.post('/v1/incidents', { reason: 'undisturbed' });

  await first.kill();
  const early = start(dataDir);
  expect((await early.until(/"error"|"ready"/))[0]).toBe('"error"'); // nobody can tell yet that it is gone
  await age(lock);
  const third = start(dataDir);
  const next = await ready(third);
  const token = (await readFile(join(dataDir, 'operator.token'), 'utf8')).trim();
  const page = await new OperatorClient(next.url, token).get<{ entries: { text: string }[] }>(
    '/v1/ledger/entries',
  );
  const reasons = page.entries.flatMap(({ text }) => /"reason":"([^"]*)"/.exec(text)?.[1] ?? []);
  expect(reasons).toEqual(['from the first', 'undisturbed']);
  await third.kill();
});
