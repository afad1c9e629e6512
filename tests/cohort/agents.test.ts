/** Real agents that are left out of a run, or leave it by their policy. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { CONSIDERING } from '#shared/participant/participant.ts';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import { heldAgent, Turnstile } from '../masked/masked-agents.ts';
import { eventually } from '../support/eventually.ts';
import { stubComputer } from '../support/stub-computer.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'postgres' });
});

async function changePolicy(agent: TestAgent, from: string, to: string): Promise<void> {
  await agent.stop();
  const path = join(agent.folder, 'policy.yaml');
  const policy = await readFile(path, 'utf8');
  expect(policy).toContain(from);
  await writeFile(path, policy.replace(from, to));
  await agent.start();
}

test.each([
  [
    'is stopped',
    async (run: TestRun) => {
      await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'test' });
    },
  ],
  [
    'starts without it',
    async () => {
      coordinator.clock.advance(60_001);
      await TestBank.join(coordinator, 'passer-by'); // the coordinator looks up
    },
  ],
])('a bank where nobody has decided has read none of its rows when the run %s', async (how, happens) => {
  const ids = ['a', 'b', 'asked'].map((name) => `${name}-${how.replaceAll(' ', '-')}`);
  await TestAgent.joinAll(coordinator, ids.slice(0, 2));
  let opened = 0;
  const asked = await TestAgent.join(coordinator, ids[2]!, {
    createComputer: (dataFile): RunComputer => {
      opened++;
      return stubComputer(dataFile, ids[2]!);
    },
  });
  await changePolicy(asked, 'consent: automatic', 'consent: ask');
  const run = await TestRun.propose(coordinator, tinyPlan(ids, { minimum: 2 }));
  await eventually('the agent to wait for a decision', async () => {
    const status = await (await asked.state()).status();
    return status?.runs.some(({ run: id, detail }) => id === run.id && detail === CONSIDERING);
  });
  await run.until('consent', ({ from }) => from === ids[0]);
  await run.until('consent', ({ from }) => from === ids[1]);
  await happens(run);
  expect(opened).toBe(0);
});

test('a bank whose policy does not allow plain updates any more sends none in a run it has consented to', async () => {
  const ids = ['c', 'd', 'changes-its-mind'];
  await TestAgent.joinAll(coordinator, ids.slice(0, 2));
  const turnstile = new Turnstile(1);
  const agent = await heldAgent(coordinator, ids[2]!, turnstile);
  const run = await TestRun.propose(coordinator, tinyPlan(ids, { minimum: 2 }));
  await run.round(1);
  await changePolicy(agent, 'aggregation: [masked, plain]', 'aggregation: [masked]');
  turnstile.let(1000);
  const refused = await run.until('refuse-round', ({ from }) => from === agent.id);
  expect(refused.payload).toMatchObject({ code: 'POLICY', reason: 'plain aggregation is not allowed' });
  await run.finished();
  const sent = run.entries.filter(
    ({ message }) => message.type === 'plain-input' && message.payload.from === agent.id,
  );
  expect(sent).toHaveLength(1);
});

test('a bank stops computing for a run that is stopped, whatever it is at', async () => {
  const ids = ['e', 'f', 'busy'];
  await TestAgent.joinAll(coordinator, ids.slice(0, 2));
  let disposed = (): void => {};
  const ended = new Promise<void>((resolve) => (disposed = resolve));
  await TestAgent.join(coordinator, ids[2]!, {
    createComputer: (dataFile): RunComputer => {
      const computer = stubComputer(dataFile, ids[2]!);
      let breakOff: (error: Error) => void = () => {};
      computer.answer = () => new Promise((_, reject) => (breakOff = reject)); // for hours
      computer.dispose = async () => {
        breakOff(new FederationError('STOPPED', 'the thread has ended'));
        disposed();
      };
      return computer;
    },
  });
  const run = await TestRun.propose(coordinator, tinyPlan(ids, { minimum: 2 }));
  await run.round(0);
  await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'test' });
  await ended;
  expect((await run.finished()).outcome).toBe('stopped');
});
