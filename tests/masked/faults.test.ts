/**
 * Banks that cheat in a masked run, over the real socket: the fault is found, its bank is named with what
 * proves it, and the run goes on without the bank or ends with a code that says why not.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { assertSignedBy, messageHash } from '#shared/crypto/signed-message.ts';
import type { Session } from '#shared/ledger/federation-state.ts';
import type { Message } from '#shared/protocol/messages.ts';
import type { BadShare, DealerShares } from '#shared/protocol/payloads/blame.ts';
import { dealtFrom } from './dealt-from.ts';
import { HandDrivenBank, type Cheating } from './hand-driven-bank.ts';
import type { SimulatedBank } from '../support/simulated-bank.ts';
import { stubSumRoot } from '../support/stub-answers.ts';
import { BreakingLine } from '../support/breaking-line.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import type { TinyPlanOptions } from '../support/tiny-bank-data.ts';
import { maskedPlan } from './masked-agents.ts';

let coordinator: TestCoordinator;
let passerBy: TestBank;
let groups = 0;
const honest = ['a', 'b', 'c', 'd'];
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'postgres' });
  await TestAgent.joinAll(coordinator, honest);
  passerBy = await TestBank.join(coordinator, 'passer-by');
});

/** Time goes by, and the coordinator looks up because somebody comes in. */
async function later(ms: number): Promise<void> {
  coordinator.clock.advance(ms);
  await passerBy.connect();
}

/** Four honest agents and a cheat, in a run that has been proposed. */
async function cheatedRun(cheating: Cheating, options: TinyPlanOptions = {}) {
  const cheat = await HandDrivenBank.join(coordinator, `e${++groups}`);
  cheat.cheating = cheating;
  const run = await TestRun.propose(
    coordinator,
    maskedPlan([...honest, cheat.id], { minimum: 3, deadlines: { absenceMs: 300 }, ...options }),
  );
  await cheat.takePartIn(run);
  return { run, cheat };
}

/** Shares that fit their commitments, of a seed other than the published one. */
const ofAnotherSeed =
  (which: 'selfSeed' | 'maskSeed') =>
  (bank: SimulatedBank, session: Session): ReturnType<typeof dealtFrom> =>
    dealtFrom(bank, session, (secrets) => ({
      ...secrets,
      slots: secrets.slots.map((slot) => ({ ...slot, [which]: new Uint8Array(32).fill(7) })),
    }));

/** What this bank should read, only the next one could. */
const unreadableBy =
  (reader: number) =>
  (bank: SimulatedBank, session: Session): ReturnType<typeof dealtFrom> =>
    dealtFrom(bank, session, (secrets, keys) => {
      keys[reader] = keys[reader + 1]!;
      return secrets;
    });

