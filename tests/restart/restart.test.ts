/**
 * Processes end at any moment: a run that was disturbed ends with the same model as one that was not, and a
 * bank that starts again sends the bytes it sent before.
 */
import { readdir, readFile } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest } from 'node:http';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { rotateAgentKeys } from '#participant-agent/rotate-key.ts';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { eventually } from '../support/eventually.ts';
import { LoneCoordinator } from '../support/lone-coordinator.ts';
import { closeLater } from '../support/opened.ts';
import { stubComputer } from '../support/stub-computer.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

const IDS = ['a', 'b', 'c'];
const PLAN = { rounds: 2, seed: 'restart' };

/** What the same banks arrive at when nothing happens. */
let undisturbed: string;
beforeAll(async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const banks = await TestBank.joinAll(coordinator, ...IDS);
  const run = await TestRun.start(coordinator, banks, PLAN);
  undisturbed = (await run.complete(banks)).artefact!;
});

test('a coordinator that is closed and opened again between and inside rounds loses nothing', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const banks = (await TestBank.joinAll(coordinator, ...IDS)) as [TestBank, TestBank, TestBank];
  const [a, b, c] = banks;
  const run = await TestRun.propose(coordinator, tinyPlan(IDS, PLAN));
  const restart = async (): Promise<void> => {
    await coordinator.restart();
    await run.watch();
    await Promise.all(banks.map((bank) => bank.connect()));
  };

  await run.consent(a);
  await restart(); // while it is proposed
  await run.consent(b);
  await run.consent(c);
  const means = await run.round(0);
  await restart(); // in a round nobody has answered
  await run.answer(a, means);
  await run.answer(b, means);
  await restart(); // with two updates in the sum
  expect(await a.submit(run.input(a, means).message)).toMatchObject({ outcome: 'accepted' }); // again
  await run.answer(c, means);
  const spreads = await run.round(1);
  await Promise.all(banks.map((bank) => run.answer(bank, spreads)));
  await restart(); // somewhere between two rounds
  const training = await run.round(2);
  await run.answer(b, training);
  const { bytes, root, message } = run.input(c, training);
  await c.put(root, bytes); // uploaded, not yet submitted
  await restart();
  expect(await c.submit(message)).toMatchObject({ outcome: 'accepted' });
  await run.answer(a, training);
  const end = await run.complete(banks, 3);
  expect(end).toMatchObject({ outcome: 'completed', artefact: undisturbed });
  await restart(); // when it is finished
  expect((await run.view()).result).toMatchObject({ outcome: 'completed', artefact: undisturbed });
  const { rounds } = await run.view();
  expect(rounds.every(({ attempt, outcome }) => attempt === 0 && outcome === 'closed')).toBe(true);
  expect(await auditBundle(await coordinator.bundle(), coordinator.charter)).toMatchObject({
    passed: true,
    complete: true,
  });
});

test.each(DATABASES)(
  'a coordinator on %s that is killed in the middle of a round goes on with the agents that come back',
  async (database) => {
    const coordinator = await LoneCoordinator.start(database);
    await TestAgent.joinAll(coordinator, IDS);
    const run = await TestRun.propose(coordinator, tinyPlan(IDS, PLAN));
    await run.until('open-round', ({ round }) => round === 2);
    await coordinator.kill();
    await coordinator.start();
    await run.watch();
    expect(await run.finished()).toMatchObject({ outcome: 'completed', artefact: undisturbed });
    const { rounds } = await run.view();
    expect(rounds.map(({ answered }) => answered)).toEqual(rounds.map(() => IDS));
  },
);

test('a coordinator ends in a moment, even while somebody stalls in the middle of an upload', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const bank = await TestBank.join(coordinator, 'a');
  const run = await TestRun.start(coordinator, [bank]);
  const { root, bytes } = run.input(bank, await run.round(0));
  const stalled = await stall(bank, root, bytes, 24);
  const began = Date.now();
  await coordinator.stop();
  expect(Date.now() - began).toBeLessThan(5000);
  expect(stalled.destroyed).toBe(true);
});

