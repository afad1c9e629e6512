/**
 * A model whose steps are worth a thread of their own at the coordinator. The banks of this test take the same steps
 * without one: `TestRun` holds every question against its own.
 */
import { expect, test } from 'vitest';
import { WORTH_A_THREAD_WORDS } from '#coordinator/rounds/run-program.ts';
import { programNamed } from '#models/catalogue.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

const LARGE = { hidden: [330, 330], rounds: 2 };

test('a large model goes on after a restart in the middle of its rounds, and is the one that everybody computes', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const banks = await TestBank.joinAll(coordinator, 'a', 'b');
  const { seed, program } = tinyPlan(['a', 'b'], LARGE);
  const setup = { contract: tinyContract, settings: program.settings, participants: 2, seed };
  expect(programNamed(program.name).wordsMax!(setup)).toBeGreaterThan(WORTH_A_THREAD_WORDS);
  const run = await TestRun.start(coordinator, banks, LARGE);
  for (const round of [0, 1]) {
    const asked = await run.round(round);
    for (const bank of banks) await run.answer(bank, asked);
  }
  const training = await run.round(2);
  await run.answer(banks[0]!, training);
  await coordinator.stop();
  await coordinator.start();
  await run.watch();
  for (const bank of banks) await bank.connect();
  await run.answer(banks[1]!, training);
  expect(await run.complete(banks, 3)).toMatchObject({ outcome: 'completed' });
  const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
  expect(report).toMatchObject({ passed: true, complete: true });
});
