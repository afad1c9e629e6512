/** A whole run: consent, statistics, training, the model, and the proof of all of it. */
import { beforeAll, describe, expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { contractBytes } from '#shared/contract/contract.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { replaceInEntries, tamperedCopy, type BundleContent } from '../support/bundle-parts.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyApplicants, tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

const BANKS = ['alder', 'birch', 'cedar'];

describe.each(DATABASES)('a run on %s', (database) => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database });
  });

  test('real agents train one model: all end with the same bytes, and an auditor recomputes them', async () => {
    const agents = await Promise.all(
      BANKS.map((id, i) =>
        TestAgent.join(coordinator, id, { answers: 'real', applicants: tinyApplicants(50 + 10 * i, id) }),
      ),
    );
    const run = await TestRun.propose(coordinator, tinyPlan(BANKS, { rounds: 2, hidden: [3] }));
    const end = await run.finished();
    expect(end).toMatchObject({ outcome: 'completed', reason: 'all 2 rounds done' });

    const models = await Promise.all(agents.map((agent) => agent.model(end.artefact!)));
    for (const model of models) expect(vectorRoot(model)).toBe(end.artefact);
    expect(Buffer.compare(await coordinator.auditor.body(end.artefact!), models[0]!)).toBe(0);

    const view = await run.view();
    expect(view.rounds.map((round) => [round.kind, round.outcome, round.answered])).toEqual(
      ['means', 'spreads', 'train', 'train', 'evaluate'].map((kind) => [kind, 'closed', BANKS]),
    );
    expect(view.rounds[1]!.metrics).toMatchObject({ rows: 180 });

    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
    expect(report.runs.at(-1)).toMatchObject({
      run: run.id,
      roundsClosed: 5,
      sumsRecomputed: 5,
      findings: [],
    });
  });

  test('the messages of a run come in the one order there is', async () => {
    const banks = await TestBank.joinAll(coordinator, 'order-a', 'order-b', 'order-c');
    banks[0]!.cosigns = false; // two of three are enough
    const run = await TestRun.start(coordinator, banks);
    await run.complete(banks);
    const round = ['open-round', 'plain-input', 'plain-input', 'plain-input', 'close-round'];
    expect(run.entries.map(({ message }) => message.type)).toEqual([
      'run-proposed',
      ...['consent', 'consent', 'consent', 'run-started'],
      ...[...round, ...round, ...round, ...round],
      ...['checkpoint', 'cosign', 'cosign', 'run-finished'],
    ]);
    const started = run.entries.find(({ message }) => message.type === 'run-started')!.message;
    expect((started as Message<'run-started'>).payload.roster).toEqual(['order-a', 'order-b', 'order-c']);
  });

  test('a bank hears of runs and of who belongs, and decides, but never of what another bank answers', async () => {
    const banks = await TestBank.joinAll(coordinator, 'hears-a', 'hears-b', 'hears-c');
    const late = await TestBank.join(coordinator, 'hears-late');
    const run = await TestRun.start(coordinator, banks);
    await run.complete(banks);
    await late.connect(); // reads the whole feed from its start
    for (const bank of [...banks, late]) {
      const types = new Set(bank.entries.map(({ message }) => message.type));
      expect(types).toContain('run-finished');
      for (const type of ['invite', 'enrol', 'admit'] as const) expect(types).toContain(type);
      for (const type of ['plain-input', 'refuse-round', 'token'] as const) expect(types).not.toContain(type);
    }
  });

  test('the same banks, rows and seed give the same model in a second run', async () => {
    const ids = ['same-a', 'same-b', 'same-c'];
    await TestAgent.joinAll(coordinator, ids, { answers: 'real' });
    const roots: string[] = [];
    for (const name of ['first', 'second']) {
      const plan = tinyPlan(ids, { name, rounds: 2, seed: 'repeat', hidden: [3] });
      const end = await (await TestRun.propose(coordinator, plan)).finished();
      expect(end.outcome).toBe('completed');
      roots.push(end.artefact!);
    }
    expect(roots[1]).toBe(roots[0]);
  });

  test('the contract, sums and models can be read by banks; updates only by auditors', async () => {
    const banks = await TestBank.joinAll(coordinator, 'reads-a', 'reads-b');
    const run = await TestRun.start(coordinator, banks);
    const first = await run.round(0);
    const { root } = run.input(banks[0]!, first);
    const end = await run.complete(banks);
    const closed = await run.until('close-round');
    const readable = [vectorRoot(contractBytes(tinyContract)), closed.payload.sumRoot, end.artefact!];
    for (const body of readable) expect((await banks[1]!.get(body)).status).toBe(200);
    for (const bank of banks) expect((await bank.get(root)).code).toBe('NOT_FOUND');
    expect(vectorRoot(await coordinator.auditor.body(root))).toBe(root);
  });

  test('what an auditor takes home does not verify any more once it was touched', async () => {
    const banks = await TestBank.joinAll(coordinator, 'audit-a', 'audit-b');
    const run = await TestRun.start(coordinator, banks);
    await run.complete(banks);
    const bundle = await coordinator.bundle();
    const audit = async (change: (content: BundleContent) => void) =>
      auditBundle(await tamperedCopy(bundle, change), coordinator.charter);
    expect(await audit(() => {})).toMatchObject({ passed: true, complete: true });
    expect(
      await audit((content) => replaceInEntries(content, '"reason":"test"', '"reason":"best"')),
    ).toMatchObject({
      passed: false,
    });
    expect(await audit(({ entries }) => void entries.pop())).toMatchObject({ passed: false });
    expect(await auditBundle(bundle, '0'.repeat(64))).toMatchObject({ passed: false });

    const { sumRoot } = (await run.until('close-round')).payload;
    const report = await audit(({ bodies }) => {
      bodies.find(([root]) => root === sumRoot)![1][9]! ^= 1;
    });
    expect(report.passed).toBe(false);
    expect(report.runs.flatMap((verdict) => verdict.findings.map((finding) => finding.code))).toEqual([
      'VECROOT',
    ]);
  });
});
