/**
 * Sums of large vectors: the coordinator claims the masked sum before it can be opened, every bank signs a sketch of
 * its vector, and the banks that are drawn to check the sum need not read the vectors.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import type { Payload } from '#shared/protocol/messages.ts';
import { SKETCH_PRIMES } from '#shared/secure-sum/vector-sketch.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { stubSumRoot } from '../support/stub-answers.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import type { TinyPlanOptions } from '../support/tiny-bank-data.ts';
import { HandDrivenBank } from './hand-driven-bank.ts';
import { maskedPlan } from './masked-agents.ts';

const AGENTS = ['a', 'b', 'c', 'd'];
/** A million weights and more: four vectors are above 16 MiB. One round of training is the large one. */
const LARGE: TinyPlanOptions = { hidden: [1030, 1030], minimum: 3, seed: 'large' };
const TRAINING_ROUND = 2;

let coordinator: TestCoordinator;
let proxy: RecordingProxy;
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'pglite' });
  proxy = await RecordingProxy.before(coordinator.url);
  await TestAgent.joinAll(coordinator, AGENTS, { url: proxy.url });
});

/** What agents have asked for of rounds' vectors: one index, or all. */
function vectorsRead(ctx: string): string[] {
  const asked = new RegExp(`GET /v1/rounds/${ctx}/vectors(?:\\?of=(\\d+))? HTTP`, 'g');
  return proxy.connections.flatMap(({ sent }) =>
    [...Buffer.concat(sent).toString('latin1').matchAll(asked)].map(([, of]) => of ?? 'all'),
  );
}

async function completed(run: TestRun) {
  const end = await run.finished();
  expect(end).toMatchObject({ outcome: 'completed' });
  const { ctx, asked } = await run.round(TRAINING_ROUND);
  const of = <T extends 'fix-survivors' | 'consistency-check' | 'confirm-sum' | 'close-round'>(type: T) =>
    run.entries
      .filter(({ message }) => message.type === type)
      .map(({ message }) => message.payload as Payload<T>)
      .filter((payload) => payload.ctx === ctx);
  return { end, ctx, asked, of };
}

describe('a large sum', () => {
  test('is claimed before it is opened and confirmed by drawn banks, which read no vector that has a sketch', async () => {
    const run = await TestRun.propose(coordinator, maskedPlan(AGENTS, LARGE));
    const { ctx, asked, of } = await completed(run);
    const [{ maskedSum, survivors }] = of('fix-survivors') as [Payload<'fix-survivors'>];
    expect(maskedSum).toBeDefined();
    expect(of('close-round')).toMatchObject([{ sumRoot: stubSumRoot(asked, AGENTS) }]);
    expect(of('confirm-sum')).toHaveLength(2);
    const sketches = of('consistency-check').map(({ sketch }) => sketch!);
    for (const sketch of sketches) expect(sketch).toHaveLength(SKETCH_PRIMES.length);
    expect(sketches.length).toBeGreaterThanOrEqual(3); // a quorum; the fourth may have come too late
    const read = vectorsRead(ctx);
    expect(read).toHaveLength(2 * (survivors.length - sketches.length));
    expect(read).not.toContain('all');
  });

  test('that is not large is checked by every bank, and nothing is claimed of it', async () => {
    const run = await TestRun.propose(coordinator, maskedPlan(AGENTS, { ...LARGE, hidden: [40] }));
    const { ctx, of } = await completed(run);
    expect(of('fix-survivors')[0]).not.toHaveProperty('maskedSum');
    for (const certificate of of('consistency-check')) expect(certificate).not.toHaveProperty('sketch');
    expect(of('confirm-sum')).toEqual([]);
    expect(vectorsRead(ctx)).toEqual(AGENTS.map(() => 'all'));
  });

  test('is right also where a bank signs no sketch and another a wrong one: their vectors are read, and the audit names the liar', async () => {
    const silent = await HandDrivenBank.join(coordinator, 'e'); // its part of a round is older than sketches
    const liar = await HandDrivenBank.join(coordinator, 'f');
    liar.cheating.certify = ({ payload }) =>
      liar.bank.sign('consistency-check', { ...payload, sketch: [1, 2, 3, 4, 5] });
    const ids = [...AGENTS, silent.id, liar.id];
    const run = await TestRun.propose(coordinator, maskedPlan(ids, LARGE));
    for (const bank of [silent, liar]) await bank.takePartIn(run);
    const { ctx, asked, of } = await completed(run);
    expect(of('close-round')).toMatchObject([{ sumRoot: stubSumRoot(asked, ids) }]);
    const read = vectorsRead(ctx);
    expect(read).toEqual(expect.arrayContaining([silent, liar].map(({ id }) => String(ids.indexOf(id)))));
    expect(read).not.toContain('all');

    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    for (const { sumsRecomputed, roundsClosed } of report.runs) expect(sumsRecomputed).toBe(roundsClosed);
    expect(report.runs.flatMap(({ findings }) => findings)).toEqual([
      expect.objectContaining({
        code: 'SKETCH',
        message: expect.stringContaining(`"${liar.id}"`) as string,
      }),
    ]);
  });
});