describe('a bank that cheats is found out:', () => {
  test('one that deals shares somebody cannot open is named, left out, and the run completes', async () => {
    const { run, cheat } = await cheatedRun({ deal: unreadableBy(1) });
    const complaint = await run.until('complain');
    expect(complaint.payload).toMatchObject({ from: honest[1], against: 4, code: 'SHARE_CT' });
    const { payload } = await run.until('blame');
    expect(payload).toMatchObject({ culprit: cheat.id, code: 'SHARE_CT' });
    expect(payload.evidence).toMatchObject({ complainer: honest[1], dealers: [4] });
    await run.until('void-session', ({ session }) => session === complaint.payload.session);
    await run.until('open-session', ({ participants }) => !participants.includes(cheat.bank.id));
    expect((await run.finished()).outcome).toBe('completed');
    const { rounds } = await run.view();
    expect(rounds.at(-1)!.answered).toEqual(honest);
  });

  test('one that is named while another bank is still fetching its shares does not cost that bank its place', async () => {
    const line = await BreakingLine.to(coordinator.url);
    const letThrough = line.holdBack('/shares HTTP/1.1');
    const slow = await TestAgent.join(coordinator, 'slow', { url: `http://127.0.0.1:${line.port}` });
    const cheat = await HandDrivenBank.join(coordinator, `e${++groups}`);
    cheat.cheating.deal = unreadableBy(1);
    const participants = [...honest, slow.id, cheat.id];
    const run = await TestRun.propose(coordinator, maskedPlan(participants, { minimum: 3 }));
    await cheat.takePartIn(run);
    await run.until('open-session', ({ participants: dealers }) => !dealers.includes(cheat.bank.id));
    letThrough(); // what it asks for is of a session that nobody uses any more
    expect((await run.finished()).outcome).toBe('completed');
    expect((await run.view()).rounds.at(-1)!.answered).toEqual([...honest, slow.id]);
    await slow.stop();
  });

  test('one that reveals a bad share is named by its own signature, and the round closes without it', async () => {
    const { run, cheat } = await cheatedRun({
      reveal: ({ payload }) => {
        const shares = [...payload.shares];
        const share = fromBase64Url(shares[2]!);
        share[9]! ^= 1;
        shares[2] = toBase64Url(share);
        return cheat.bank.sign('unmask', { ...payload, shares }) as Message<'unmask'>;
      },
    });
    const blame = (await run.until('blame')).payload;
    expect(blame).toMatchObject({ culprit: cheat.id, code: 'SHARE_BAD' });
    const evidence = blame.evidence as BadShare;
    expect(evidence.dealer).toBe(2);
    expect(() => assertSignedBy(evidence.message, cheat.bank.identityKey)).not.toThrow();
    expect(evidence.message.payload.from).toBe(cheat.id);

    const { ctx, asked } = await run.round(0);
    const closed = await run.until('close-round', (payload) => payload.ctx === ctx);
    expect(closed.payload.sumRoot).toBe(stubSumRoot(asked, [...honest, cheat.id])); // its vector was honest
    expect((await run.finished()).outcome).toBe('completed');
    expect(cheat.replies.filter(({ type }) => type === 'unmask')).toContainEqual(
      expect.objectContaining({ outcome: 'rejected', code: 'SHARE_BAD' }),
    );
  });

  test('one whose shares do not give its self seed is named with them, and the run fails', async () => {
    const { run, cheat } = await cheatedRun({ deal: ofAnotherSeed('selfSeed') });
    cheat.silent.add('unmask'); // the shares it has kept give it away at once
    const blame = (await run.until('blame')).payload;
    expect(blame).toMatchObject({ culprit: cheat.id, code: 'DEALER_SELF' });
    const evidence = blame.evidence as DealerShares;
    expect(evidence.revealers.length).toBeGreaterThanOrEqual(3);
    expect((await run.until('void-round')).payload.code).toBe('DEALER_SELF');
    expect(await run.finished()).toMatchObject({ outcome: 'failed', code: 'DEALER_SELF' });
    expect(run.entries.filter(({ message }) => message.type === 'open-round')).toHaveLength(1);
  });

  test('one that drops out and whose shares do not give its mask seed is named with them, and the run fails', async () => {
    const { run, cheat } = await cheatedRun({ deal: ofAnotherSeed('maskSeed') });
    cheat.silent.add('masked-input');
    await run.until('open-round');
    for (let i = 0; i < 4; i++) await run.until('masked-input', ({ from }) => from === honest[i]);
    cheat.bank.disconnect();
    await later(301);
    const blame = (await run.until('blame')).payload;
    expect(blame).toMatchObject({ culprit: cheat.id, code: 'DEALER_MASK' });
    expect(await run.finished()).toMatchObject({ outcome: 'failed', code: 'DEALER_MASK' });
  });

  test.each([
    [
      'the canary',
      'CANARY',
      (words: Uint32Array | BigUint64Array) =>
        words.fill(words instanceof Uint32Array ? (5 as never) : (5n as never), 0, 1),
    ],
    [
      'what a field may hold',
      'RANGE',
      (words: Uint32Array | BigUint64Array) =>
        words.fill((words instanceof Uint32Array ? 0x7fffffff : 0x7fffffffffffffffn) as never, 1, 2),
    ],
  ])(
    'one that sends junk against %s makes the round void, and nobody is asked that question again',
    async (_, code, words) => {
      const { run } = await cheatedRun({ words });
      const { payload } = await run.until('void-round');
      expect(payload.code).toBe(code);
      expect(await run.finished()).toMatchObject({ outcome: 'failed', code });
      expect(run.entries.filter(({ message }) => message.type === 'open-round')).toHaveLength(1);
      expect(run.entries.filter(({ message }) => message.type === 'blame')).toEqual([]); // nobody can say who
      // a bank that has revealed its shares does not vote to ask again
      const revealed = run.entries.flatMap(({ message }) =>
        message.type === 'unmask' ? [message.payload.from] : [],
      );
      const voted = run.entries.flatMap(({ message }) =>
        message.type === 'abort-round' ? [message.payload.from] : [],
      );
      expect(revealed.filter((id) => voted.includes(id))).toEqual([]);
      expect(revealed.length).toBeGreaterThanOrEqual(3);
    },
  );

  /** Two agents that reveal their shares at once, two banks that do so when they are told, and a cheat. */
  async function slowRun(cheating: Cheating) {
    const group = ++groups;
    const byHand = await Promise.all(
      ['c', 'd', 'e'].map((name) => HandDrivenBank.join(coordinator, `${name}-slow${group}`)),
    );
    const [slow, slower, cheat] = byHand as [HandDrivenBank, HandDrivenBank, HandDrivenBank];
    slow.silent.add('unmask');
    slower.silent.add('unmask');
    cheat.cheating = cheating;
    const run = await TestRun.propose(
      coordinator,
      maskedPlan(['a', 'b', ...byHand.map(({ id }) => id)], { minimum: 3 }),
    );
    for (const bank of byHand) await bank.takePartIn(run);
    const goOn = () => Promise.all([slow, slower].map((bank) => bank.sendAfterAll('unmask')));
    return { run, agents: ['a', 'b'], cheat, goOn };
  }

  test('one that is found out twice fails the run with the code of what it failed by', async () => {
    const { run, cheat, goOn } = await slowRun({ deal: ofAnotherSeed('selfSeed') });
    const blame = (await run.until('blame')).payload; // its own share of its own seed
    expect(blame).toMatchObject({ culprit: cheat.id, code: 'SHARE_BAD' });
    await goOn();
    expect(await run.finished()).toMatchObject({ outcome: 'failed', code: 'DEALER_SELF' });
  });

  test('one that complains when others have already revealed their shares does not undo the round', async () => {
    const { run, agents, cheat, goOn } = await slowRun({});
    cheat.silent.add('unmask');
    for (const id of agents) await run.until('unmask', ({ from }) => from === id);
    const session = messageHash('open-session', (await run.until('open-session')).payload);
    const complaint = { session, against: 0, code: 'SHARE_CT', reason: 'out of spite' };
    await cheat.bank.submit(cheat.bank.sign('complain', { ...complaint, from: cheat.id }));
    await goOn();
    const { ctx } = await run.round(0);
    const end = await Promise.race([
      run.until('close-round', (payload) => payload.ctx === ctx),
      run.until('void-round', (payload) => payload.ctx === ctx),
    ]);
    expect(end.type).toBe('close-round');
    expect((await run.finished()).outcome).toBe('completed');
  });

  test('and the ledger of all these runs verifies', async () => {
    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    expect(report).toMatchObject({ passed: true, findings: [] });
  });
});
