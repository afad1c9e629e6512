/**
 * One run as the tests see it: proposed by the operator, watched over the watch socket, and answered by test
 * banks. Waits end when the entry waited for is recorded.
 */
import { RunMachine, type AskedQuestion } from '#models/run-machine.ts';
import type { RunView } from '#coordinator/http/run-view.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import type { SignedMessage } from '#shared/crypto/signed-message.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import type { SubmitReply } from '#shared/protocol/socket-events.ts';
import { wordsOf } from '#shared/ring/ring-sum.ts';
import { closeLater } from './opened.ts';
import { stubBody, type StubBody } from './stub-answers.ts';
import type { CoordinatorUnderTest, Reply, TestBank } from './test-bank.ts';
import { tinyContract, tinyPlan, type TinyPlanOptions } from './tiny-bank-data.ts';

const WITHIN_MS = 30_000;

/** An open round with the question behind it. */
export interface TestRound {
  /** Hash of the open-round. */
  readonly ctx: string;
  readonly payload: Payload<'open-round'>;
  readonly asked: AskedQuestion;
}

export class TestRun {
  readonly coordinator: CoordinatorUnderTest;
  readonly id: string;
  /** What has been recorded about it, in order. */
  readonly entries: Entry[] = [];
  private readonly contract: DataContract;
  private plan: RunView['plan'];
  /** What was worked out of each round: every bank that a test drives wants to know. */
  private readonly known = new Map<number, Promise<AskedQuestion | undefined>>();
  private waiters: (() => void)[] = [];
  private disconnect: () => void = () => {};

  private constructor(coordinator: CoordinatorUnderTest, view: RunView, contract: DataContract) {
    this.coordinator = coordinator;
    this.id = view.run;
    this.plan = view.plan;
    this.contract = contract;
    closeLater(() => this.disconnect());
  }

  static async propose(
    coordinator: CoordinatorUnderTest,
    plan: ProposedPlan,
    contract: DataContract = tinyContract,
  ): Promise<TestRun> {
    const view = await coordinator.operator.post<RunView>('/v1/runs', { contract, plan });
    return TestRun.of(coordinator, view, contract);
  }

  /** A run that is proposed already. */
  static async of(
    coordinator: CoordinatorUnderTest,
    view: RunView,
    contract: DataContract = tinyContract,
  ): Promise<TestRun> {
    const run = new TestRun(coordinator, view, contract);
    await run.watch();
    return run;
  }

  /** Proposes a tiny run to these banks, who all consent. */
  static async start(
    coordinator: CoordinatorUnderTest,
    banks: readonly TestBank[],
    options: TinyPlanOptions = {},
  ): Promise<TestRun> {
    const plan = tinyPlan(
      banks.map((bank) => bank.id),
      options,
    );
    const run = await TestRun.propose(coordinator, plan);
    await Promise.all(banks.map((bank) => run.consent(bank)));
    return run;
  }

  /** Watches, again after the coordinator was restarted. */
  async watch(): Promise<void> {
    this.disconnect();
    const { socket } = await this.coordinator.operator.watch(this.id, (entry) => {
      if (entry.seq <= (this.entries.at(-1)?.seq ?? -1)) return; // entries may come twice
      this.entries.push(entry);
      for (const resume of this.waiters.splice(0)) resume();
    });
    this.disconnect = () => socket.disconnect();
  }

  /** The first entry of this type that satisfies `matches`, as soon as there is one. */
  async until<Type extends MessageType>(
    type: Type,
    matches: (payload: Payload<Type>) => boolean = () => true,
  ): Promise<Message<Type>> {
    return this.find(`"${type}"`, ({ message }) =>
      message.type === type && matches(message.payload as Payload<Type>) ? message : undefined,
    ) as Promise<Message<Type>>;
  }

  async finished(): Promise<Payload<'run-finished'>> {
    return (await this.until('run-finished')).payload;
  }

  /** The round, once it is open. */
  async round(round: number, attempt = 0): Promise<TestRound> {
    const { payload } = await this.until(
      'open-round',
      (open) => open.round === round && open.attempt === attempt,
    );
    const asked = await (this.known.get(round) ?? this.askedIn(round));
    if (asked?.hash !== payload.question.hash)
      throw new Error(`round ${round} asks another question than expected`);
    return { ctx: messageHash('open-round', payload), payload, asked };
  }

