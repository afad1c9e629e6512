/**
 * Two sums and a subtraction: an operator who composes two runs, or one run's rounds, so that their sums differ by one bank.
 * Real agents, an honest coordinator's code, and an operator who may propose what he likes.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import { eventually } from '../support/eventually.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyApplicants, writeApplicants } from '../support/tiny-bank-data.ts';
import { Turnstile, heldAgent, maskedPlan } from '../masked/masked-agents.ts';

const PROGRAMS: [string, ProposedPlan['program']][] = [
  ['profile', { name: 'profile', settings: {} }],
  ['logistic', { name: 'logistic', settings: {} }],
  ['scorecard', { name: 'scorecard', settings: {} }],
  ['gbdt', { name: 'gbdt', settings: { trees: 2 } }],
];

let coordinator: TestCoordinator;
let groups = 0;
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'pglite' });
});

function freshIds(count: number): string[] {
  const group = ++groups;
  return ['a', 'b', 'c', 'd', 'e'].slice(0, count).map((name) => `s${group}-${name}`);
}

const plan = (ids: readonly string[], program: ProposedPlan['program'], minimum = 3): ProposedPlan => ({
  ...maskedPlan(ids, { minimum, retries: 0 }),
  program,
});

/** Answers with its own rows. */
async function joined(count: number): Promise<{ ids: string[]; agents: TestAgent[] }> {
  const ids = freshIds(count);
  const agents = await TestAgent.joinAll(coordinator, ids, { answers: 'real', fewestNewRows: 20 });
  return { ids, agents };
}

test.each(PROGRAMS)(
  'the same banks answer %s again, and another program, without one of them they do not',
  async (_name, program) => {
    const { ids } = await joined(4);
    const first = await TestRun.propose(coordinator, plan(ids, program));
    expect((await first.finished()).outcome).toBe('completed');
    const again = await TestRun.propose(coordinator, plan(ids, PROGRAMS[0]![1]));
    expect((await again.finished()).outcome).toBe('completed');
    const without = await TestRun.propose(coordinator, plan(ids.slice(0, 3), program));
    const end = await without.finished();
    expect(end).toMatchObject({ outcome: 'failed' });
    expect(end.reason).toContain(`the difference would show ${ids[3]!}`);
    expect(without.entries.filter(({ message }) => message.type === 'unmask')).toEqual([]);
  },
);

test('no restart, no other plan name and no other seed makes a bank forget in whose company its rows were added up', async () => {
  const { ids, agents } = await joined(4);
  const first = await TestRun.propose(coordinator, plan(ids, PROGRAMS[1]![1]));
  expect((await first.finished()).outcome).toBe('completed');
  for (const agent of agents) await agent.stop();
  for (const agent of agents) await agent.start();
  const without = await TestRun.propose(coordinator, {
    ...plan(ids.slice(0, 3), PROGRAMS[1]![1]),
    ...{ name: 'quite another', seed: 'another seed' },
  });
  expect((await without.finished()).reason).toContain('the difference would show');
});

test('a bank that is called late in one round of an exact program is not subtracted: the round waits for it', async () => {
  const [held, ...others] = freshIds(5);
  await TestAgent.joinAll(coordinator, others, { answers: 'stub' });
  const turnstile = new Turnstile(1);
  await heldAgent(coordinator, held!, turnstile);
  const run = await TestRun.propose(coordinator, plan([held!, ...others], PROGRAMS[3]![1]));
  const second = await run.round(1);
  for (const id of others)
    await run.until('masked-input', (payload) => payload.ctx === second.ctx && payload.from === id);
  coordinator.clock.advance(60_001); // the operator's coordinator says that its time is over
  await TestAgent.join(coordinator, `${held!}-passer-by`);
  expect((await run.until('void-round')).payload.code).toBe('SUBTRACTION');
  expect(run.entries.filter(({ message }) => message.type === 'close-round')).toHaveLength(1);
});

test('a month later, with new rows at every bank, a consortium that a bank has left trains again', async () => {
  const { ids, agents } = await joined(4);
  const first = await TestRun.propose(coordinator, plan(ids, PROGRAMS[1]![1]));
  expect((await first.finished()).outcome).toBe('completed');
  for (const [i, agent] of agents.entries()) {
    await agent.stop();
    const rows = [...tinyApplicants(60, ids[i]!), ...tinyApplicants(25, `${ids[i]!} a month later`)];
    await writeApplicants(join(agent.folder, 'applicants.csv'), rows);
    await agent.start();
  }
  const next = await TestRun.propose(coordinator, plan(ids.slice(0, 3), PROGRAMS[1]![1]));
  expect((await next.finished()).outcome).toBe('completed');
});

test('a bank whose rows cannot be used says nothing about them, and no reason is in the ledger', async () => {
  const ids = freshIds(4);
  const onlyGood = tinyApplicants(60, 'x').map((applicant) => ({ ...applicant, defaulted: 0 as const }));
  await TestAgent.joinAll(coordinator, ids.slice(0, 3), { answers: 'real' });
  const silent = await TestAgent.join(coordinator, ids[3]!, { answers: 'real', applicants: onlyGood });
  const run = await TestRun.propose(coordinator, plan(ids, PROGRAMS[1]![1]));
  await eventually('the bank to have looked at its rows', async () =>
    (await (await silent.state()).status())?.runs.some(
      ({ run: id, detail }) => id === run.id && detail.startsWith('takes no part'),
    ),
  );
  const said = run.entries.filter(
    ({ message }) => 'from' in message.payload && message.payload.from === ids[3],
  );
  expect(said.map(({ message }) => message.type)).toEqual(['consent']);
  expect(said[0]!.message.payload).toMatchObject({ decision: 'granted' });
  const egress = await readFile(join(silent.folder, 'state/egress.jsonl'), 'utf8');
  expect(egress).not.toMatch(/CONTRACT|one-class|no row is bad/);
});
