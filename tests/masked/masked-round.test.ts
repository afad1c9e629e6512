/**
 * Masked runs of real agents with a real coordinator: the model is the one of the plain run, nothing of a
 * single bank can be seen, and banks may come and go as long as the three numbers hold.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { stubSumRoot } from '../support/stub-answers.ts';
import { TestAgent } from '../support/test-agent.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyApplicants, tinyPlan } from '../support/tiny-bank-data.ts';
import { heldAgent, maskedPlan, Turnstile } from './masked-agents.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
let groups = 0;

/** Names that no other test has. */
function freshIds(): string[] {
  const group = ++groups;
  return NAMES.map((name) => `g${group}-${name}`);
}

/** How far bytes are from uniform: about 255 ± 23 when they are. */
function chiSquare(bytes: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte]!++;
  const expected = bytes.length / 256;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe.each(DATABASES)('on %s', (database) => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database });
  });

  async function expectVerified(run: TestRun, rounds: number): Promise<void> {
    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
    const verdict = report.runs.find((one) => one.run === run.id);
    expect(verdict).toMatchObject({ roundsClosed: rounds, sumsRecomputed: rounds, findings: [] });
  }

  test('five banks that train masked get the model they would have got in the open', async () => {
    const ids = freshIds();
    const agents = await Promise.all(
      ids.map((id, i) =>
        TestAgent.join(coordinator, id, {
          answers: 'real', // trains on the WebAssembly engine; everything random is seeded by the plan
          applicants: tinyApplicants(50 + 10 * i, NAMES[i]!),
        }),
      ),
    );
    const options = { rounds: 2, seed: 'masked and plain', hidden: [3] };
    const masked = await TestRun.propose(coordinator, maskedPlan(ids, options));
    const end = await masked.finished();
    expect(end).toMatchObject({ outcome: 'completed', reason: 'all 2 rounds done' });
    const plain = await TestRun.propose(coordinator, tinyPlan(ids, options));
    expect(await plain.finished()).toMatchObject({ outcome: 'completed', artefact: end.artefact });
    for (const agent of agents) expect((await agent.model(end.artefact!)).length).toBeGreaterThan(100);
    await expectVerified(masked, 5);
  });
});

describe('in a masked run', () => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
  });

  /** Four agents and a last one, all with turnstiles. */
  async function fiveAgents(first: Turnstile, last: Turnstile) {
    const ids = freshIds();
    const turnstiles = ids.map((_, i) => (i === 0 ? first : i === 4 ? last : new Turnstile()));
    const agents = await Promise.all(ids.map((id, i) => heldAgent(coordinator, id, turnstiles[i]!)));
    return { ids, agents, first: agents[0]!, last: agents[4]! };
  }

  const absent = { absenceMs: 300 };

  test('what each bank sends is uniform, though its vector is not, and the sums are the sums of the vectors', async () => {
    const ids = freshIds();
    await TestAgent.joinAll(coordinator, ids);
    const bodies = async (run: TestRun, type: 'masked-input' | 'plain-input'): Promise<Uint8Array[]> => {
      const { ctx } = await run.round(2);
      const inputs = run.entries.flatMap(({ message }) =>
        message.type === type && (message as Message<typeof type>).payload.ctx === ctx
          ? [(message as Message<typeof type>).payload.vectorRoot]
          : [],
      );
      expect(inputs).toHaveLength(5);
      return Promise.all(inputs.map((root) => coordinator.auditor.body(root)));
    };
    const options = { hidden: [32, 32] };
    const masked = await TestRun.propose(coordinator, maskedPlan(ids, options));
    expect((await masked.finished()).outcome).toBe('completed');
    for (let round = 0; round < 4; round++) {
      const { ctx, asked } = await masked.round(round);
      const closed = await masked.until('close-round', (payload) => payload.ctx === ctx);
      expect(closed.payload.sumRoot).toBe(stubSumRoot(asked, ids));
    }
    expect(masked.entries.filter(({ message }) => message.type === 'open-session')).toHaveLength(1);
    const plain = await TestRun.propose(coordinator, tinyPlan(ids, options));
    expect((await plain.finished()).outcome).toBe('completed');
    for (const body of await bodies(plain, 'plain-input')) expect(chiSquare(body)).toBeGreaterThan(2000);
    for (const body of await bodies(masked, 'masked-input')) {
      expect(body.length).toBeGreaterThan(4000);
      expect(chiSquare(body)).toBeLessThan(255 + 6 * 23);
    }
  });

  test('a bank that leaves after it has dealt is not in the sum, and is there again in a later one', async () => {
    const first = new Turnstile(1);
    const silent = new Turnstile(0);
    const { ids, last } = await fiveAgents(first, silent);
    const run = await TestRun.propose(
      coordinator,
      maskedPlan(ids, { rounds: 2, minimum: 3, deadlines: absent }),
    );
    await run.until('share-keys', ({ from }) => from === last.id);
    const { ctx, asked } = await run.round(0);
    await last.stop();
    const closed = await run.until('close-round', (payload) => payload.ctx === ctx);
    expect(closed.payload.survivors).toEqual([0, 1, 2, 3]);
    expect(closed.payload.sumRoot).toBe(stubSumRoot(asked, ids.slice(0, 4)));

    const second = await run.round(1); // without it, in a session of the four
    silent.let(Infinity);
    await last.start();
    await run.until('open-session', (payload) => payload.participants.length === 4);
    first.let(Infinity);
    const again = await run.until('close-round', (payload) => payload.ctx === second.ctx);
    expect(again.payload.sumRoot).toBe(stubSumRoot(second.asked, ids.slice(0, 4)));
    expect((await run.finished()).outcome).toBe('completed');
    const answered = (await run.view()).rounds.map((round) => round.answered.length);
    expect(answered.slice(0, 2)).toEqual([4, 4]);
    expect(answered.at(-1)).toBe(5);
    const end = await run.finished();
    expect((await last.model(end.artefact!)).length).toBeGreaterThan(100); // the one that came back has it too
  });

  test('a bank that leaves after it has sent its vector is in the sum', async () => {
    const first = new Turnstile(0);
    const { ids, last } = await fiveAgents(first, new Turnstile());
    const run = await TestRun.propose(coordinator, maskedPlan(ids, { minimum: 3, deadlines: absent }));
    await run.until('masked-input', ({ from }) => from === last.id);
    await last.stop();
    first.let(Infinity);
    const { ctx, asked } = await run.round(0);
    const closed = await run.until('close-round', (payload) => payload.ctx === ctx);
    expect(closed.payload.survivors).toEqual([0, 1, 2, 3, 4]);
    expect(closed.payload.sumRoot).toBe(stubSumRoot(asked, ids));
    await run.until('open-session', (payload) => payload.participants.length === 4);
    expect((await run.finished()).outcome).toBe('completed');
  });
});
