/** Agents that are killed in the middle of a masked round: real processes, as banks run them. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exportBundle } from '#scripts/audit/bundle-file.ts';
import { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import { MovableClock } from '../support/movable-clock.ts';
import { startCommand } from '../support/command-line.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import type { CoordinatorUnderTest } from '../support/test-bank.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyApplicants, writeApplicants } from '../support/tiny-bank-data.ts';
import { maskedPlan } from './masked-agents.ts';

const IDS = ['a', 'b', 'c', 'd'];

test('an agent may be killed when it has dealt its keys, and again when it has sent its vector: the runs end with a model that verifies', async () => {
  const folder = await temporaryFolder('killed-agents');
  const consortium = new LocalConsortium(folder);
  closeLater(() => consortium.stop());
  await consortium.startCoordinator('Killed agents');
  await Promise.all(
    IDS.map(async (id) => {
      const dataFile = join(folder, `${id}.csv`);
      await writeApplicants(dataFile, tinyApplicants(60, id));
      await consortium.join({ id, dataFile }, 3);
    }),
  );
  const coordinator: CoordinatorUnderTest = {
    url: consortium.client.url,
    charter: consortium.charter,
    clock: new MovableClock(),
    operator: consortium.client,
  };
  const models: string[] = [];
  for (const type of ['share-keys', 'masked-input'] as const) {
    const options = { name: `killed after ${type}`, seed: 'killed', minimum: 3, rounds: 2 };
    const plan = maskedPlan(IDS, { ...options, deadlines: { absenceMs: 30_000 } });
    const run = await TestRun.propose(coordinator, plan);
    await run.until(type, ({ from }) => from === 'd');
    await consortium.kill('d');
    await consortium.startAgent('d');
    const end = await run.finished();
    expect(end).toMatchObject({ outcome: 'completed' });
    models.push(end.artefact!);
    const { rounds } = await run.view();
    expect(rounds.map(({ answered }) => answered)).toEqual(rounds.map(() => IDS)); // it was waited for
  }
  expect(models[1]).toBe(models[0]);

  const bundle = join(folder, 'bundle');
  await exportBundle(consortium.client, bundle);
  const audit = startCommand(['audit', 'verify', bundle, '--charter', consortium.charter]);
  expect(await audit.exit, audit.output).toBe(0);
});
