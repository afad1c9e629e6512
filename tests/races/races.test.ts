/**
 * What happens when two things happen at once: the store or the disk is held at a gate, so that each race is
 * run the way it would be lost.
 */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import { describe, expect, test, vi } from 'vitest';
import type { Journal } from '#coordinator/journal/journal.ts';
import { runRoutes } from '#coordinator/http/routes/runs.ts';
import { Access } from '#coordinator/participants/access.ts';
import { Strangers } from '#coordinator/participants/strangers.ts';
import { acceptUpdate } from '#coordinator/rounds/accept-update.ts';
import { RunDriver } from '#coordinator/rounds/drive-run.ts';
import { failRun } from '#coordinator/rounds/phases/run-finished.ts';
import { startRun } from '#coordinator/rounds/phases/run-started.ts';
import { Wakeup } from '#coordinator/rounds/wakeup.ts';
import { BodyStore } from '#coordinator/store/body-store.ts';
import { TokenStore } from '#coordinator/store/token-store.ts';
import { RunMachine } from '#models/run-machine.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { eventually } from '../support/eventually.ts';
import { gate, LocalFederation, WatchedStore } from '../support/local-federation.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { stubBody, stubSumRoot } from '../support/stub-answers.ts';
import { tinyContract } from '../support/tiny-bank-data.ts';

/** Reading a body in order to add it waits while the gate is closed; checking it does not. */
class HeldBodies extends BodyStore {
  gate: Promise<void> = Promise.resolve();
  /** How often reading breaks off in the middle. */
  failures = 0;

  static async make(): Promise<HeldBodies> {
    const folder = await temporaryFolder('bodies');
    await BodyStore.open(folder);
    return new HeldBodies(folder);
  }

  override async *chunks(root: string, bank?: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (bank === undefined) await this.gate;
    for await (const piece of super.chunks(root, bank)) {
      if (bank === undefined && this.failures-- > 0) {
        yield piece.subarray(0, 16);
        throw new FederationError('STORAGE', 'the disk has a bad day');
      }
      yield piece;
    }
  }
}

const WAYS = ['uploaded', 'attached'] as const;
/** How a body comes. */
type Way = (typeof WAYS)[number];

