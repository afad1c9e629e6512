/**
 * Four banks: `b` is a real agent, `a`, `c` and `d` are played by the test. With four banks a quorum is three,
 * three shares open a seed, three banks are the fewest in a sum, and one may collude. Each step here is what
 * an honest coordinator does; an attack replaces one of them.
 */
import { randomBytes } from 'node:crypto';
import { RunMachine } from '#models/run-machine.ts';
import { contractBytes, contractHash } from '#shared/contract/contract.ts';
import type { OpenRound, Session } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/round-rules.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import { participantId, type ParticipantId } from '#shared/protocol/ids.ts';
import type { BankMessage, Message, Payload } from '#shared/protocol/messages.ts';
import { plan } from '#shared/protocol/plan.ts';
import { addInto, createWords, wordsOf } from '#shared/ring/ring-sum.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { fixedSlot, maskedOf, revealedShares } from '#shared/secure-sum/bank-round.ts';
import { masksOfSum } from '#shared/secure-sum/open-sum.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';
import { MaliciousCoordinator } from '../support/malicious-coordinator.ts';
import { bodyOf } from '../support/stub-answers.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';
import { AgentUnderAttack, type AgentOptions } from './agent-under-attack.ts';
import { History } from './history.ts';
import { PlayedBank, packageOf } from './played-bank.ts';
import { assertPromisesKept } from './promises-kept.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const VICTIM = 'b';
const LONG = 4_000_000_000_000;

export class Consortium {
  readonly coordinator: MaliciousCoordinator;
  readonly agent: AgentUnderAttack;
  readonly played = NAMES.filter((name) => name !== VICTIM).map((name) => new PlayedBank(name));
  /** What the agent is told now. */
  history: History;
  private readonly histories: History[] = [];

  private constructor(coordinator: MaliciousCoordinator, agent: AgentUnderAttack, history: History) {
    this.coordinator = coordinator;
    this.agent = agent;
    this.history = history;
    this.histories.push(history);
  }

