/** The one writer of the ledger: order, group commit, and what becomes of a second writer. */
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createCoordinator } from '#coordinator/coordinator.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import { createLogger } from '#coordinator/logger.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import { verifyHistory } from '#shared/ledger/verify-history.ts';
import type { FederationError } from '#shared/protocol/error-codes.ts';
import { gate, LocalFederation, WatchedStore } from '../support/local-federation.ts';
import { closeLater } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

describe.each(DATABASES)('the journal on %s', (database) => {
  let federation: LocalFederation;
  beforeAll(async () => {
    federation = await LocalFederation.open(database);
  });
  afterEach(async () => {
    await federation.db.deleteFrom('entries').execute();
    await federation.db.deleteFrom('ledger_writer').execute();
  });

  const invite = (journal: Journal, n: number | string): Promise<RecordedEntry> =>
    federation.invite(journal, `bank-${n}`);
  const stored = () => federation.db.selectFrom('entries').selectAll().orderBy('seq').execute();
  const positions = async (): Promise<number[]> => (await stored()).map(({ seq }) => Number(seq));

  test('a thousand appends at once come out in order, each at its own position, in few statements', async () => {
    const store = new WatchedStore(federation.db);
    const journal = await federation.journal(store);
    const heard: number[] = [];
    journal.onRecorded(({ entry }) => heard.push(entry.seq));
    const recorded = await Promise.all(Array.from({ length: 1000 }, (_, n) => invite(journal, n)));

    const expected = Array.from({ length: 1000 }, (_, n) => n + 1);
    expect(recorded.map(({ entry }) => entry.seq)).toEqual(expected); // in the order they were asked for
    expect(heard).toEqual(expected);
    expect(await positions()).toEqual([0, ...expected]);
    const texts = (await stored()).map(({ text }) => text);
    expect(texts.slice(1)).toEqual(recorded.map(({ text }) => text));
    expect(store.batches.reduce((sum, size) => sum + size, 0)).toBe(1001);
    expect(store.batches.length).toBeLessThanOrEqual(5);

    const history = await verifyHistory(texts, journal.checkpoint(), journal.state.charter!.hash);
    expect(history).toMatchObject({ size: 1001, findings: [] });
    expect((await federation.journal()).checkpoint()).toBe(journal.checkpoint()); // read back, it is the same tree
  });

  test('nobody hears of an entry before it is stored', async () => {
    const store = new WatchedStore(federation.db);
    const journal = await federation.journal(store);
    const disk = gate();
    store.gate = disk.closed;
    const heard: number[] = [];
    journal.onRecorded(({ entry }) => heard.push(entry.seq));
    const before = journal.checkpoint();
    const pending = invite(journal, 'waits');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard).toEqual([]);
    expect(journal.checkpoint()).toBe(before);
    disk.open();
    await pending;
    expect(heard).toEqual([1]);
    expect(journal.checkpoint()).not.toBe(before);
  });

  test('what is not admissible is refused alone, in the middle of a batch too', async () => {
    const journal = await federation.journal();
    const outcomes = await Promise.allSettled(['x', 'x', 'y'].map((name) => invite(journal, name)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'REPLAY' } });
    expect(await positions()).toEqual([0, 1, 2]);
  });

  test('a clock that jumps back does not stop it: time stands still until it has caught up', async () => {
    const { clock } = federation;
    const journal = await federation.journal();
    clock.advance(10_000);
    const late = await invite(journal, 'late');
    clock.advance(-20_000);
    const early = await invite(journal, 'early');
    clock.advance(10_000);
    expect(early.entry.time).toBe(late.entry.time);
    expect((await federation.journal()).state.size).toBe(3);
  });

  const overtaken = { code: 'DATABASE', message: expect.stringContaining('another coordinator') as string };

  test('who opens the ledger shuts out who had it before, though the entry before is theirs', async () => {
    const firstBroken: FederationError[] = [];
    const secondBroken: FederationError[] = [];
    const first = await federation.journal(undefined, (error) => firstBroken.push(error));
    await invite(first, 'from-first');
    const second = await federation.journal(undefined, (error) => secondBroken.push(error));
    expect(first.tail).toEqual(second.tail);
    await expect(invite(first, 'too-late')).rejects.toMatchObject(overtaken);
    expect([firstBroken.map(({ code }) => code), secondBroken]).toEqual([['DATABASE'], []]);
    await expect(invite(first, 'again')).rejects.toMatchObject(overtaken);
    expect(firstBroken).toHaveLength(1); // said once
    await invite(second, 'goes-on');

    expect(await positions()).toEqual([0, 1, 2]);
    expect((await stored()).some(({ text }) => text.includes('too-late'))).toBe(false);
    expect((await federation.journal()).state.size).toBe(3); // what is stored is one valid history
  });

  test('what another wrote between our reading and our leading is read too', async () => {
    const first = await federation.journal();
    const second = await federation.read();
    federation.clock.advance(30_000); // the other's clock is ahead
    await invite(first, 'in-between');
    federation.clock.advance(-30_000);
    await second.lead();
    await invite(second, 'after');
    expect(await positions()).toEqual([0, 1, 2]);
    expect((await federation.journal()).state.size).toBe(3);
  });

  test('who has only read may not write', async () => {
    await federation.journal();
    const reader = await federation.read();
    await expect(invite(reader, 'x')).rejects.toMatchObject(overtaken);
    expect(await positions()).toEqual([0]);
  });

  test('a batch is stored whole or not at all', async () => {
    const first = await federation.journal();
    await Promise.all(Array.from({ length: 5 }, (_, n) => invite(first, `first-${n}`)));
    await federation.journal();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, (_, n) => invite(first, `second-${n}`)),
    );
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    expect(await positions()).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('two coordinators on one PostgreSQL database', () => {
  test('cannot both write: one is refused or says DATABASE, and the ledger stays one history', async () => {
    const first = await TestCoordinator.start({ database: 'postgres' });
    const banks = await TestBank.joinAll(first, 'a', 'b');
    const { dataDir } = await TestCoordinator.start({ database: 'postgres' }); // for a folder of its own
    const onSecond: FederationError[] = [];
    const second = await createCoordinator(
      { ...first.config(), port: 0, dataDir },
      { clock: first.clock, log: createLogger('silent'), onBroken: (error) => onSecond.push(error) },
    ).catch(() => undefined);
    closeLater(() => second?.close());
    if (second !== undefined) {
      const invitation = { participant: 'c', url: second.url };
      await new OperatorClient(second.url, first.operatorToken).post('/v1/invitations', invitation);
      await expect(TestRun.start(first, banks)).rejects.toMatchObject({ code: 'DATABASE' });
      expect([first.broken.map(({ code }) => code), onSecond]).toEqual([['DATABASE'], []]);
      await second.close();
    }
    await first.restart();
    await Promise.all(banks.map((bank) => bank.connect()));
    const run = await TestRun.start(first, banks);
    expect((await run.complete(banks)).outcome).toBe('completed');
    const report = await auditBundle(await first.bundle(), first.charter);
    expect(report).toMatchObject({ passed: true, complete: true });
  });
});
