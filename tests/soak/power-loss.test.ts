/** Files of a bank as a power loss may leave them: cut short in the middle of the last write. */
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { eventually } from '../support/eventually.ts';
import { gate } from '../support/local-federation.ts';
import { stubComputer } from '../support/stub-computer.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

const IDS = ['a', 'b', 'c'];

async function cutInHalf(path: string): Promise<void> {
  await truncate(path, Math.floor((await stat(path)).size / 2));
}

test('a promise whose line was cut short is made again, the same, and the run ends with the same model', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const agents = await TestAgent.joinAll(coordinator, IDS);
  const plan = maskedPlan(IDS, { seed: 'promise', rounds: 1 });
  const models: string[] = [];
  const run = await TestRun.propose(coordinator, plan);
  models.push((await run.finished()).artefact!);

  const cut = await TestRun.propose(coordinator, { ...plan, name: 'cut short' });
  await cut.until('masked-input', ({ from }) => from === 'b');
  await agents[1]!.stop();
  const path = join(agents[1]!.folder, 'state/promises', `${cut.id}.jsonl`);
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  await truncate(path, (await stat(path)).size - Math.floor(lines.at(-1)!.length / 2));
  await agents[1]!.start();
  const end = await cut.finished();
  if (end.artefact === undefined) throw new Error(end.reason);
  models.push(end.artefact);
  expect(models[1]).toBe(models[0]);
  const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
  expect(report).toMatchObject({ passed: true, complete: true });
});

test('an answer whose file was cut short is computed again, not sent as it is', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const { closed, open } = gate();
  let asks = (): void => {};
  const asked = new Promise<void>((resolve) => (asks = resolve));
  const createComputer = (dataFile: string): RunComputer => {
    const computer = stubComputer(dataFile, 'b');
    const answer = computer.answer.bind(computer);
    computer.answer = async (...args) => {
      asks();
      await closed;
      return answer(...args);
    };
    return computer;
  };
  await TestAgent.join(coordinator, 'a');
  const agent = await TestAgent.join(coordinator, 'b', { createComputer });
  const run = await TestRun.propose(coordinator, tinyPlan(['a', 'b']));
  await asked;
  await coordinator.stop(); // what it computes now, it cannot send
  coordinator.clock.advance(10_000); // it took long enough to be worth keeping
  open();
  const folder = join(agent.folder, 'state/outbox');
  const [name] = await eventually('the kept vector', async () => {
    const names = await readdir(folder);
    return names.length > 0 && names;
  });
  await agent.stop();
  coordinator.clock.advance(-10_000);
  await cutInHalf(join(folder, name!));
  await coordinator.start();
  await run.watch();
  await agent.start();
  expect(await run.finished()).toMatchObject({ outcome: 'completed' });
  const { rounds } = await run.view();
  for (const { attempt, answered } of rounds) expect([attempt, answered]).toEqual([0, ['a', 'b']]);
});

test('an agent whose witnessed head was cut short does not start, and says which file to restore', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const [agent] = (await TestAgent.joinAll(coordinator, ['a', 'b'])) as [TestAgent, TestAgent];
  const run = await TestRun.propose(coordinator, tinyPlan(['a', 'b']));
  await agent.model((await run.finished()).artefact!);
  await agent.stop();
  const path = join(agent.folder, 'state/witness.note');
  const flushed = join(agent.folder, 'state/witness.flushed.note');
  const note = await readFile(path, 'utf8');
  await writeFile(path, note.slice(0, 20)); // it was not flushed: a loss of power may do that
  await agent.start();
  await agent.stop();
  for (let length = 0; length < note.length; length += 10) {
    await writeFile(path, note.slice(0, length));
    await writeFile(flushed, note.slice(0, length));
    await expect(agent.start()).rejects.toMatchObject({
      code: 'STORAGE',
      message: expect.stringContaining('state/witness.note') as string,
    });
  }
  await writeFile(path, note);
  await agent.start();
});

test('what leaves a bank after its list was cut short is on the list', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const [agent] = (await TestAgent.joinAll(coordinator, ['a', 'b'])) as [TestAgent, TestAgent];
  const before = await TestRun.propose(coordinator, tinyPlan(['a', 'b']));
  await agent.model((await before.finished()).artefact!);
  await agent.stop();
  const path = join(agent.folder, 'state/egress.jsonl');
  await truncate(path, (await stat(path)).size - 10);
  await agent.start();
  const after = await TestRun.propose(coordinator, tinyPlan(['a', 'b']));
  await agent.model((await after.finished()).artefact!);
  const mine = after.entries.filter(({ message: { payload } }) => 'from' in payload && payload.from === 'a');
  const listed = (await (await agent.state()).egress()).filter(({ run }) => run === after.id);
  expect(listed.filter(({ what }) => what !== 'body').length).toBeGreaterThanOrEqual(mine.length);
  expect(listed[0]).toMatchObject({ what: 'consent' });
});
