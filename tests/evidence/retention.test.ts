/** Bodies that expire: what goes, what stays, and what an auditor is told. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { expireBodies } from '#coordinator/retention.ts';
import { BodyStore } from '#coordinator/store/body-store.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { exitCodeOf } from '#scripts/commands/audit.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { bodyNamedBy, isKeptForGood } from '#shared/ledger/bodies-named.ts';
import { LocalFederation } from '../support/local-federation.ts';
import { temporaryFolder } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract } from '../support/tiny-bank-data.ts';

const DAY_MS = 86_400_000;

function fileOf(coordinator: TestCoordinator, root: string): string {
  return join(coordinator.dataDir, 'bodies', root.slice(0, 2), root);
}

/** Roots that a run's entries name: those that may expire, and those that never do. */
function bodiesOf(run: TestRun): { passing: Set<string>; lasting: Set<string> } {
  const passing = new Set<string>();
  const lasting = new Set<string>();
  for (const { message } of run.entries) {
    const body = bodyNamedBy(message);
    if (body !== undefined) (isKeptForGood(body) ? lasting : passing).add(body.root);
  }
  return { passing, lasting };
}

test.each(DATABASES)('on %s bodies expire with their run, entries and models stay', async (database) => {
  const coordinator = await TestCoordinator.start({ database });
  const banks = await TestBank.joinAll(coordinator, 'a', 'b');
  const old = await TestRun.start(coordinator, banks, { hidden: [2] });
  await old.complete(banks);
  coordinator.clock.advance(10 * DAY_MS);
  for (const bank of banks) await bank.connect();
  const recent = await TestRun.start(coordinator, banks); // its first vectors are the same bytes
  await recent.complete(banks);
  const [ofOld, ofRecent] = [bodiesOf(old), bodiesOf(recent)];
  const shared = [...ofOld.passing].filter((root) => ofRecent.passing.has(root));
  const gone = [...ofOld.passing].filter((root) => !ofRecent.passing.has(root));
  expect(shared.length).toBeGreaterThan(0);
  expect(gone.length).toBeGreaterThan(0);
  const entries = (await coordinator.ledger()).length;
  const today = new Date(coordinator.clock.now()).toISOString().slice(0, 10);
  const { runs } = await coordinator.operator.post<{ runs: string[] }>('/v1/retention', { keepDays: 5 });
  expect(runs).toEqual([old.id]);

  const expectGone = (): void => {
    for (const root of gone) expect(existsSync(fileOf(coordinator, root)), root).toBe(false);
    for (const root of [...ofRecent.passing, ...ofOld.lasting, ...ofRecent.lasting])
      expect(existsSync(fileOf(coordinator, root)), root).toBe(true);
  };
  expectGone();
  expect((await coordinator.ledger()).length).toBe(entries + 1);

  const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
  expect(report).toMatchObject({ passed: true, complete: false, findings: [] });
  expect(exitCodeOf(report)).toBe(2);
  const verdict = (run: TestRun) => report.runs.find((one) => one.run === run.id)!;
  expect(verdict(recent)).toMatchObject({ findings: [], notChecked: [] });
  expect(verdict(old).outcome).toBe('completed');
  expect(verdict(old).notChecked.join('\n')).toContain(`(body expired on ${today})`);

  expect(
    (await coordinator.operator.post<{ runs: string[] }>('/v1/retention', { keepDays: 5 })).runs,
  ).toEqual([]);

  // the power went between the entry and the last of the files
  await coordinator.stop();
  for (const root of gone) {
    await mkdir(dirname(fileOf(coordinator, root)), { recursive: true });
    await writeFile(fileOf(coordinator, root), 'still here');
  }
  await coordinator.start();
  expectGone();
});

test('what a bank sent as its vector stays when it is also a contract or a model of any run', async () => {
  const federation = await LocalFederation.open('pglite');
  const journal = await federation.journal();
  const bodies = await BodyStore.open(await temporaryFolder('bodies'));
  const entries = new EntryStore(federation.db);
  const from = await federation.join(journal, 'a');
  const run = await federation.propose(journal, bodies, ['a'], {});
  await federation.consent(journal, run, 'a');
  const witnessKeys = [journal.state.participants.get(from)!.witnessKey];
  const { hash: parent } = await journal.record('run-started', { run: run.id, roster: [from], witnessKeys });
  const { hash: ctx } = await journal.record('open-round', {
    ...{ run: run.id, parent, round: 0, attempt: 0, metrics: {} },
    question: { kind: 'x', hash: 'a'.repeat(64), ring: 'u32', length: 3 },
    ...{ deadlineAt: federation.clock.now() + 1000, head: journal.head() },
  });
  const root = contractHash(tinyContract);
  await journal.append(
    federation.sign('a', 'plain-input', { ctx, from, ring: 'u32', length: 3, vectorRoot: root }),
  );
  await journal.record('run-finished', {
    ...{ run: run.id, parent: ctx, outcome: 'stopped', code: 'STOPPED', reason: '', metrics: {} },
  });
  federation.clock.advance(DAY_MS);
  expect(await expireBodies(1, 'anna', { journal, entries, bodies })).toEqual([run.id]);
  expect(await bodies.size(root)).toBeGreaterThan(0);
});
