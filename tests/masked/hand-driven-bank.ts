/**
 * A bank in a real masked run that a test drives: it does what an agent would, over the wire, unless it is
 * told to hold a message back or to cheat.
 */
import { recordEntry } from '#shared/ledger/entry.ts';
import { apply } from '#shared/ledger/federation.ts';
import {
  emptyFederation,
  type OpenRound,
  type PastRound,
  type Run,
  type Session,
} from '#shared/ledger/federation-state.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { BankMessage, Message } from '#shared/protocol/messages.ts';
import type { FeedItem, SubmitReply } from '#shared/protocol/socket-events.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { wordsOf } from '#shared/ring/ring-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';
import { checkedByAll, delegatesOf } from '#shared/secure-sum/sum-check.ts';
import { stubBody } from '../support/stub-answers.ts';
import { SimulatedBank } from '../support/simulated-bank.ts';
import { TestBank, type CoordinatorUnderTest, type Reply } from '../support/test-bank.ts';
import type { TestRun } from '../support/test-run.ts';

export interface Cheating {
  /** Deals other shares than its own seeds', or seals them wrongly. */
  deal?(bank: SimulatedBank, session: Session): { message: Message<'share-keys'>; table: Uint8Array };
  /** Changes its vector before it is masked. */
  words?(words: RingWords): void;
  /** Certifies something else. */
  certify?(message: Message<'consistency-check'>): Message<'consistency-check'>;
  /** Reveals something else. */
  reveal?(message: Message<'unmask'>): Message<'unmask'>;
}

export class HandDrivenBank {
  readonly bank: TestBank;
  /** What became of each message, by its type, the newest last. */
  readonly replies: (Reply<SubmitReply> & { readonly type: BankMessage['type'] })[] = [];
  cheating: Cheating = {};
  /** Messages of these types are not sent. */
  readonly silent = new Set<BankMessage['type']>();
  private readonly own: SimulatedBank;
  /** Rounds it has sent a vector in. */
  private readonly answered = new Set<string>();
  private readonly tables = new Map<string, Uint8Array>();
  private readonly federation = emptyFederation();
  private run: TestRun | undefined;
  private turn: Promise<void> = Promise.resolve();

  private constructor(bank: TestBank) {
    this.bank = bank;
    this.own = new SimulatedBank(bank.id, this.tables, bank.seed);
  }

  static async join(coordinator: CoordinatorUnderTest, id: string): Promise<HandDrivenBank> {
    return new HandDrivenBank(await TestBank.join(coordinator, id));
  }

  get id(): string {
    return this.bank.id;
  }

  /** Consents, and takes its part from then on. */
  async takePartIn(run: TestRun): Promise<void> {
    this.run = run;
    this.follow();
    await run.consent(this.bank);
  }

  /** After the coordinator was started again. */
  async reconnect(): Promise<void> {
    await this.bank.connect();
    this.follow();
  }

  /** What it was told to hold back. */
  async sendAfterAll(type: BankMessage['type']): Promise<void> {
    this.silent.delete(type);
    const { run } = this;
    const state = this.federation.runs.get(run!.id as Run['id'])!;
    this.turn = this.turn.then(() => this.catchUp(state));
    await this.turn;
  }

  private follow(): void {
    const take = (entry: FeedItem): void => {
      this.turn = this.turn.then(() => this.take(entry));
      this.turn.catch(() => {});
    };
    const known = [...this.bank.entries].sort((a, b) => a.seq - b.seq);
    this.bank.wire.on('entries', (entries: readonly FeedItem[]) => entries.forEach(take));
    for (const entry of known) take(entry);
  }

  private async take(shown: FeedItem): Promise<void> {
    if (!('message' in shown) || shown.seq < this.federation.size) return;
    const { seq, time, message } = shown;
    apply(this.federation, recordEntry({ seq, time, message }));
    const run = this.federation.runs.get(this.run!.id as Run['id']);
    if (run !== undefined) await this.step(message, run);
  }

  private async step(message: Message, run: Run): Promise<void> {
    const { session, phase } = run;
    if (session === undefined || this.own.indexIn(session) < 0) return;
    switch (message.type) {
      case 'open-session':
        return this.submit(await this.own.advertise(session));
      case 'advertise-keys':
        return session.rosterHash === undefined ? undefined : this.deal(session);
      case 'seal-session':
        return this.receive(session);
      case 'void-round': {
        const { open } = run.past.at(-1)!;
        const { unmasks } = open.masked!;
        return unmasks.has(this.own.indexIn(session)) ? undefined : this.submit(await this.own.vote(open));
      }
      case 'close-round':
        return this.confirm(run.past.at(-1)!);
      default:
        if (phase.name === 'collecting') await this.roundStep(message, phase.open);
    }
  }

