/** Lines that break without a word, and a database that is away for a while. */
import { expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { createCoordinator } from '#coordinator/coordinator.ts';
import { createLogger } from '#coordinator/logger.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { BreakingLine } from '../support/breaking-line.ts';
import { eventually } from '../support/eventually.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

const IDS = ['a', 'b', 'c'];

test(
  'a bank whose line is half open dials again, and the round goes on with it',
  { timeout: 120_000 },
  async () => {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
    const line = await BreakingLine.to(coordinator.url);
    await TestAgent.joinAll(coordinator, IDS.slice(0, 2));
    await TestAgent.join(coordinator, 'c', { url: `http://127.0.0.1:${line.port}` });
    const run = await TestRun.propose(coordinator, maskedPlan(IDS, { rounds: 2 }));
    await run.until('masked-input', ({ from }) => from === 'c');
    line.swallow();
    // either side misses the other's heartbeat after 20 s at most
    const view = await eventually(
      'the end of the run',
      async () => {
        const now = await run.view();
        return now.phase === 'finished' ? now : undefined;
      },
      100_000,
    );
    expect(view.result).toMatchObject({ outcome: 'completed' });
    for (const { attempt, answered } of view.rounds) expect([attempt, answered]).toEqual([0, IDS]);
  },
);

test('a database that is away for 30 s stops the coordinator, which starts when it is back and goes on in the round', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  await TestAgent.joinAll(coordinator, IDS);
  const plan = maskedPlan(IDS, { seed: 'database', rounds: 2 });
  const undisturbed = await (await TestRun.propose(coordinator, plan)).finished();

  const { databaseUrl } = coordinator.storage;
  const line = await BreakingLine.to(databaseUrl!);
  const through = new URL(databaseUrl!);
  through.port = String(line.port);
  coordinator.reach(through.href);
  await coordinator.restart();
  const run = await TestRun.propose(coordinator, { ...plan, name: 'disturbed' });
  await run.until('masked-input');
  line.cut();
  await eventually('the coordinator to stop', () => coordinator.broken.length > 0);
  expect(coordinator.broken[0]).toMatchObject({ code: 'DATABASE' });
  const config = coordinator.config();
  await coordinator.stop();
  for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 10_000) {
    // what supervises it tries again and again
    const deps = { clock: coordinator.clock, log: createLogger('silent'), onBroken() {} };
    await expect(createCoordinator(config, deps)).rejects.toMatchObject({ code: 'DATABASE' });
    coordinator.clock.advance(10_000);
  }
  line.mend();
  await coordinator.start();
  await run.watch();
  expect(await run.finished()).toMatchObject({ outcome: 'completed', artefact: undisturbed.artefact });
  const { rounds } = await run.view();
  for (const { attempt, answered } of rounds) expect([attempt, answered]).toEqual([0, IDS]);
  const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
  expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
});
