/**
 * Two banks in a run, one of which sends something wrong. Each time: the right code, nothing recorded, and the honest
 * update afterwards is accepted and in the sum.
 */
import { expect } from 'vitest';
import type { SubmitReply } from '#shared/protocol/socket-events.ts';
import { TestBank, type Reply } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun, type TestRound } from '../support/test-run.ts';

export class TwoBanks {
  readonly coordinator: TestCoordinator;
  /** Enrolled, and in none of the runs. */
  readonly stranger: TestBank;
  private names = 0;
  private latest: readonly TestBank[] = [];

  private constructor(coordinator: TestCoordinator, stranger: TestBank) {
    this.coordinator = coordinator;
    this.stranger = stranger;
  }

  static async start(): Promise<TwoBanks> {
    const coordinator = await TestCoordinator.start({ database: 'postgres' });
    return new TwoBanks(coordinator, await TestBank.join(coordinator, 'stranger'));
  }

  /** A run of two fresh banks, in its first round. */
  async firstRound(
    hidden: number[] = [],
  ): Promise<{ run: TestRun; round: TestRound; bad: TestBank; honest: TestBank }> {
    const n = ++this.names;
    this.latest = await TestBank.joinAll(this.coordinator, `bad-${n}`, `honest-${n}`);
    const [bad, honest] = this.latest as [TestBank, TestBank];
    const run = await TestRun.start(this.coordinator, [bad, honest], { hidden });
    return { run, round: await run.round(0), bad, honest };
  }

  /** Both banks of the latest run do what is right; then every round has exactly one update of each. */
  async completes(run: TestRun, from = 0): Promise<void> {
    expect(await run.complete(this.latest, from)).toMatchObject({ outcome: 'completed' });
    const inputs = run.entries.filter(({ message }) => message.type === 'plain-input');
    expect(inputs).toHaveLength(8); // four rounds of two banks
    const { rounds } = await run.view();
    for (const round of rounds) expect(round).toMatchObject({ outcome: 'closed', attempt: 0 });
  }

  async refused(reply: Promise<Reply<SubmitReply>>, code: string): Promise<void> {
    const size = (await this.coordinator.ledger()).length;
    const outcome = code === 'LATE' ? 'discarded' : 'rejected';
    const { message, ...rest } = await reply;
    expect(rest).toEqual({ ok: true, outcome, code });
    expect(message).toMatch(/./);
    expect(await this.coordinator.ledger()).toHaveLength(size);
  }
}