  private async roundStep(message: Message, open: OpenRound): Promise<void> {
    const { session, certificates, unmasks, fixed } = open.masked!;
    const index = this.own.indexIn(session);
    if (message.type === 'open-round') return this.answer(open);
    if (fixed === undefined) return;
    if (message.type === 'fix-survivors') {
      const honest = await this.own.certify(open);
      await this.submit(this.cheating.certify?.(honest) ?? honest);
    }
    // it waits for its own certificate to be recorded
    if (certificates.has(index) && !unmasks.has(index)) await this.reveal(open);
  }

  private async reveal(open: OpenRound): Promise<void> {
    const { session, certificates } = open.masked!;
    if (this.silent.has('unmask') || certificates.size < session.payload.thresholds.quorum) return;
    const honest = await this.own.reveal(open);
    await this.submit(this.cheating.reveal?.(honest) ?? honest);
  }

  /** Does what has been held back in the state things are in. */
  private async catchUp({ session, phase }: Run): Promise<void> {
    if (session === undefined) return;
    const index = this.own.indexIn(session);
    if (session.sealed === undefined) {
      if (!session.advertised.has(index)) await this.submit(await this.own.advertise(session));
      else if (session.rosterHash !== undefined && !session.dealt.has(index)) await this.deal(session);
    } else if (phase.name === 'collecting') {
      const { open } = phase;
      const { fixed, certificates } = open.masked!;
      if (fixed === undefined) {
        await this.answer(open);
      } else if (certificates.has(index)) await this.reveal(open);
      else await this.submit(await this.own.certify(open));
    }
  }

  private async deal(session: Session): Promise<void> {
    if (this.silent.has('share-keys')) return;
    const honest = await this.own.deal(session);
    const dealt = this.cheating.deal?.(this.own, session) ?? {
      message: honest,
      table: this.tables.get(honest.payload.table)!,
    };
    await this.submit(dealt.message, dealt.table);
  }

  private async receive(session: Session): Promise<void> {
    const url = new URL(`/v1/sessions/${session.hash}/shares`, this.bank.coordinator.url);
    const response = await fetch(url, { headers: { authorization: `Bearer ${this.bank.token}` } });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const { dealers } = session.sealed!;
    const length = bytes.length / dealers.length;
    const packages = dealers.map(
      (dealer, i) => [dealer, bytes.subarray(i * length, (i + 1) * length)] as const,
    );
    for (const { against, code, reason } of this.own.receivePackages(session, new Map(packages))) {
      const complaint = { session: session.hash, from: this.own.id, against, code, reason };
      await this.submit(this.own.sign('complain', complaint) as BankMessage);
    }
  }

  private async answer(open: OpenRound): Promise<void> {
    if (this.silent.has('masked-input') || this.answered.has(open.hash)) return;
    this.answered.add(open.hash);
    const { round, attempt } = open.payload;
    const { asked } = await this.run!.round(round, attempt);
    const words = wordsOf(asked.question.ring, stubBody(asked.question, this.id).bytes.slice());
    this.cheating.words?.(words);
    const message = await this.own.input(open, words);
    await this.submit(message, bytesOf(words));
  }

  /** It believes every sum it is drawn to check. */
  private async confirm({ open, end }: PastRound): Promise<void> {
    if (end.outcome !== 'closed' || checkedByAll(open)) return;
    if (!delegatesOf(open).includes(this.own.indexIn(open.masked!.session))) return;
    const { ctx, sumRoot } = end.payload;
    await this.submit(this.own.sign('confirm-sum', { ctx, from: this.own.id, sumRoot }) as BankMessage);
  }

  private async submit(message: BankMessage, body?: Uint8Array): Promise<void> {
    if (this.silent.has(message.type)) return;
    const isLarge = body !== undefined && body.length > LIMITS.bodyWithMessageBytesMax;
    if (isLarge) await this.bank.put(vectorRoot(body), body);
    const reply = await (body === undefined || isLarge
      ? this.bank.submit(message)
      : this.bank.submitWithBody(message, body));
    this.replies.push({ type: message.type, ...reply });
  }
}
