/** Who is waited for, for how long, and what becomes of a run when too few banks are there. */
import { beforeAll, describe, expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { stubComputer } from '../support/stub-computer.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

describe('the cohort of a run', () => {
  const ids = ['bank-a', 'bank-b', 'bank-c'];
  let coordinator: TestCoordinator;
  let a: TestBank;
  let b: TestBank;
  let c: TestBank;
  let passerBy: TestBank;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
    const joined = await TestBank.joinAll(coordinator, ...ids, 'passer-by');
    [a, b, c, passerBy] = joined as [TestBank, TestBank, TestBank, TestBank];
  });

  /** Time goes by, and the coordinator looks up because somebody comes in. */
  async function later(ms: number): Promise<void> {
    coordinator.clock.advance(ms);
    await passerBy.connect();
  }

  describe('in a round', () => {
    test('a bank that stays away for longer than the plan allows is not waited for', async () => {
      const run = await TestRun.start(coordinator, [a, b, c], { minimum: 2 });
      const first = await run.round(0);
      const left = coordinator.clock.now();
      c.disconnect();
      await Promise.all([run.answer(a, first), run.answer(b, first)]);
      expect((await run.view()).phase).toBe('collecting'); // it might come back
      await later(30_001);
      const closed = await run.until('close-round');
      expect(closed.payload.survivors).toEqual([0, 1]);
      expect(run.entries.at(-1)!.time - left).toBeGreaterThanOrEqual(30_000);

      const second = await run.round(1);
      await c.connect();
      // it missed a round, so nobody waits for it: it has to be there before the others
      for (const bank of [c, a, b]) {
        expect(await run.answer(bank, second)).toMatchObject({ outcome: 'accepted' });
      }
      const { rounds } = await run.view();
      expect(rounds.slice(0, 2).map((round) => round.answered)).toEqual([['bank-a', 'bank-b'], ids]);
      expect((await run.complete([a, b, c], 2)).outcome).toBe('completed');
    });

    test('a bank that comes back in time is waited for', async () => {
      const run = await TestRun.start(coordinator, [a, b, c], { minimum: 2 });
      const round = await run.round(0);
      c.disconnect();
      await Promise.all([run.answer(a, round), run.answer(b, round)]);
      await c.connect();
      expect(await run.answer(c, round)).toMatchObject({ outcome: 'accepted' });
      const closed = await run.until('close-round');
      expect(closed.payload.survivors).toEqual([0, 1, 2]);
      expect((await run.complete([a, b, c], 1)).outcome).toBe('completed');
    });

    test('a silent bank is waited for until the deadline, and its answer is then too late', async () => {
      const run = await TestRun.start(coordinator, [a, b, c], { minimum: 2, deadlines: { roundMs: 1500 } });
      const round = await run.round(0);
      const late = run.input(c, round);
      await c.put(late.root, late.bytes);
      await Promise.all([run.answer(a, round), run.answer(b, round)]);
      const closed = await run.until('close-round');
      expect(closed.payload.survivors).toEqual([0, 1]);
      expect(coordinator.clock.now()).toBeGreaterThanOrEqual(round.payload.deadlineAt);
      expect(await c.submit(late.message)).toMatchObject({ outcome: 'discarded', code: 'LATE' });
      await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'seen enough' });
    });

    test('with too few answers a round is void and asked again, as often as planned; then the run fails', async () => {
      const run = await TestRun.start(coordinator, [a, b, c], { retries: 1 });
      for (const attempt of [0, 1]) {
        const round = await run.round(0, attempt);
        await Promise.all([run.answer(a, round), run.answer(b, round)]);
        await later(60_001);
        const end = await run.until('void-round', (payload) => payload.ctx === round.ctx);
        expect(end.payload).toMatchObject({
          code: 'COHORT',
          reason: expect.stringContaining('2 banks answered') as string,
        });
      }
      expect(await run.finished()).toMatchObject({ outcome: 'failed', code: 'COHORT' });
      const { rounds, result } = await run.view();
      expect(rounds.map((round) => [round.round, round.attempt, round.outcome])).toEqual([
        [0, 0, 'void'],
        [0, 1, 'void'],
      ]);
      expect(result!.reason).toContain('2 tries');
    });

    test('a void round costs nothing but time: the same question is asked again and the run completes', async () => {
      const run = await TestRun.start(coordinator, [a, b, c], { retries: 2 });
      const missed = await run.round(0);
      await Promise.all([run.answer(a, missed), run.answer(b, missed)]);
      await later(60_001);
      const again = await run.round(0, 1);
      expect(again.payload.question).toEqual(missed.payload.question);
      expect(await c.submit(run.input(c, missed).message)).toMatchObject({
        outcome: 'discarded',
        code: 'LATE',
      });
      for (const bank of [a, b, c]) {
        expect(await run.answer(bank, again)).toMatchObject({ outcome: 'accepted' });
      }
      expect((await run.complete([a, b, c], 1)).outcome).toBe('completed');
    });

    test('a bank that refuses is not waited for, and may not change its mind', async () => {
      const run = await TestRun.start(coordinator, [a, b, c], { minimum: 2 });
      const round = await run.round(0);
      expect(await run.refuse(c, round)).toMatchObject({ outcome: 'accepted' });
      expect(await run.refuse(c, round)).toMatchObject({ outcome: 'accepted' }); // the same message again
      const regret = run.input(c, round);
      await c.put(regret.root, regret.bytes);
      expect(await c.submit(regret.message)).toMatchObject({ outcome: 'rejected', code: 'DUPLICATE' });
      await Promise.all([run.answer(a, round), run.answer(b, round)]);
      const closed = await run.until('close-round');
      expect(closed.payload.survivors).toEqual([0, 1]);
      expect((await run.view()).rounds[0]!.refused).toEqual([
        { participant: 'bank-c', code: 'POLICY', reason: 'test refuses' },
      ]);
      expect((await run.complete([a, b, c], 1)).outcome).toBe('completed');
    });

    test('refusals below the minimum void the round at once, and the run fails with the reason', async () => {
      const run = await TestRun.start(coordinator, [a, b, c], { minimum: 2, retries: 0 });
      const round = await run.round(0);
      for (const bank of [b, c]) await run.refuse(bank, round);
      const end = await run.finished(); // long before the deadline of a minute
      expect(end).toMatchObject({ outcome: 'failed', code: 'COHORT' });
      expect(end.reason).toContain('test refuses');
    });

    test('an agent that cannot go on with a run says so: nobody waits for it', async () => {
      const names = ['goes-on-a', 'goes-on-b', 'gives-up'];
      await TestAgent.joinAll(coordinator, names.slice(0, 2));
      await TestAgent.join(coordinator, 'gives-up', {
        createComputer: (dataFile) => {
          const computer = stubComputer(dataFile, 'gives-up');
          computer.next = () => Promise.reject(new Error('out of memory'));
          return computer;
        },
      });
      const run = await TestRun.propose(coordinator, tinyPlan(names, { minimum: 2 }));
      expect((await run.finished()).outcome).toBe('completed');
    });
  });

  describe('before it starts', () => {
    test('it starts without the banks that refuse, and they have no part in it', async () => {
      const run = await TestRun.propose(coordinator, tinyPlan(ids, { minimum: 2 }));
      await run.consent(a);
      await run.consent(c, 'refused');
      await run.consent(b);
      const started = await run.until('run-started');
      expect(started.payload.roster).toEqual(['bank-a', 'bank-b']);
      const round = await run.round(0);
      const { bytes, root, message } = run.input(c, round);
      expect((await c.put(root, bytes)).code).toBe('STATE');
      expect(await c.submit(message)).toMatchObject({ outcome: 'rejected', code: 'WRONG_SENDER' });
      expect((await run.complete([a, b])).outcome).toBe('completed');
    });

    test('it fails as soon as too few banks can still consent', async () => {
      const run = await TestRun.propose(coordinator, tinyPlan(ids, { minimum: 3 }));
      await run.consent(b, 'refused');
      expect(await run.finished()).toMatchObject({ outcome: 'failed', code: 'COHORT' });
      expect(await run.consent(a)).toMatchObject({ outcome: 'discarded', code: 'LATE' });
      expect((await run.view()).rounds).toEqual([]);
    });

    test('at the deadline it starts with those that consented, if they are enough', async () => {
      const run = await TestRun.propose(
        coordinator,
        tinyPlan(ids, { minimum: 2, deadlines: { consentMs: 1000 } }),
      );
      const proposedAt = (await run.view()).proposedAt;
      await run.consent(a);
      await run.consent(b);
      const started = await run.until('run-started');
      expect(started.payload.roster).toEqual(['bank-a', 'bank-b']);
      expect(coordinator.clock.now()).toBeGreaterThanOrEqual(proposedAt + 1000);
      expect(await run.consent(c)).toMatchObject({ outcome: 'discarded', code: 'LATE' });
      expect((await run.complete([a, b])).outcome).toBe('completed');
    });

    test('at the deadline it fails if they are too few', async () => {
      const run = await TestRun.propose(coordinator, tinyPlan(ids, { minimum: 3 }));
      await run.consent(a);
      await run.consent(b);
      await later(60_001);
      const end = await run.finished();
      expect(end).toMatchObject({ outcome: 'failed', code: 'COHORT' });
      expect(end.reason).toContain('2 banks consented in time');
    });

    test('the operator may start it early, with enough banks and not with fewer', async () => {
      const { operator } = coordinator;
      const run = await TestRun.propose(coordinator, tinyPlan(ids, { minimum: 2 }));
      await run.consent(a);
      await expect(operator.post(`/v1/runs/${run.id}/start`, {})).rejects.toMatchObject({ code: 'COHORT' });
      expect((await run.view()).phase).toBe('proposed');
      await run.consent(c);
      await operator.post(`/v1/runs/${run.id}/start`, {});
      expect((await run.until('run-started')).payload.roster).toEqual(['bank-a', 'bank-c']);
      await expect(operator.post(`/v1/runs/${run.id}/start`, {})).rejects.toMatchObject({ code: 'STATE' });
      expect((await run.complete([a, c])).outcome).toBe('completed');
    });

    test('a consent counts once, whatever is sent afterwards', async () => {
      const run = await TestRun.propose(coordinator, tinyPlan(ids, { minimum: 2 }));
      expect(await run.consent(a)).toMatchObject({ outcome: 'accepted' });
      expect(await run.consent(a)).toMatchObject({ outcome: 'accepted' }); // a reply may have been lost
      await run.consent(a, 'refused');
      const { consents } = await run.view();
      expect(consents.map((consent) => consent.decision)).toEqual(['granted', 'pending', 'pending']);
      expect(run.entries.filter(({ message }) => message.type === 'consent')).toHaveLength(1);
      await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'seen enough' });
    });

    test('a plan that contradicts itself or names banks that are not there is refused by code', async () => {
      const good = tinyPlan(ids);
      const wrong: [plan: unknown, code: string][] = [
        [{ ...good, participants: ['bank-b', 'bank-a'], cohort: { minimum: 1 } }, 'PLAN'],
        [{ ...good, participants: ['bank-a', 'bank-a'], cohort: { minimum: 1 } }, 'PLAN'],
        [{ ...good, cohort: { minimum: 4 } }, 'PLAN'],
        [{ ...good, program: { ...good.program, name: 'no-such' } }, 'PLAN'],
        [{ ...good, program: { ...good.program, settings: {} } }, 'PLAN'],
        [{ ...good, participants: ['bank-a', 'nobody'], cohort: { minimum: 1 } }, 'UNKNOWN_PARTICIPANT'],
        [{ ...good, aggregation: 'median' }, 'SCHEMA'],
        [{ ...good, surprise: 1 }, 'SCHEMA'],
      ];
      for (const [plan, code] of wrong) {
        const proposing = coordinator.operator.post('/v1/runs', { contract: tinyContract, plan });
        await expect(proposing).rejects.toMatchObject({ code });
      }
    });
  });

  describe('when the operator stops it', () => {
    test('in a round: the banks are told, nothing is accepted any more, there is no model', async () => {
      const run = await TestRun.start(coordinator, [a, b, c]);
      const round = await run.round(0);
      await run.answer(a, round);
      await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'wrong contract' });
      expect(await run.finished()).toMatchObject({
        outcome: 'stopped',
        code: 'STOPPED',
        reason: 'wrong contract',
      });
      const late = run.input(b, round);
      expect(await b.submit(late.message)).toMatchObject({ outcome: 'discarded', code: 'LATE' });
      expect((await b.put(late.root, late.bytes)).code).toBe('STATE');
      expect((await run.view()).result).not.toHaveProperty('artefact');
      await expect(
        coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'again' }),
      ).rejects.toMatchObject({ code: 'STATE' });
    });

    test('before it starts', async () => {
      const run = await TestRun.propose(coordinator, tinyPlan(ids));
      await run.consent(a);
      await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'not today' });
      expect(await run.finished()).toMatchObject({ outcome: 'stopped' });
      expect(await run.consent(b)).toMatchObject({ outcome: 'discarded', code: 'LATE' });
    });
  });

  test('two runs of the same banks at the same time do not disturb each other', async () => {
    const runs = await Promise.all([
      TestRun.start(coordinator, [a, b, c], { seed: 'one' }),
      TestRun.start(coordinator, [a, b, c], { seed: 'two' }),
    ]);
    const ends = await Promise.all(runs.map((run) => run.complete([a, b, c])));
    expect(ends.map((end) => end.outcome)).toEqual(['completed', 'completed']);
    expect(ends[0]!.artefact).not.toBe(ends[1]!.artefact);
  });

  test('two runs of the same agents whose updates are the very same bytes end with the same model', async () => {
    const twins = ['twin-a', 'twin-b'];
    await TestAgent.joinAll(coordinator, twins);
    const proposals = ['one', 'two'].map((name) => tinyPlan(twins, { name, seed: 'same', rounds: 3 }));
    const runs = await Promise.all(proposals.map((plan) => TestRun.propose(coordinator, plan)));
    const ends = await Promise.all(runs.map((run) => run.finished()));
    expect(ends.map((end) => end.outcome)).toEqual(['completed', 'completed']);
    expect(ends[0]!.artefact).toBe(ends[1]!.artefact);
    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    expect(report).toMatchObject({ passed: true, complete: true });
  });
});