describe('at the same moment', () => {
  async function scene(banks: readonly string[], minimum: number) {
    const federation = await LocalFederation.open('postgres');
    const store = new WatchedStore(federation.db);
    const journal = await federation.journal(store);
    const bodies = await HeldBodies.make();
    const ids: ParticipantId[] = [];
    for (const bank of banks) ids.push(await federation.join(journal, bank));
    const run = await federation.propose(journal, bodies, banks, {
      ...{ minimum, retries: 3 },
      deadlines: { consentMs: 1000 },
    });
    const deps = federation.dependencies(journal, bodies);
    const wakeup = new Wakeup();
    journal.onRecorded(() => wakeup.wake());
    const drive = (): void => {
      const driving = new RunDriver(run, deps, wakeup).drive();
      closeLater(async () => {
        wakeup.close();
        await driving;
      });
    };
    return { federation, store, journal, bodies, ids, run, deps, drive };
  }

  /** A batch under way: what comes now waits for the next. */
  async function storing(federation: LocalFederation, journal: Journal): Promise<{ busy: Promise<unknown> }> {
    const { size } = journal.state;
    const busy = federation.invite(journal, 'keeps-the-store-busy');
    await eventually('the store to be busy', () => journal.state.size > size);
    return { busy };
  }

  /** A run that all have consented to, started; what is recorded from now on is queued until `disk` opens. */
  async function startedWhileStoring({
    federation,
    store,
    journal,
    ids,
    run,
  }: Awaited<ReturnType<typeof scene>>) {
    for (const bank of ids) await federation.consent(journal, run, bank);
    await startRun(run, journal);
    const disk = gate();
    store.gate = disk.closed;
    const { busy } = await storing(federation, journal);
    return { disk, busy, recording: vi.spyOn(journal, 'record') };
  }

  const openRound = (run: Run, attempt: number): Promise<string> =>
    eventually(
      `attempt ${attempt}`,
      () => {
        const { phase } = run;
        return phase.name === 'collecting' && phase.open.payload.attempt === attempt && phase.open.hash;
      },
      5000,
    );

  /** What banks do in the first round. */
  function bankers({ federation, bodies, run, deps }: Awaited<ReturnType<typeof scene>>) {
    const { question, length } = new RunMachine(run.plan, tinyContract, 3).asked!;
    const submit = async (bank: ParticipantId, ctx: string, way: Way = 'uploaded'): Promise<void> => {
      const { root, bytes } = stubBody(question, bank);
      const payload = { ctx, from: bank, ring: question.ring, length, vectorRoot: root };
      const message = federation.sign(bank, 'plain-input', payload);
      if (way === 'attached') return acceptUpdate(message, bank, deps, new Uint8Array(bytes));
      const upload = { bank, root, offset: 0, length: bytes.length, bytes: asStream(bytes) };
      await bodies.incoming.receive(upload, () => {});
      return acceptUpdate(message, bank, deps);
    };
    const refuse = (bank: ParticipantId, ctx: string): Promise<void> =>
      acceptUpdate(
        federation.sign(bank, 'refuse-round', { ctx, from: bank, code: 'POLICY', reason: '' }),
        bank,
        deps,
      );
    return { submit, refuse };
  }

  test('the operator starts a run and its time for consent is up: it starts, once', async () => {
    const { federation, store, journal, run, drive } = await scene(['alone', 'silent'], 1);
    await federation.consent(journal, run, 'alone');
    const disk = gate();
    store.gate = disk.closed;
    const { busy } = await storing(federation, journal);
    const byOperator = startRun(run, journal);
    federation.clock.advance(1001); // and now the driver decides the same
    drive();
    disk.open();
    await Promise.all([busy, byOperator]);
    await journal.idle();
    await openRound(run, 0).catch(() => {}); // said more clearly by what follows
    expect(run.phase).toMatchObject({ name: 'collecting' });
  });

  test('the operator stops a run and it fails by itself: it ends, once, and the coordinator goes on', async () => {
    const here = await scene(['a', 'b'], 2);
    const { journal, bodies, run, deps } = here;
    const { disk, busy, recording } = await startedWhileStoring(here);
    const byOperator = failRun(run, 'STOPPED', 'enough', journal);
    bodies.release(run.plan.contract);
    await rm(bodies.path(run.plan.contract)); // without its contract the run cannot go on
    const driving = new RunDriver(run, deps, new Wakeup()).drive();
    driving.catch(() => {}); // looked at below
    await eventually('it to give up', () => recording.mock.calls.length === 2);
    disk.open();
    await Promise.all([busy, byOperator]);
    await expect(driving).resolves.toBeUndefined(); // else the whole coordinator stops
    expect(run.phase).toMatchObject({ name: 'finished', result: { outcome: 'stopped' } });
  });

  test('a round opens just before the operator stops the run: it is stopped', async () => {
    const here = await scene(['a', 'b'], 2);
    const { journal, run, drive } = here;
    const { disk, busy, recording } = await startedWhileStoring(here);
    drive();
    await eventually('the round to be asked', () =>
      recording.mock.calls.some(([type]) => type === 'open-round'),
    );
    const stopping = failRun(run, 'STOPPED', 'enough', journal);
    disk.open();
    await Promise.all([busy, stopping]);
    expect(run.past).toEqual([]);
    expect(run.phase).toMatchObject({ name: 'finished', result: { outcome: 'stopped' } });
  });

  test('a bank consents just before the operator starts the run: it is in the roster', async () => {
    const { federation, store, journal, run, ids } = await scene(['a', 'b'], 1);
    await federation.consent(journal, run, 'a');
    const disk = gate();
    store.gate = disk.closed;
    const { busy } = await storing(federation, journal);
    const consenting = federation.consent(journal, run, 'b');
    const starting = startRun(run, journal);
    disk.open();
    await Promise.all([busy, consenting, starting]);
    expect(run.roster).toEqual(ids);
  });

  test('a message comes twice while the first is being stored: neither is called accepted before it is', async () => {
    const { federation, store, run, deps, ids } = await scene(['a', 'b'], 2);
    const consent = federation.sign('a', 'consent', {
      run: run.id,
      from: ids[0]!,
      decision: 'granted',
      reason: '',
    });
    const disk = gate();
    store.gate = disk.closed;
    const outcomes: string[] = [];
    const send = (): Promise<void> =>
      acceptUpdate(consent, ids[0]!, deps).then(
        () => void outcomes.push('accepted'),
        ({ code }: { code: string }) => void outcomes.push(code),
      );
    const both = Promise.all([send(), send()]);
    await eventually('the first to be folded', () => run.consents.size === 1);
    await nextTurn();
    expect(outcomes).toEqual([]); // REPLAY would be told to the bank as accepted
    disk.open();
    await both;
    expect(outcomes.toSorted()).toEqual(['REPLAY', 'accepted'].toSorted());
  });

  test('somebody asks for the runs while one is being stored: the answer waits until it is', async () => {
    const { federation, store, journal, bodies, ids } = await scene(['a', 'b'], 2);
    const tokens = await TokenStore.open(federation.db, federation.clock);
    await tokens.add('reader', 'auditor', 'a'.repeat(40), federation.clock.now());
    const access = new Access(tokens, new Strangers(federation.clock, 100, () => {}));
    const app = express();
    for (const { path, method, handler } of runRoutes({ journal, bodies }))
      app[method](path, handler({ access, stored: () => journal.stored() }));
    const server = app.listen(0, '127.0.0.1');
    closeLater(() => void server.close());
    await once(server, 'listening');
    const ask = async (): Promise<string[]> => {
      const { port } = server.address() as AddressInfo;
      const headers = { authorization: `Bearer ${'a'.repeat(40)}` };
      const reply = await fetch(`http://127.0.0.1:${port}/runs`, { headers });
      return ((await reply.json()) as { runs: { name: string }[] }).runs.map(({ name }) => name);
    };
    const disk = gate();
    store.gate = disk.closed;
    const proposing = federation.propose(journal, bodies, ids, { name: 'not yet on disk' });
    await eventually('it to be folded', () => journal.state.runs.size === 2);
    let answered = false;
    const answer = ask().finally(() => (answered = true));
    await sleep(100);
    expect(answered).toBe(false);
    disk.open();
    expect((await answer)[0]).toBe('not yet on disk');
    await proposing;
  });

  test.each(WAYS)(
    'an update whose body was %s is refused at its place in the ledger: its body goes, unless somebody else wants it',
    async (way) => {
      const here = await scene(['a', 'b', 'c'], 3);
      const { federation, store, journal, bodies, ids, run, drive } = here;
      const { submit } = bankers(here);
      for (const bank of ids) await federation.consent(journal, run, bank);
      drive();
      const round = await openRound(run, 0);
      const [a, b] = ids as [ParticipantId, ParticipantId];
      const { question } = new RunMachine(run.plan, tinyContract, 3).asked!;
      const [alone, wanted] = [stubBody(question, a), stubBody(question, b)];
      await bodies.put(wanted.root, wanted.bytes);
      const disk = gate();
      store.gate = disk.closed;
      const { busy } = await storing(federation, journal);
      const stopped = failRun(run, 'STOPPED', 'enough', journal);
      const appending = vi.spyOn(journal, 'append');
      const sent = Promise.allSettled([submit(a, round, way), submit(b, round, way)]);
      await eventually('both to be queued', () => appending.mock.calls.length === 2);
      expect(await bodies.size(alone.root)).toBe(alone.bytes.length);
      disk.open();
      await Promise.all([busy, stopped]);
      expect((await sent).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      expect(await bodies.size(alone.root)).toBeUndefined();
      expect(await bodies.size(wanted.root)).toBe(wanted.bytes.length);
    },
  );

  test('a message comes again with its body while it is being refused for want of it: it is accepted', async () => {
    const here = await scene(['a', 'b'], 2);
    const { federation, journal, ids, run, deps, drive } = here;
    for (const bank of ids) await federation.consent(journal, run, bank);
    drive();
    const ctx = await openRound(run, 0);
    await eventually('its sum to be begun', () => deps.sums.has(ctx));
    const [a] = ids as [ParticipantId];
    const { question, length } = new RunMachine(run.plan, tinyContract, 2).asked!;
    const { root, bytes } = stubBody(question, a);
    const payload = { ctx, from: a, ring: question.ring, length, vectorRoot: root };
    const message = federation.sign('a', 'plain-input', payload);
    const outcomes = await Promise.allSettled([
      acceptUpdate(message, a, deps),
      acceptUpdate(message, a, deps, new Uint8Array(bytes)),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: { code: 'VECROOT' } },
      { status: 'fulfilled' },
    ]);
  });

  test('an update is being added and its round becomes void: it is not in the next sum', async () => {
    const here = await scene(['a', 'b', 'c'], 2);
    const { federation, journal, bodies, ids, run, drive } = here;
    const { submit, refuse } = bankers(here);
    for (const bank of ids) await federation.consent(journal, run, bank);
    drive();
    const first = await openRound(run, 0);
    const [a, b, c] = ids as [ParticipantId, ParticipantId, ParticipantId];
    const disk = gate();
    bodies.gate = disk.closed;
    const slow = submit(a, first);
    await eventually('the update to be recorded', () => {
      const { phase } = run;
      return phase.name === 'collecting' && phase.open.inputs.size === 1;
    });
    await refuse(b, first);
    await refuse(c, first); // too few are left: void, and asked again
    const second = await openRound(run, 1);
    disk.open();
    await slow;

    await submit(a, second);
    await refuse(c, second);
    await submit(b, second);
    await eventually('the sum', () => run.past.length === 2 || run.phase.name === 'finished');
    expect(run.past.map(({ end }) => end.outcome)).toEqual(['void', 'closed']);
    expect(run.phase).not.toMatchObject({ name: 'finished' }); // a sum with one bank twice fails the run
  });

  test('the disk fails in the middle of an addition: the sum is right when it is read again', async () => {
    const here = await scene(['a', 'b', 'c'], 3);
    const { federation, journal, bodies, ids, run, drive } = here;
    const { submit } = bankers(here);
    for (const bank of ids) await federation.consent(journal, run, bank);
    drive();
    const round = await openRound(run, 0);
    await submit(ids[0]!, round);
    bodies.failures = 2; // here, and once more when the round is closed
    await expect(submit(ids[1]!, round)).rejects.toMatchObject({ code: 'STORAGE' });
    await submit(ids[2]!, round).catch(() => {});
    await eventually('the sum', () => run.past.length === 1);
    const { asked } = new RunMachine(run.plan, tinyContract, 3);
    expect(run.past[0]!.end.payload).toMatchObject({ sumRoot: stubSumRoot(asked!, ids) });
  });
});

async function* asStream(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