  /** The agent is connected and knows the charter. */
  static async gather(options: AgentOptions = {}): Promise<Consortium> {
    const coordinator = await MaliciousCoordinator.start();
    coordinator.bodies.set(contractHash(tinyContract), contractBytes(tinyContract));
    const history = new History(coordinator.seed);
    history.say('charter', coordinator.charter);
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

  get names(): ParticipantId[] {
    return NAMES.map((name) => participantId.parse(name));
  }

  bank(name: string): PlayedBank {
    return this.played.find(({ id }) => id === name)!;
  }

  get identityKeys(): string[] {
    return NAMES.map((name) => (name === VICTIM ? this.agent.identityKey : this.bank(name).identityKey));
  }

  /** From the agent's next start on it is told another history. */
  show(history: History): void {
    this.history = history;
    this.histories.push(history);
    this.coordinator.show(VICTIM, history);
  }

  /** The agent is stopped, and started again to be told another history (or the same). */
  async restart(history = this.history): Promise<void> {
    await this.agent.stop();
    if (history !== this.history) this.show(history);
    await this.agent.start();
  }

  propose(minimum = 3): void {
    const proposal = plan.parse({
      ...tinyPlan(NAMES, { minimum }),
      ...{ aggregation: 'masked', contract: contractHash(tinyContract) },
    });
    this.history.say('run-proposed', { charter: this.coordinator.charterHash, plan: proposal });
  }

  runStarted(changes: Partial<Payload<'run-started'>> = {}): Payload<'run-started'> {
    const { names: roster, identityKeys } = this;
    return { run: this.history.run.id, roster, identityKeys, ...changes };
  }

  async startRun(minimum?: number): Promise<void> {
    const before = this.mark;
    this.propose(minimum);
    const consent = await this.coordinator.until('consent', before);
    if (consent.payload.decision !== 'granted') throw new Error(consent.payload.reason);
    this.history.say('run-started', this.runStarted());
  }

  openSession(slots: number, changes: Partial<Payload<'open-session'>> = {}): Payload<'open-session'> {
    const { run } = this.history;
    const participants = changes.participants ?? this.names;
    return {
      ...{ run: run.id, parent: lastHash(run), suite: 'x25519-hkdf256-aes256ctr-gf256' },
      nonce: randomBytes(16).toString('base64url'),
      thresholds: thresholdsFor(Math.max(3, participants.length)),
      ...{ slots, deadlineAt: LONG, ...changes, participants },
    };
  }

  /** What the agent submits from now on. */
  next<Type extends BankMessage['type']>(type: Type): Promise<Message<Type>> {
    return this.coordinator.until(type, this.coordinator.submitted.all.length);
  }

  /** Tells the agent's own message of this type, once it has come. */
  async relay<Type extends BankMessage['type']>(from: number, type: Type): Promise<Message<Type>> {
    const message = await this.coordinator.until(type, from);
    this.history.tell(message as Message);
    return message;
  }

  get mark(): number {
    return this.coordinator.submitted.all.length;
  }

  /** All keys of a session are advertised. */
  async advertiseKeys(slots: number, participants = this.names): Promise<Session> {
    const { mark, history } = this;
    history.say('open-session', this.openSession(slots, { participants }));
    for (const bank of this.playedIn(history.session)) history.tell(bank.advertise(history.session));
    await this.relay(mark, 'advertise-keys');
    return history.session;
  }

  /** Deals keys and serves the agent what it was dealt. */
  async dealKeys(slots = 4, names: readonly string[] = NAMES): Promise<Session> {
    const session = await this.advertiseKeys(
      slots,
      names.map((name) => participantId.parse(name)),
    );
    await this.dealShares(session);
    this.seal(session);
    return session;
  }

  async dealShares(session: Session): Promise<void> {
    this.history.tell(await this.coordinator.until('share-keys', this.placeOf(session)));
    for (const bank of this.playedIn(session)) this.tellDealing(bank, session);
  }

  tellDealing(bank: PlayedBank, session: Session): void {
    const { message, table } = bank.deal(session);
    this.coordinator.bodies.set(message.payload.table, table);
    this.history.tell(message);
  }

  sealSession(session: Session): Payload<'seal-session'> {
    const dealers = [...session.dealt.keys()].sort((x, y) => x - y);
    const shareRoots = dealers.map((dealer) => session.dealt.get(dealer)!.shareRoot);
    return { session: session.hash, roster: session.rosterHash!, dealers, shareRoots };
  }

  /** @param change what becomes of a package on its way to the agent */
  seal(session: Session, change: (bytes: Uint8Array, dealer: string) => Uint8Array = (bytes) => bytes): void {
    const seal = this.sealSession(session);
    const to = NAMES.indexOf(VICTIM);
    const packages = seal.dealers.map((dealer) =>
      change(packageOf(session, dealer, to, this.coordinator.bodies), session.payload.participants[dealer]!),
    );
    this.coordinator.shares.set(`${VICTIM}/${session.hash}`, new Uint8Array(Buffer.concat(packages)));
    this.history.say('seal-session', seal);
  }

  /** The program where this history stands. */
  machine(history = this.history): RunMachine {
    const { plan, roster, past } = history.run;
    const machine = new RunMachine(plan, tinyContract, roster.length);
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
      ...{ metrics, deadlineAt: LONG },
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
    for (const name of names) this.history.tell(await this.bank(name).certify(this.history.open));
  }

  async unmask(...names: string[]): Promise<void> {
    for (const name of names) {
      this.history.tell(await this.bank(name).unmask(this.history.open, this.coordinator.bodies));
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
    const { survivors, survivorsHash: hash, ctx } = this.survivors();
    this.coordinator.bodies.set(root, bytes);
    this.history.say('close-round', { ctx, survivors, survivorsHash: hash, sumRoot: root });
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
    for (const name of names) this.history.tell(await this.bank(name).vote(open));
    return this.relay(mark, 'abort-round');
  }

  /**
   * Gives the round up and asks again, with the votes of the others. That the agent answers, if only by a
   * refusal, proves that it has seen all that was told before.
   */
  async askAnew(): Promise<OpenRound> {
    const { open } = this.history;
    this.giveUp();
    for (const bank of this.played) this.history.tell(await bank.vote(open));
    return this.ask();
  }

  /** Types of what the agent has submitted. */
  get sent(): string[] {
    return this.coordinator.submitted.all.map(({ type }) => type);
  }

  /** The refusal of the newest round. */
  async refusal(ctx = this.history.open.hash): Promise<string> {
    const refusal = await this.coordinator.submitted.until(
      'a refusal',
      ({ type, payload }) => type === 'refuse-round' && payload.ctx === ctx,
    );
    return (refusal as Message<'refuse-round'>).payload.code;
  }

  /** Ends what is going on: nothing is submitted after this. */
  async settle(): Promise<void> {
    await this.agent.stop();
    assertPromisesKept(this.coordinator.submitted.all, this.histories, this.coordinator.bodies);
  }

  private playedIn({ payload }: Session): PlayedBank[] {
    return this.played.filter(({ id }) => payload.participants.includes(id));
  }

  private placeOf(session: Session): number {
    const isOf = (m: BankMessage): boolean =>
      m.type === 'advertise-keys' && m.payload.session === session.hash;
    return Math.max(0, this.coordinator.submitted.all.findIndex(isOf));
  }
}
