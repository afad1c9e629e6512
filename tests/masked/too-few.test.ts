/** Masked rounds in which too few banks are left: which number was missed, and whether the question is asked again. */
import { beforeAll, describe, expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { HandDrivenBank } from './hand-driven-bank.ts';
import { stubSumRoot } from '../support/stub-answers.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { heldAgent, maskedPlan, Turnstile } from './masked-agents.ts';

let groups = 0;

/** Names that no other test has. */
function freshIds(): string[] {
  const group = ++groups;
  return ['a', 'b', 'c', 'd', 'e'].map((name) => `g${group}-${name}`);
}

describe('in a masked run', () => {
  let coordinator: TestCoordinator;
  let passerBy: TestBank;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
    passerBy = await TestBank.join(coordinator, 'passer-by');
    await TestAgent.joinAll(coordinator, ['a', 'b']);
  });

  /** Time goes by, and the coordinator looks up because somebody comes in. */
  async function later(ms: number): Promise<void> {
    coordinator.clock.advance(ms);
    await passerBy.connect();
  }

  /** Two agents, and three banks that do not send messages of one type until they are told. */
  async function withSilent(type: 'masked-input' | 'unmask') {
    const ids = ['a', 'b', ...freshIds().slice(2)];
    const silent = await Promise.all(ids.slice(2).map((id) => HandDrivenBank.join(coordinator, id)));
    for (const bank of silent) bank.silent.add(type);
    const run = await TestRun.propose(coordinator, maskedPlan(ids, { minimum: 3 }));
    for (const bank of silent) await bank.takePartIn(run);
    const first = await run.round(0);
    for (const id of ids.slice(0, 2)) await run.until(type, ({ from }) => from === id);
    return { run, ids, silent, first };
  }

  test('a round with too few vectors is void, and asked again with another slot: all vote, nothing was revealed', async () => {
    const { run, ids, silent, first } = await withSilent('masked-input');
    await later(60_001);
    expect((await run.until('void-round')).payload).toMatchObject({ ctx: first.ctx, code: 'COHORT' });
    for (const bank of silent) await bank.sendAfterAll('masked-input');
    const again = await run.round(0, 1);
    expect(again.payload.question).toEqual(first.payload.question);
    expect(again.payload.keys).not.toEqual(first.payload.keys);
    expect((await run.finished()).outcome).toBe('completed');
    const closed = await run.until('close-round', (payload) => payload.ctx === again.ctx);
    expect(closed.payload.sumRoot).toBe(stubSumRoot(again.asked, ids));
  });

  test('a round with too few shares is void, and never asked again: some have revealed theirs', async () => {
    const { run, first } = await withSilent('unmask');
    await later(60_001);
    expect((await run.until('void-round')).payload).toMatchObject({ ctx: first.ctx, code: 'SHARES' });
    await later(60_001);
    expect(await run.finished()).toMatchObject({ outcome: 'failed', code: 'VOTES' });
    expect(run.entries.filter(({ message }) => message.type === 'open-round')).toHaveLength(1);
  });

  test('a question that stays below the minimum is asked as often as planned, then the run fails', async () => {
    const ids = ['a', 'b', ...freshIds().slice(2)];
    const silent = await Promise.all(ids.slice(2).map((id) => HandDrivenBank.join(coordinator, id)));
    for (const bank of silent) bank.silent.add('masked-input');
    const run = await TestRun.propose(coordinator, maskedPlan(ids, { minimum: 3, retries: 1 }));
    for (const bank of silent) await bank.takePartIn(run);
    for (const attempt of [0, 1]) {
      const { ctx } = await run.round(0, attempt);
      for (const id of ids.slice(0, 2)) {
        await run.until('masked-input', (payload) => payload.ctx === ctx && payload.from === id);
      }
      await later(60_001);
      const end = await run.until('void-round', (payload) => payload.ctx === ctx);
      expect(end.payload.code).toBe('COHORT');
    }
    const end = await run.finished();
    expect(end).toMatchObject({ outcome: 'failed', code: 'COHORT' });
    expect(end.reason).toContain('void after 2 tries');
  });

  async function fiveAgents(held: Turnstile) {
    const ids = freshIds();
    const agents = await Promise.all(
      ids.map((id, i) => heldAgent(coordinator, id, i === 0 ? held : new Turnstile())),
    );
    return { ids, agents, last: agents[4]! };
  }

  /** Two of five leave when their vectors are in: too few are left to certify. */
  async function withoutQuorum() {
    const first = new Turnstile(0);
    const { ids, agents, last } = await fiveAgents(first);
    const fourth = agents[3]!;
    const run = await TestRun.propose(coordinator, maskedPlan(ids, { minimum: 3, retries: 2 }));
    for (const agent of [fourth, last]) {
      await run.until('masked-input', ({ from }) => from === agent.id);
      await agent.stop();
    }
    first.let(Infinity);
    const { ctx } = await run.round(0);
    for (const id of ids.slice(0, 3)) await run.until('consistency-check', ({ from }) => from === id);
    await later(60_001);
    const end = await run.until('void-round', (payload) => payload.ctx === ctx);
    expect(end.payload.code).toBe('QUORUM');
    for (const id of ids.slice(0, 3)) await run.until('abort-round', ({ from }) => from === id);
    return { run, ids, fourth, last };
  }

  test('a round below the quorum is void, and asked again once enough banks are back to vote for it', async () => {
    const { run, ids, fourth } = await withoutQuorum();
    await fourth.start();
    await run.until('abort-round', ({ from }) => from === fourth.id);
    const again = await run.round(0, 1);
    const closed = await run.until('close-round', (payload) => payload.ctx === again.ctx);
    expect(closed.payload.sumRoot).toBe(stubSumRoot(again.asked, ids.slice(0, 4)));
    expect((await run.finished()).outcome).toBe('completed');
    const first = await run.round(0);
    const revealed = run.entries.flatMap(({ message }) =>
      message.type === 'unmask' ? [message.payload.ctx] : [],
    );
    expect(revealed).not.toContain(first.ctx);
  });

  test('without the votes of a quorum the question is never asked again: the run fails and says so', async () => {
    const { run } = await withoutQuorum();
    await later(60_001);
    const end = await run.finished();
    expect(end).toMatchObject({ outcome: 'failed', code: 'VOTES' });
    expect(end.reason).toContain('3 banks voted to ask again, 4 votes are needed');
    expect((await run.view()).rounds).toHaveLength(1);
  });

  test('and the ledger of all these runs verifies', async () => {
    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    expect(report).toMatchObject({ passed: true, findings: [] });
  });
});
