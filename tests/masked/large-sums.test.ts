/** Sums of large vectors, which are checked by some of the banks, who are drawn when the round is opened. */
import { expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { stubSumRoot } from '../support/stub-answers.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { maskedPlan } from './masked-agents.ts';

const AGENTS = ['a', 'b', 'c', 'd'];
const TRAINING_ROUND = 2;

test('a large sum is read and confirmed by two drawn banks, and not read by the others', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite' });
  const proxy = await RecordingProxy.before(coordinator.url);
  await TestAgent.joinAll(coordinator, AGENTS, { url: proxy.url });
  // a million weights and more: four vectors are above 16 MiB
  const plan = maskedPlan(AGENTS, { hidden: [1030, 1030], minimum: 3, rounds: 1, seed: 'large' });
  const run = await TestRun.propose(coordinator, plan);
  expect(await run.finished()).toMatchObject({ outcome: 'completed' });

  const { ctx, asked } = await run.round(TRAINING_ROUND);
  const sumRoot = stubSumRoot(asked, AGENTS);
  const confirmations = run.entries.flatMap(({ message: { type, payload } }) =>
    type === 'confirm-sum' && payload.ctx === ctx ? [payload] : [],
  );
  expect(confirmations).toMatchObject([{ sumRoot }, { sumRoot }]);
  const asks = `GET /v1/rounds/${ctx}/vectors HTTP`;
  const readings = proxy.connections.flatMap(({ sent }) =>
    Buffer.concat(sent).toString('latin1').split(asks).slice(1),
  );
  expect(readings).toHaveLength(2);

  const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
  expect(report).toMatchObject({ passed: true, complete: true });
});
