/**
 * An active coordinator with colluding banks, at random: each honest bank is shown a history of its own,
 * made of whatever the coordinator and the colluders sign and of what honest banks have sent to anybody. A
 * bank may crash at each of its promises and is then shown any history at all from the start.
 */
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import type { OpenRound, Session } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/rounds.ts';
import { dealersNeeded } from '#shared/ledger/session-rules.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import type { BankMessage, Message } from '#shared/protocol/messages.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { ctxOf, type SimulatedConsortium, type SimulatedLedger } from '../support/secure-sum-simulation.ts';
import { Crash, MemoryPromises, SimulatedBank } from '../support/simulated-bank.ts';
import { WORDS, HonestBank } from './honest-bank.ts';

export interface Habits {
  /** What it may ask in any round. */
  readonly questions?: readonly string[];
  /** How likely a bank is restarted at each step, besides its crashes. */
  readonly restarts?: number;
}

/** A share nobody has dealt; the ledger's rules do not look inside. */
const JUNK_SHARE = 'A'.repeat(44);

/** What is known of a round, whoever was shown it. */
export interface KnownRound {
  readonly session: Session['payload'] & { readonly hash: string };
  readonly slot: number;
  readonly dealers: readonly number[];
  readonly question: string;
}

export interface Sent {
  readonly bank: HonestBank;
  readonly message: BankMessage;
}

/** A bank that signs anything, with one of two sets of keys. */
class Colluder extends SimulatedBank {
  variant = 0;

  override randomOf(session: string) {
    return seededBytes(sha256(utf8(`${session} of ${this.id}, variant ${this.variant}`)));
  }

  /** Signs as if it had never signed anything. */
  free(variant: number): this {
    this.variant = variant;
    this.promises = new MemoryPromises();
    return this;
  }
}

export class ActiveCoordinator {
  readonly consortium: SimulatedConsortium;
  readonly honest: readonly HonestBank[];
  readonly colluders: readonly Colluder[];
  readonly sent: Sent[] = [];
  /** How often what has happened: a schedule in which nothing happens proves nothing. */
  readonly tally = new Map<string, number>();
  readonly rounds = new Map<string, KnownRound>();
  /** Survivors by their hash. */
  readonly survivors = new Map<string, readonly number[]>();
  private readonly random: SeededGenerator;
  /** Everything that was ever signed, by what it is about. */
  private readonly heard = new Map<string, Map<string, Message>>();
  private readonly histories: (readonly Message[])[] = [];
  private readonly questions: readonly string[];
  private readonly restarts: number;
  private readonly crashes: number;
  /** How much alike the histories are. */
  private readonly coherence: number;
  private made = 0;

  /** @param start where everybody is when it begins; the banks have their keys of it */
  constructor(
    consortium: SimulatedConsortium,
    start: SimulatedLedger,
    colluding: number,
    seed: string,
    { questions = ['first question', 'second question'], restarts = 0.01 }: Habits = {},
  ) {
    this.questions = questions;
    this.restarts = restarts;
    this.consortium = consortium;
    this.random = new SeededGenerator('active coordinator', seed);
    const { banks } = consortium;
    this.colluders = banks.slice(0, colluding).map((bank) => new Colluder(bank.id, consortium.tables));
    this.honest = banks.slice(colluding).map((bank) => new HonestBank(consortium, bank, start, this));
    this.crashes = this.chance(0.7) ? 0.05 : 0;
    this.coherence = this.pick([0.2, 0.6, 0.9]);
    for (const { entry } of start.entries) this.learn(entry.message);
    for (const bank of this.honest) this.watchPromises(bank);
  }

