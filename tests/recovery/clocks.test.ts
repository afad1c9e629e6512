/** Clocks that jump, and banks that are away for a week. */
import { beforeAll, describe, expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

async function expectVerified(coordinator: TestCoordinator): Promise<void> {
  const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
  expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
}

test('a clock that jumps back an hour costs neither a plain nor a masked run', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const agents = await TestAgent.joinAll(coordinator, ['a', 'b', 'c']);
  const ids = agents.map(({ id }) => id);
  const plain = await TestRun.propose(coordinator, tinyPlan(ids, { rounds: 3 }));
  await plain.until('close-round');
  coordinator.clock.advance(-HOUR_MS); // an hour is more than a round may take
  expect(await plain.finished()).toMatchObject({ outcome: 'completed' });
  const masked = await TestRun.propose(coordinator, maskedPlan(ids));
  expect(await masked.finished()).toMatchObject({ outcome: 'completed' });
  for (const run of [plain, masked]) {
    const { rounds } = await run.view();
    expect(rounds.every(({ attempt }) => attempt === 0)).toBe(true);
  }
  await expectVerified(coordinator);
});

test('a clock that jumps forward a day ends the open round, which is asked again', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const banks = await TestBank.joinAll(coordinator, 'a', 'b');
  const run = await TestRun.start(coordinator, banks, { retries: 1 });
  const round = await run.round(0);
  coordinator.clock.advance(DAY_MS);
  await run.answer(banks[0]!, round); // the driver looks at the clock
  expect((await run.until('void-round')).payload.code).toBe('COHORT');
  const again = await run.round(0, 1);
  for (const bank of banks) expect(await run.answer(bank, again)).toMatchObject({ outcome: 'accepted' });
  expect((await run.complete(banks, 1)).outcome).toBe('completed');
  coordinator.clock.advance(-DAY_MS); // somebody sets it right
  const next = await TestRun.start(coordinator, banks);
  expect((await next.complete(banks)).outcome).toBe('completed');
  await expectVerified(coordinator);
});

test('a clock that was ahead and is put right does not keep a silent bank waited for', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const banks = await TestBank.joinAll(coordinator, 'a', 'b', 'c');
  const [a, b] = banks as [TestBank, TestBank];
  coordinator.clock.advance(DAY_MS);
  const run = await TestRun.start(coordinator, banks, { minimum: 2 });
  coordinator.clock.advance(-DAY_MS);
  const round = await run.round(0);
  for (const bank of [a, b]) expect(await run.answer(bank, round)).toMatchObject({ outcome: 'accepted' });
  // c is connected and says nothing: the round is over at its deadline, not a day later
  coordinator.clock.advance(2 * HOUR_MS);
  await (await TestBank.join(coordinator, 'passer-by')).connect();
  expect((await run.until('close-round')).payload.survivors).toEqual([0, 1]);
});

describe('a bank that was away for a week', () => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
  });

  test.each(['plain', 'masked'] as const)(
    'has the model of the %s run that ended without it, and takes part in the one that waited for it',
    async (aggregation) => {
      const ids = ['a', 'b', 'c', 'd'].map((name) => `${name}-${aggregation}`);
      const agents = await TestAgent.joinAll(coordinator, ids);
      const away = agents[3]!;
      const first = await TestRun.propose(coordinator, {
        ...tinyPlan(ids, { minimum: 3, retries: 2, deadlines: { absenceMs: 0 } }),
        aggregation,
      });
      await first.until('run-started');
      await away.stop();
      const ended = await first.finished();
      expect(ended).toMatchObject({ outcome: 'completed' });
      const month = 30 * DAY_MS;
      const second = await TestRun.propose(coordinator, {
        ...tinyPlan(ids, { deadlines: { consentMs: month, roundMs: HOUR_MS, absenceMs: HOUR_MS } }),
        aggregation,
      });
      await second.until('consent', ({ from }) => from === ids[0]);
      coordinator.clock.advance(7 * DAY_MS);
      await away.start();
      await away.model(ended.artefact!);
      const end = await second.finished();
      expect(end).toMatchObject({ outcome: 'completed' });
      await away.model(end.artefact!);
      const { rounds } = await second.view();
      for (const { attempt, answered } of rounds) expect([attempt, answered]).toEqual([0, ids]);
      await expectVerified(coordinator);
    },
  );
});
