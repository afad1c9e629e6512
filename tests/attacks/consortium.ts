/** The consortium of `banks-with-keys.ts` and its rounds. An attack replaces one of the honest steps. */
import { RunMachine } from '#models/run-machine.ts';
import { contractBytes, contractHash } from '#shared/contract/contract.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/rounds.ts';
import type { BankMessage, Message, Payload } from '#shared/protocol/messages.ts';
import { addInto, createWords, wordsOf } from '#shared/ring/ring-sum.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { fixedSlot, maskedOf, revealedShares } from '#shared/secure-sum/masked-round.ts';
import { masksOfSum } from '#shared/secure-sum/open-sum.ts';
import { MaliciousCoordinator } from '../support/malicious-coordinator.ts';
import { bodyOf } from '../support/stub-answers.ts';
import { tinyContract } from '../support/tiny-bank-data.ts';
import { AgentUnderAttack, type AgentOptions } from './agent-under-attack.ts';
import { BanksWithKeys, enrolAll, LONG, VICTIM } from './banks-with-keys.ts';
import { History } from './history.ts';

export class Consortium extends BanksWithKeys {
  /** The program where a history stood last: with a large model it takes long to get there. */
  private known: { readonly key: string; readonly machine: RunMachine } | undefined;

  /** The agent is connected and knows the charter. */
  static async gather(options: AgentOptions = {}): Promise<Consortium> {
    const coordinator = await MaliciousCoordinator.start();
    coordinator.bodies.set(contractHash(tinyContract), contractBytes(tinyContract));
    const history = new History(coordinator.seed, coordinator.logSeed);
    history.say('charter', coordinator.charter);
    enrolAll(history, coordinator.charterHash, options.members);
    coordinator.show(VICTIM, history);
    const agent = await AgentUnderAttack.start(coordinator, VICTIM, options);
    return new Consortium(coordinator, agent, history);
  }

  /** … and has consented to a run that has started. */
  static async running(options: AgentOptions = {}): Promise<Consortium> {
    const consortium = await Consortium.gather(options);
    await consortium.startRun();
    return consortium;
  }

  /** … and has keys for some rounds. */
  static async dealt(slots = 4): Promise<Consortium> {
    const consortium = await Consortium.running();
    await consortium.dealKeys(slots);
    return consortium;
  }

  /** The program where this history stands. */
  machine(history = this.history): RunMachine {
    const { id, plan, roster, past } = history.run;
    const sums = past.map(({ end }) => (end.outcome === 'closed' ? end.payload.sumRoot : ''));
    const key = [id, ...sums].join(' ');
    if (this.known?.key === key) return this.known.machine;
    const machine = new RunMachine(plan, tinyContract, roster.length);
    this.known = { key, machine };
    for (const { end } of past) {
      if (end.outcome !== 'closed') continue;
      const { survivors, sumRoot } = end.payload;
      const sum = this.coordinator.bodies.get(sumRoot)!;
      machine.next(wordsOf(machine.asked!.question.ring, sum), survivors.length, sumRoot);
    }
    return machine;
  }

  openRound(changes: Partial<Payload<'open-round'>> = {}): Payload<'open-round'> {
    const { run } = this.history;
    const { asked, metrics } = this.machine();
    const { kind, ring } = asked!.question;
    const { phase, session } = run;
    if (phase.name !== 'ready') throw new Error(`the run is ${phase.name}`);
    return {
      ...{ run: run.id, parent: phase.parent, round: phase.round, attempt: phase.attempt },
      question: { kind, hash: asked!.hash, ring, length: asked!.length },
      ...{ metrics, deadlineAt: LONG, head: this.history.head },
      keys: { session: session!.sealed!.hash, slot: session!.nextSlot },
      ...changes,
    };
  }

  /** Asks the next question. */
  ask(changes: Partial<Payload<'open-round'>> = {}): OpenRound {
    this.history.say('open-round', this.openRound(changes));
    return this.history.open;
  }

  /** Vectors of played banks. */
  input(...names: string[]): void {
    const { asked } = this.machine();
    for (const name of names) {
      const { bodies } = this.coordinator;
      const { message, bytes, root } = this.bank(name).input(this.history.open, asked!, bodies);
      bodies.set(root, bytes);
      this.history.tell(message);
    }
  }

