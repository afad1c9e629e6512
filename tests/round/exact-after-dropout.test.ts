/** A bank drops out in mid-run, the round is void and asked again when it is back: the model is still the pooled one. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { LocalComputer } from '#participant-agent/training/run-computer.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import { concatTables } from '#shared/contract/table.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { plan as planSchema } from '#shared/protocol/plan.ts';
import { behind, Turnstile } from '../masked/masked-agents.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyApplicants, tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

const BANKS = ['maple', 'rowan', 'yew'];
const programs: [string, ProposedPlan['program']['settings']][] = [
  ['scorecard', { binning: { fine: 8 }, selection: { method: 'iv', minIv: 0.01 } }],
  ['gbdt', { trees: 3, depth: 2, bins: 8, minCount: 20, minCategoryCount: 20 }],
];

test.each(programs)('%s', async (name, settings) => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const turnstile = new Turnstile(3); // the last bank answers three rounds, then no more
  const agents = await Promise.all(
    BANKS.map((id, i) =>
      TestAgent.join(coordinator, id, {
        answers: 'real',
        applicants: tinyApplicants(100 + 80 * i, id),
        ...(i === 2
          ? { createComputer: (dataFile: string) => behind(turnstile, new LocalComputer(dataFile)) }
          : {}),
      }),
    ),
  );
  const proposed = { ...tinyPlan(BANKS), program: { name, settings }, aggregation: 'masked' as const };
  const run = await TestRun.propose(coordinator, proposed);
  const open = await run.until('open-round', ({ round }) => round === 3);
  for (const id of BANKS.slice(0, 2))
    await run.until(
      'masked-input',
      ({ from, ctx }) => from === id && ctx === messageHash('open-round', open.payload),
    );
  await agents[2]!.stop();
  coordinator.clock.advance(60_001);
  await TestBank.join(coordinator, 'passer-by'); // the coordinator looks up
  await run.until('void-round');
  turnstile.let(1000);
  await agents[2]!.start();
  const end = await run.finished();
  expect(end.outcome).toBe('completed');
  const { rounds } = await run.view();
  expect(rounds.some(({ attempt, outcome }) => attempt > 0 && outcome === 'closed')).toBe(true);

  const tables = await Promise.all(
    agents.map(async (agent) => (await loadTable(join(agent.folder, 'applicants.csv'), tinyContract)).table),
  );
  const plan = planSchema.parse({ ...proposed, contract: '0'.repeat(64) });
  expect(end.artefact).toBe((await trainHere(plan, tinyContract, [concatTables(tables)])).root);
});