  view(): Promise<RunView> {
    return this.coordinator.operator.run(this.id);
  }

  consentOf(bank: TestBank, decision: 'granted' | 'refused' = 'granted') {
    return bank.sign('consent', { run: this.id, from: bank.id, decision, reason: 'test' });
  }

  consent(bank: TestBank, decision: 'granted' | 'refused' = 'granted'): Promise<Reply<SubmitReply>> {
    return bank.submit(this.consentOf(bank, decision));
  }

  /** An honest bank's signed update and its body; `changes` make it dishonest. */
  input(
    bank: TestBank,
    { ctx, asked }: TestRound,
    changes: Partial<Payload<'plain-input'>> = {},
  ): StubBody & { message: SignedMessage<'plain-input', Payload<'plain-input'>> } {
    const body = stubBody(asked.question, bank.id);
    const { ring } = asked.question;
    const payload = { ctx, from: bank.id, ring, length: asked.length, vectorRoot: body.root, ...changes };
    return { ...body, message: bank.sign('plain-input', payload) };
  }

  /** Uploads and submits what an honest bank would. */
  async answer(bank: TestBank, round: TestRound): Promise<Reply<SubmitReply>> {
    const { bytes, root, message } = this.input(bank, round);
    const { status, json } = await bank.put(root, bytes);
    if (status !== 201) throw new Error(`upload by ${bank.id}: ${status} ${JSON.stringify(json)}`);
    return bank.submit(message);
  }

  refuse(bank: TestBank, { ctx }: TestRound): Promise<Reply<SubmitReply>> {
    return bank.submit(
      bank.sign('refuse-round', { ctx, from: bank.id, code: 'POLICY', reason: 'test refuses' }),
    );
  }

  /** These banks answer every round from `from` on until the run is finished. */
  async complete(banks: readonly TestBank[], from = 0): Promise<Payload<'run-finished'>> {
    for (let round = from; ; round++) {
      const next = await this.find(`round ${round} or the end`, ({ message }) => {
        if (message.type === 'run-finished') return message;
        return message.type === 'open-round' && message.payload.round === round ? message : undefined;
      });
      if (next.type === 'run-finished') return next.payload;
      const asked = await this.round(round, (next as Message<'open-round'>).payload.attempt);
      for (const reply of await Promise.all(banks.map((bank) => this.answer(bank, asked)))) {
        if (!reply.ok || reply.outcome !== 'accepted') throw new Error(JSON.stringify(reply));
      }
    }
  }

  /** What the program asks in `round`, from the sums before it. */
  private askedIn(round: number): Promise<AskedQuestion | undefined> {
    const asked = this.machineBefore(round).then((machine) => machine.asked);
    this.known.set(round, asked);
    asked.catch(() => this.known.delete(round));
    return asked;
  }

  private async machineBefore(round: number): Promise<RunMachine> {
    const messages = this.entries.map((entry) => entry.message);
    const { roster } = messages.find((message) => message.type === 'run-started')!.payload;
    const machine = new RunMachine(this.plan, this.contract, roster.length);
    for (const message of messages) {
      if (message.type === 'open-round' && message.payload.round === round) break;
      if (message.type !== 'close-round') continue;
      const { survivors, sumRoot } = message.payload;
      const sum = await this.coordinator.operator.body(sumRoot);
      machine.next(wordsOf(machine.asked!.question.ring, sum), survivors.length, sumRoot);
    }
    return machine;
  }

  private async find<T>(what: string, match: (entry: Entry) => T | undefined): Promise<T> {
    const giveUp = Date.now() + WITHIN_MS;
    for (;;) {
      for (const entry of this.entries) {
        const found = match(entry);
        if (found !== undefined) return found;
      }
      const left = giveUp - Date.now();
      if (left <= 0) {
        const got = this.entries.map((entry) => entry.message.type).join(', ');
        throw new Error(`waited ${WITHIN_MS} ms for ${what}; recorded: ${got}`);
      }
      await new Promise<void>((resolve) => {
        const impatience = setTimeout(resolve, left);
        this.waiters.push(() => {
          clearTimeout(impatience);
          resolve();
        });
      });
    }
  }
}
