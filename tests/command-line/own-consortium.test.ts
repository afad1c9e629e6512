/** What is tried on a machine where a real consortium runs leaves that one alone, whatever the environment names. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { openCoordinatorKeys } from '#coordinator/keys.ts';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import { Child } from '../support/child-process.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { tinyApplicants, writeApplicants } from '../support/tiny-bank-data.ts';

const [BENCH, RESULTS] = ['bench', 'results'].map((name) =>
  fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url)),
) as [string, string];

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a consortium on this machine takes neither the database nor the passphrase of the environment, and no agent asks another's coordinator", async () => {
  const real = await TestCoordinator.start({ database: 'postgres' });
  const before = await real.ledger();
  vi.stubEnv('DATABASE_URL', real.storage.databaseUrl!);
  vi.stubEnv('TALLYSTICK_PASSPHRASE', 'of the real coordinator');
  vi.stubEnv('TALLYSTICK_URL', real.url);
  vi.stubEnv('TALLYSTICK_TOKEN', real.operatorToken);

  const folder = await temporaryFolder('own');
  const consortium = new LocalConsortium(folder);
  closeLater(() => consortium.stop());
  await consortium.startCoordinator('Own');
  const dataFile = join(folder, 'applicants.csv');
  await writeApplicants(dataFile, tinyApplicants(60, 'own'));
  await consortium.join({ id: 'own-bank', dataFile }, 2);

  expect(consortium.client.url).not.toBe(real.url);
  expect(consortium.charter).not.toBe(real.charter);
  expect(await readFile(join(consortium.coordinatorFolder, 'database', 'PG_VERSION'), 'utf8')).not.toBe('');
  await consortium.stop();
  // sealed by the files beside them
  await openCoordinatorKeys(consortium.coordinatorFolder, undefined);
  await openAgentKeys(consortium.bankFolder('own-bank'), undefined);
  expect(await real.ledger()).toEqual(before);
});

test('a bench refuses a database that holds a ledger, and leaves it as it is', async () => {
  const real = await TestCoordinator.start({ database: 'postgres' });
  const before = await real.ledger();
  const bench = new Child(process.execPath, [BENCH, '--only', 'ledger'], {
    env: { TALLYSTICK_BENCH_DATABASE_URL: real.storage.databaseUrl! },
  });
  expect([await bench.exit, bench.stderr]).toEqual([2, expect.stringMatching(/USAGE.*holds a ledger/s)]);
  expect(await real.ledger()).toEqual(before);
});

test('bench and results name their parts when they do not know one', async () => {
  const results = new Child(process.execPath, [RESULTS, '--only', 'everything']);
  expect([await results.exit, results.stderr]).toEqual([2, expect.stringMatching(/USAGE.*hmeq.*gbdt/s)]);
  for (const args of [['--only', 'everything'], ['--fast'], ['sum']]) {
    const bench = new Child(process.execPath, [BENCH, ...args]);
    expect([await bench.exit, bench.stderr]).toEqual([2, expect.stringMatching(/USAGE.*8x100.*ledger/s)]);
  }
});