  /** Asks, and tells the vectors of all. */
  async askAndCollect(names: readonly string[] = ['a', 'c', 'd']): Promise<OpenRound> {
    const { mark } = this;
    const open = this.ask();
    this.input(...names);
    await this.relay(mark, 'masked-input');
    return open;
  }

  /** … and the agent has certified that all are in the sum. @returns the history before that */
  async askAndCertify(): Promise<History> {
    await this.askAndCollect();
    const before = this.history.fork();
    const { mark } = this;
    this.fix();
    await this.relay(mark, 'consistency-check');
    return before;
  }

  /** The agent's own message of this type for the open round, if it has sent one. */
  own(type: BankMessage['type']): Message | undefined {
    const { hash } = this.history.open;
    return this.coordinator.submitted.all.find(
      (m) => m.type === type && 'ctx' in m.payload && m.payload.ctx === hash,
    );
  }

  /** The agent has sent one of these for the newest round, or has done with this coordinator since its start. */
  async reaction(...types: BankMessage['type'][]): Promise<void> {
    const { phase, past } = this.history.run;
    const ctx = phase.name === 'collecting' ? phase.open.hash : past.at(-1)!.open.hash;
    const sent = this.coordinator.submitted.until(
      types.join(' or '),
      ({ type, payload }) => types.includes(type) && 'ctx' in payload && payload.ctx === ctx,
    );
    await Promise.race([sent, this.agent.gone()]);
  }

  survivors(history = this.history): Payload<'fix-survivors'> {
    const { open } = history;
    const { slot } = maskedOf(open);
    return { ctx: open.hash, slot, survivors: survivorsOf(open), survivorsHash: survivorsHash(open) };
  }

  fix(): void {
    this.history.say('fix-survivors', this.survivors());
  }

  async certify(...names: string[]): Promise<void> {
    for (const name of names) this.history.tell(this.bank(name).certify(this.history.open));
  }

  async unmask(...names: string[]): Promise<void> {
    for (const name of names) {
      this.history.tell(this.bank(name).unmask(this.history.open, this.coordinator.bodies));
    }
  }

  /** The sum without masks, as everybody can compute it. */
  sum(): { root: string; bytes: Uint8Array } {
    const { open } = this.history;
    const { ring, length } = open.payload.question;
    const words = createWords(ring, length);
    for (const index of maskedOf(open).fixed!.survivors) {
      const body = this.coordinator.bodies.get(open.inputs.get(index)!.vectorRoot)!;
      addInto(words, wordsOf(ring, body.slice()));
    }
    applyMasks(words, masksOfSum(fixedSlot(open), revealedShares(open)));
    return bodyOf(words);
  }

  /** Announces this sum, whatever it is. */
  close({ root, bytes } = this.sum()): void {
    const { open } = this.history;
    this.coordinator.bodies.set(root, bytes);
    this.history.say('close-round', {
      ...{ ctx: open.hash, survivors: survivorsOf(open), survivorsHash: survivorsHash(open), sumRoot: root },
    });
  }

  /** Certificates and shares of all. */
  async openUp(): Promise<void> {
    const { mark } = this;
    this.fix();
    await this.certify('a', 'c', 'd');
    await this.relay(mark, 'consistency-check');
    await this.relay(mark, 'unmask');
    await this.unmask('a', 'c', 'd');
  }

  /** One whole honest round. */
  async round(): Promise<OpenRound> {
    const open = await this.askAndCollect();
    await this.openUp();
    this.close();
    return open;
  }

  giveUp(): void {
    const { hash: ctx } = this.history.open;
    this.history.say('void-round', { ctx, code: 'COHORT', reason: 'test gives up' });
  }

  /** Gives the round up, and all vote to ask again. */
  async voteAgain(names: readonly string[] = ['a', 'c', 'd']): Promise<Message<'abort-round'>> {
    const { mark } = this;
    const { open } = this.history;
    this.giveUp();
    for (const name of names) this.history.tell(this.bank(name).vote(open));
    return this.relay(mark, 'abort-round');
  }

  /**
   * Gives the round up and asks again, with the votes of the others. That the agent answers, if only by a
   * refusal, proves that it has seen all that was told before.
   */
  async askAnew(): Promise<OpenRound> {
    const { open } = this.history;
    this.giveUp();
    for (const bank of this.played) this.history.tell(bank.vote(open));
    return this.ask();
  }
}