describe('an agent', () => {
  let coordinator: TestCoordinator;
  let names = 0;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
  });

  /** Two agents that answer, and one that answers when it is let. */
  async function heldAgent(): Promise<{
    held: TestAgent;
    ids: string[];
    asked: Promise<void>;
    let: () => void;
    computed: () => number;
  }> {
    const n = ++names;
    const ids = ['a', 'b', 'held'].map((name) => `${name}-${n}`);
    const id = ids[2]!;
    let asks = (): void => {};
    let lets = (): void => {};
    let computed = 0;
    const asked = new Promise<void>((resolve) => (asks = resolve));
    const allowed = new Promise<void>((resolve) => (lets = resolve));
    const createComputer = (dataFile: string): RunComputer => {
      const computer = stubComputer(dataFile, id);
      const answer = computer.answer.bind(computer);
      computer.answer = async (...args) => {
        asks();
        await allowed;
        computed++;
        return answer(...args);
      };
      return computer;
    };
    await TestAgent.joinAll(coordinator, ids.slice(0, 2));
    const held = await TestAgent.join(coordinator, id, { createComputer });
    return { held, ids, asked, let: lets, computed: () => computed };
  }

  test('that is started again inside a round sends the same bytes again', async () => {
    const { held, ids, asked, let: letIt } = await heldAgent();
    const run = await TestRun.propose(coordinator, tinyPlan(ids, PLAN));
    const { ctx } = await asked.then(() => run.round(0));
    await coordinator.stop(); // what it computes now, it cannot send
    coordinator.clock.advance(1000); // it took long enough to be kept
    letIt();
    const path = join(held.folder, 'state', 'outbox', ctx);
    const kept = await eventually('the kept vector', () => readFile(path).catch(() => undefined));
    await held.stop();
    await coordinator.start();
    await run.watch();
    await held.start();
    const sent = await run.until('plain-input', ({ from }) => from === held.id);
    expect(sent.payload.vectorRoot).toBe(vectorRoot(kept.subarray(32)));
    expect((await run.finished()).outcome).toBe('completed');
    expect(await readdir(join(held.folder, 'state', 'outbox'))).toEqual([]); // no longer needed
  });

  test('does not compute again what took it long', async () => {
    const { held, ids, asked, let: letIt, computed } = await heldAgent();
    const run = await TestRun.propose(coordinator, tinyPlan(ids, PLAN));
    const { ctx } = await asked.then(() => run.round(0));
    await coordinator.stop();
    coordinator.clock.advance(60_000); // it took a minute
    letIt();
    await eventually('the kept vector', () =>
      readFile(join(held.folder, 'state', 'outbox', ctx)).catch(() => undefined),
    );
    expect(computed()).toBe(1);
    await held.stop();
    coordinator.clock.advance(-60_000);
    await coordinator.start();
    await run.watch();
    await held.start();
    await run.until('plain-input', ({ from }) => from === held.id);
    expect(computed()).toBe(1);
    expect((await run.finished()).outcome).toBe('completed');
  });

  test('that died in the middle of an upload goes on with it', async () => {
    const { held, ids, asked, let: letIt } = await heldAgent();
    const run = await TestRun.propose(coordinator, tinyPlan(ids, PLAN));
    const round = await asked.then(() => run.round(0));
    const before = new TestBank(coordinator, held.id, (await openAgentKeys(held.folder, undefined)).identity);
    await before.connect();
    const { root, bytes } = run.input(before, round);
    expect((await before.put(root, bytes.subarray(0, 24), { length: bytes.length })).status).toBe(202);
    letIt();
    const sent = await run.until('plain-input', ({ from }) => from === held.id);
    expect(sent.payload.vectorRoot).toBe(root);
    expect((await run.finished()).outcome).toBe('completed');
  });

  test('whose line broke in the middle of an upload starts over before the coordinator has noticed', async () => {
    const { held, ids, asked, let: letIt } = await heldAgent();
    const run = await TestRun.propose(coordinator, tinyPlan(ids, PLAN));
    const round = await asked.then(() => run.round(0));
    const before = new TestBank(coordinator, held.id, (await openAgentKeys(held.folder, undefined)).identity);
    await before.connect();
    const { root, bytes } = run.input(before, round);
    await stall(before, root, bytes, 24); // to the coordinator it looks like a slow upload
    letIt();
    const sent = await run.until('plain-input', ({ from }) => from === held.id);
    expect(sent.payload.vectorRoot).toBe(root);
    expect((await run.finished()).outcome).toBe('completed');
  });

  test('that was away for a whole run learns of it, and of its model, when it comes back', async () => {
    const ids = ['here-a', 'here-b', 'comes-back'];
    const agents = await TestAgent.joinAll(coordinator, ids);
    const run = await TestRun.propose(
      coordinator,
      tinyPlan(ids, { minimum: 2, deadlines: { absenceMs: 0 } }),
    );
    await run.until('run-started');
    const away = agents[2]!;
    await away.stop();
    const end = await run.finished();
    expect(end.outcome).toBe('completed');
    await away.start();
    expect((await away.model(end.artefact!)).length).toBeGreaterThan(100);
  });

  test('whose upload is cut off by its end has listed it before', async () => {
    const { held, ids, asked, let: letIt } = await heldAgent();
    const run = await TestRun.propose(coordinator, tinyPlan(ids, PLAN));
    await asked.then(() => run.round(0));
    await coordinator.stop(); // what it begins to upload now, it cannot end
    letIt();
    const bodies = async (): Promise<number> =>
      (await (await held.state()).egress()).filter(({ what }) => what === 'body').length;
    await eventually('the body to be listed', async () => (await bodies()) === 1);
    await held.stop();
    await coordinator.start();
    expect(await bodies()).toBe(1);
  });

  test('lists what has left the bank, and nothing else has', async () => {
    const ids = ['lists-a', 'lists-b'];
    const [agent] = (await TestAgent.joinAll(coordinator, ids)) as [TestAgent, TestAgent];
    const run = await TestRun.propose(coordinator, tinyPlan(ids));
    await run.finished();
    const records = await (await agent.state()).egress();
    const mine = run.entries
      .map(({ message }) => message)
      .filter((message): message is Message<'consent' | 'plain-input'> => 'from' in message.payload)
      .filter(({ payload }) => payload.from === agent.id);
    expect(records.filter(({ what }) => what !== 'body').map(({ what }) => what)).toEqual([
      'enrol',
      ...mine.map(({ type }) => type),
    ]);
    expect(records.filter(({ what }) => what === 'body')).toHaveLength(4);
    for (const record of records) expect(record.to).toBe(coordinator.url);
    for (const record of records.slice(1)) expect(record.run).toBe(run.id);
    await agent.stop();
    await rotateAgentKeys(agent.folder, undefined);
    const after = await (await agent.state()).egress();
    expect(after.slice(records.length)).toMatchObject([{ what: 'rotate-key', to: coordinator.url }]);
  });
});

/** An upload that sends its first bytes and then stays silent. */
function stall(bank: TestBank, root: string, bytes: Uint8Array, upTo: number): Promise<ClientRequest> {
  return new Promise((resolve, reject) => {
    const upload = httpRequest(new URL(`/v1/bodies/${root}`, bank.coordinator.url), {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${bank.token}`,
        'upload-offset': '0',
        'upload-length': String(bytes.length),
        'content-length': String(bytes.length),
        expect: '100-continue',
      },
    });
    upload.on('error', () => {});
    upload.once('error', reject);
    closeLater(() => void upload.destroy());
    // the coordinator has read the headers when it says "continue"
    upload.once('continue', () => upload.write(bytes.subarray(0, upTo), () => resolve(upload)));
    upload.flushHeaders();
  });
}
