/** Who is in a sum: an operator who knows which banks collude, and composes plans, starts and sessions around one victim. */
import { expect, test } from 'vitest';
import { companyOf } from '#shared/ledger/company.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { heldAgent, maskedPlan, Turnstile } from '../masked/masked-agents.ts';

const SEVEN = ['a', 'b', 'c', 'd', 'e', 'evil-1', 'evil-2'];
/** As a consortium is founded if nobody says otherwise: a third may collude. */
const company = { oneColluderIn: 3, honest: 2, banks: 3 };

test('no run is proposed whose sums could be of the victim and two colluders, of seven banks that belong', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite', company });
  await TestBank.joinAll(coordinator, ...SEVEN);
  const few = maskedPlan(['a', 'evil-1', 'evil-2'], { minimum: 3 });
  await expect(TestRun.propose(coordinator, few)).rejects.toMatchObject({ code: 'COHORT' });
  const sevenOf = (minimum: number) => maskedPlan(SEVEN, { minimum });
  await expect(TestRun.propose(coordinator, sevenOf(3))).rejects.toMatchObject({ code: 'COHORT' });
  await TestRun.propose(coordinator, sevenOf(4));
});

test('a run does not start early with fewer banks than a bank has made a condition of its consent', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite', company });
  await TestBank.joinAll(coordinator, ...SEVEN.slice(1, 5));
  const names = ['a', 'evil-1', 'evil-2'];
  await TestAgent.join(coordinator, 'a', { minimumCohort: 5 });
  const evil = await TestBank.joinAll(coordinator, ...names.slice(1));
  const run = await TestRun.propose(coordinator, maskedPlan(SEVEN, { minimum: 5 }));
  const { payload } = await run.until('consent', ({ from }) => from === 'a');
  expect(payload).toMatchObject({ decision: 'granted', fewest: 5 });
  for (const bank of evil) await run.consent(bank);
  await expect(coordinator.operator.post(`/v1/runs/${run.id}/start`, {})).rejects.toMatchObject({
    code: 'COHORT',
  });
});

test('a run whose banks leave one after the other ends before its sums are of fewer than the consortium has agreed on', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite', company });
  const leaving = new Map(SEVEN.slice(1, 5).map((id) => [id, new Turnstile(1)]));
  const agents = await Promise.all(
    SEVEN.map((id) => heldAgent(coordinator, id, leaving.get(id) ?? new Turnstile())),
  );
  const plan = maskedPlan(SEVEN, { minimum: 4, rounds: 3, deadlines: { absenceMs: 0 } });
  const run = await TestRun.propose(coordinator, plan);
  await run.round(1);
  for (const agent of agents.slice(1, 5)) {
    await agent.stop();
    coordinator.clock.advance(60_001);
  }
  await TestBank.join(coordinator, 'passer-by'); // the coordinator looks up
  const end = await run.finished();
  expect(end.outcome).toBe('failed');
  const sizes = run.entries.flatMap(({ message: { type, payload } }) =>
    type === 'close-round' ? [payload.survivors.length] : [],
  );
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(4);
});

test('who may collude follows from the members, one at least', () => {
  const stateOf = (count: number) =>
    ({
      charter: undefined,
      participants: new Map(Array.from({ length: count }, (_, i) => [String(i), { status: 'admitted' }])),
    }) as never;
  expect([3, 4, 5, 6, 9, 100].map((count) => companyOf(stateOf(count)))).toEqual([
    { colluders: 1, minimum: 3 },
    { colluders: 1, minimum: 3 },
    { colluders: 1, minimum: 3 },
    { colluders: 2, minimum: 4 },
    { colluders: 3, minimum: 5 },
    { colluders: 33, minimum: 35 },
  ]);
});
