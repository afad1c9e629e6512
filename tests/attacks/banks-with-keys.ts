/**
 * Four banks: `b` is a real agent, `a`, `c` and `d` are played by the test. With four banks a quorum is three,
 * three shares open a seed, three banks are the fewest in a sum, and one may collude. Here: a run that starts,
 * and keys that are dealt, each step as an honest coordinator takes it.
 */
import { randomBytes } from 'node:crypto';
import { contractHash } from '#shared/contract/contract.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { Session } from '#shared/ledger/federation-state.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import { participantId, type ParticipantId } from '#shared/protocol/ids.ts';
import type { BankMessage, Message, Payload } from '#shared/protocol/messages.ts';
import { plan, type Plan } from '#shared/protocol/plan.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';
import type { MaliciousCoordinator } from '../support/malicious-coordinator.ts';
import { witnessKeyOf } from '../support/witness-keys.ts';
import { tinyContract, tinyPlan, type TinyPlanOptions } from '../support/tiny-bank-data.ts';
import type { AgentUnderAttack } from './agent-under-attack.ts';
import type { History } from './history.ts';
import { PlayedBank, packageOf } from './played-bank.ts';
import { assertPromisesKept } from './promises-kept.ts';

const NAMES = ['a', 'b', 'c', 'd'];
/** The bank under attack. */
export const VICTIM = 'b';
/** A time that does not come. */
export const LONG = 4_000_000_000_000;

/** The identity key's seed of each bank, the victim's too. */
export function identitySeedOf(name: string): Uint8Array {
  return sha256(utf8(`attacks/identity/${name}`));
}

/** These become members. */
export function enrolAll(history: History, charter: string, names: readonly string[] = NAMES): void {
  for (const name of names) {
    const participant = participantId.parse(name);
    const token = `the invitation token of bank ${name}`;
    const tokenHash = toHex(sha256(utf8(token)));
    const invite = history.say('invite', { charter, participant, tokenHash, expiresAt: LONG }).hash;
    const identityKey = toBase64Url(publicKeyOf(identitySeedOf(name)));
    const enrol = {
      invite,
      from: participant,
      token,
      identityKey,
      witnessKey: witnessKeyOf(name),
      agentVersion: '',
    };
    const { hash } = history.tell(signMessage('enrol', enrol, identitySeedOf(name)) as Message);
    history.say('admit', { enrol: hash, participant });
  }
}

export class BanksWithKeys {
  readonly coordinator: MaliciousCoordinator;
  readonly agent: AgentUnderAttack;
  readonly played = NAMES.filter((name) => name !== VICTIM).map((name) => new PlayedBank(name));
  /** What the agent is told now. */
  history: History;
  private readonly histories: History[] = [];

  protected constructor(coordinator: MaliciousCoordinator, agent: AgentUnderAttack, history: History) {
    this.coordinator = coordinator;
    this.agent = agent;
    this.history = history;
    this.histories.push(history);
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

  /**
   * The agent is stopped, and started again to be told the same history, or another: then without its memory
   * of the ledger's heads, which would end it there (tests/witness).
   */
  async restart(history = this.history): Promise<void> {
    await this.agent.stop();
    if (history !== this.history) {
      this.show(history);
      await this.agent.forgetHeads();
    }
    await this.agent.start();
  }

  planOf(options: TinyPlanOptions = {}): Plan {
    return plan.parse({
      ...tinyPlan(NAMES, { minimum: 3, ...options }),
      ...{ aggregation: 'masked', contract: contractHash(tinyContract) },
    });
  }

  propose(options: TinyPlanOptions = {}): void {
    this.history.say('run-proposed', { charter: this.coordinator.charterHash, plan: this.planOf(options) });
  }

  runStarted(changes: Partial<Payload<'run-started'>> = {}): Payload<'run-started'> {
    const { names: roster, identityKeys } = this;
    const witnessKeys = (changes.roster ?? roster).map(witnessKeyOf);
    return { run: this.history.run.id, roster, identityKeys, witnessKeys, ...changes };
  }

  async startRun(options: TinyPlanOptions = {}): Promise<void> {
    const before = this.mark;
    this.propose(options);
    await this.consents(before);
    this.history.say('run-started', this.runStarted());
  }

  /** The agent's consent to the run that was proposed, and those of the others. */
  async consents(from = 0, names: readonly string[] = NAMES): Promise<void> {
    const consent = await this.relay(from, 'consent');
    if (consent.payload.decision !== 'granted') throw new Error(consent.payload.reason);
    const { id: run } = this.history.run;
    for (const { id } of this.played.filter((bank) => names.includes(bank.id)))
      this.history.tell(this.bank(id).sign('consent', { run, from: id, decision: 'granted', reason: '' }));
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