  count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }

  hear(bank: HonestBank, message: BankMessage): void {
    this.count(`sent ${message.type}`);
    this.sent.push({ bank, message });
    this.learn(message);
  }

  async play(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const bank = this.pick(this.honest);
      if (this.chance(this.restarts)) await this.restart(bank);
      else {
        const next = await this.next(bank.ledger).catch((error: unknown) => {
          if (error instanceof FederationError) return undefined; // not even a colluder can sign that
          throw error;
        });
        if (next !== undefined) await this.deliver(bank, next);
      }
    }
  }

  private watchPromises(bank: HonestBank): void {
    bank.promises.onPut = (when, message) => {
      if (!this.chance(this.crashes)) return;
      this.count(`crash ${when} ${message.type}`);
      throw new Crash(`${bank.id} ${when} ${message.type}`);
    };
  }

  private async deliver(bank: HonestBank, message: Message): Promise<void> {
    this.learn(message);
    try {
      await bank.take(message);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      await this.restart(bank);
    }
  }

  /** From the start, along any history that anybody was ever shown, as far as the coordinator likes. */
  private async restart(bank: HonestBank): Promise<void> {
    this.count('restart');
    this.histories.push(bank.ledger.entries.map(({ entry }) => entry.message));
    const shown = this.pick([
      ...this.honest.map(({ ledger }) => ledger.entries.map(({ entry }) => entry.message)),
      ...this.histories.slice(-4),
    ]);
    const from = this.consortium.founded.entries.length;
    const upTo = from + (this.random.nextUint32() % (shown.length - from + 1));
    bank.forgetHistory();
    const { onPut } = bank.promises;
    bank.promises.onPut = () => {}; // it would crash again, and be shown the same again
    for (const message of shown.slice(from, this.chance(0.5) ? shown.length : upTo))
      await bank.take(message, this.chance(0.5)); // an agent that catches up sees more before it acts
    await bank.act();
    bank.promises.onPut = onPut;
  }

  /** What another bank was shown at this point, or something new. */
  private async next(ledger: SimulatedLedger): Promise<Message | undefined> {
    const { length } = ledger.entries;
    const ahead = this.honest.filter(
      ({ ledger: { entries } }) =>
        entries.length > length && entries[length - 1]!.hash === ledger.entries[length - 1]!.hash,
    );
    if (ahead.length === 0 || !this.chance(this.coherence)) return this.choose(ledger);
    return this.pick(ahead).ledger.entries[length]!.entry.message;
  }

  /** One of the messages that may come next in this history, the likelier the more of the attack it is. */
  private async choose(ledger: SimulatedLedger): Promise<Message | undefined> {
    const { run } = ledger;
    const options: [weight: number, message: () => Message | Promise<Message>][] = [];
    const offer = (weight: number, message: () => Message | Promise<Message>): void => {
      options.push([weight, message]);
    };
    const offerHeard = (weight: number, about: string): number => {
      const known = [...(this.heard.get(about)?.values() ?? [])];
      for (const message of known) offer(weight / known.length, () => message);
      return known.length;
    };
    const { session, phase } = run;
    if (phase.name === 'collecting') this.offerRound(phase.open, offer, offerHeard);
    if (phase.name === 'ready') {
      const past = run.past.at(-1);
      if (past?.end.outcome === 'void') {
        for (const from of past.open.roster) offerHeard(2, `${past.open.hash} abort-round ${from}`);
        for (const bank of this.colludersIn(past.open.masked!.session)) {
          offer(2, () => bank.free(0).vote(past.open));
        }
      }
      if (session !== undefined && session.sealed === undefined && !session.isVoid) {
        this.offerDealing(session, offer, offerHeard);
      } else {
        const sessions = offerHeard(1, `open-session after ${lastHash(run)}`);
        offer(sessions > 0 ? 0.1 : 0.5, () => this.newSession(ledger));
        if (session?.sealed !== undefined && session.nextSlot < session.payload.slots && !session.isVoid) {
          const rounds = offerHeard(12, `open-round after ${lastHash(run)}`);
          offer(rounds > 0 ? 0.6 : 6, () =>
            this.consortium.openRound(run, this.pick(this.questions), 'u32', WORDS),
          );
        }
      }
    }
    let left = options.reduce((total, [weight]) => total + weight, 0) * this.random.nextUnit();
    for (const [weight, message] of options) if ((left -= weight) < 0) return message();
    return undefined;
  }

  private offerDealing(session: Session, offer: Offer, offerHeard: OfferHeard): void {
    const type = session.rosterHash === undefined ? 'advertise-keys' : 'share-keys';
    const about = session.rosterHash === undefined ? session.hash : session.rosterHash;
    for (const from of session.payload.participants) offerHeard(3, `${about} ${type} ${from}`);
    for (const bank of this.colludersIn(session)) {
      const variant = this.chance(0.1) ? 1 : 0;
      offer(3, () =>
        type === 'share-keys' ? bank.free(variant).deal(session) : bank.free(variant).advertise(session),
      );
    }
    if (session.dealt.size >= dealersNeeded(session)) offer(2, () => this.consortium.sealSession(session));
    offer(0.05, () =>
      this.consortium.sign('void-session', { session: session.hash, code: 'COHORT', reason: 'simulated' }),
    );
  }

  private offerRound(open: OpenRound, offer: Offer, offerHeard: OfferHeard): void {
    const { session, slot, fixed, unmasks } = open.masked!;
    const { minimum, threshold } = session.payload.thresholds;
    for (const type of fixed === undefined ? ['masked-input'] : ['consistency-check', 'unmask']) {
      for (const [index, from] of session.payload.participants.entries()) {
        const isIn = type === 'unmask' ? unmasks.has(index) : open.inputs.has(index) && fixed === undefined;
        if (!isIn) offerHeard(3, `${open.hash} ${type} ${from}`);
      }
    }
    const { hash: ctx, payload } = open;
    for (const bank of this.colludersIn(session)) {
      const from = bank.id;
      if (fixed === undefined) {
        const { ring, length } = payload.question;
        const vectorRoot = toHex(sha256(utf8(`${from} ${this.random.nextUint32() % 2}`)));
        offer(2, () => bank.sign('masked-input', { ctx, slot, from, ring, length, vectorRoot }));
      } else {
        const survivors = fixed.hash;
        const shares = session.sealed!.dealers.map(() => JUNK_SHARE);
        offer(3, () => bank.sign('consistency-check', { ctx, slot, from, survivors }));
        offer(1, () => bank.sign('unmask', { ctx, slot, from, survivors, shares }));
      }
    }
    if (fixed === undefined && open.inputs.size >= minimum) {
      offer(2, () => {
        this.survivors.set(survivorsHash(open), survivorsOf(open));
        return this.consortium.fixSurvivors(open);
      });
    }
    if (unmasks.size >= threshold) offer(2, () => this.consortium.closeRound(open, '0'.repeat(64)));
    offer(fixed === undefined ? 0.2 : 0.8, () => this.consortium.voidRound(open, 'QUORUM'));
  }

  /** Of everybody, or of a few. */
  private newSession(ledger: SimulatedLedger): Message<'open-session'> {
    const ids = this.consortium.banks.map((bank) => bank.id);
    const { minimum } = ledger.run.company;
    const without = this.chance(0.3) && ids.length > minimum ? this.pick(ids) : undefined;
    const participants = ids.filter((id) => id !== without);
    return this.consortium.openSession(ledger.run, participants, 2, `session ${++this.made}`);
  }

  private colludersIn(session: Session): Colluder[] {
    return this.colluders.filter((bank) => bank.indexIn(session) >= 0);
  }

  /** Remembers a message for the histories in which it fits. */
  private learn(message: Message): void {
    const about = aboutOf(message);
    if (about === undefined) return;
    const known = this.heard.get(about) ?? new Map<string, Message>();
    if (known.has(message.sig)) return;
    this.heard.set(about, known.set(message.sig, message));
    if (message.type !== 'open-round') return;
    for (const { ledger } of this.honest) {
      const { session } = ledger.run;
      if (session?.sealed?.hash !== message.payload.keys!.session) continue;
      this.rounds.set(ctxOf(message), {
        session: { ...session.payload, hash: session.hash },
        slot: message.payload.keys!.slot,
        dealers: session.sealed.dealers,
        question: message.payload.question.hash,
      });
    }
  }

  private chance(probability: number): boolean {
    return this.random.nextUnit() < probability;
  }

  private pick<T>(items: readonly T[]): T {
    return items[this.random.nextUint32() % items.length]!;
  }
}

type Offer = (weight: number, message: () => Message | Promise<Message>) => void;
type OfferHeard = (weight: number, about: string) => number;

function aboutOf({ type, payload }: Message): string | undefined {
  switch (type) {
    case 'open-session':
    case 'open-round':
      return `${type} after ${payload.parent}`;
    case 'advertise-keys':
      return `${payload.session} ${type} ${payload.from}`;
    case 'share-keys':
      return `${payload.roster} ${type} ${payload.from}`;
    case 'masked-input':
    case 'consistency-check':
    case 'unmask':
    case 'abort-round':
      return `${payload.ctx} ${type} ${payload.from}`;
    default:
      return undefined;
  }
}
