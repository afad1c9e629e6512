/** An honest bank in a simulation: what an agent does at each entry of the history it is shown. */
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import type { BankMessage, Message } from '#shared/protocol/messages.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { assertMayAnswer } from '#shared/secure-sum/bank-round.ts';
import { withoutSlot, type HeldKeys } from '#shared/secure-sum/bank-session.ts';
import type { SimulatedConsortium, SimulatedLedger } from '../support/secure-sum-simulation.ts';
import { Crash, SimulatedBank } from '../support/simulated-bank.ts';

/** Words of a vector. */
export const WORDS = 4;

/** Who hears what the bank sends, and counts what befalls it. */
interface Listener {
  hear(bank: HonestBank, message: BankMessage): void;
  count(what: string): void;
}

/** An honest bank: it follows the history it is shown like an agent does, and never forgets a promise. */
export class HonestBank extends SimulatedBank {
  ledger: SimulatedLedger;
  /** Everything it ever received in a sealed session, though it forgets slots that are over. */
  readonly received = new Map<string, HeldKeys>();
  private left = false;
  private readonly consortium: SimulatedConsortium;
  private readonly world: Listener;

  constructor(
    consortium: SimulatedConsortium,
    like: SimulatedBank,
    ledger: SimulatedLedger,
    world: Listener,
  ) {
    super(like.id, consortium.tables);
    this.consortium = consortium;
    this.world = world;
    this.promises = like.promises.copy();
    for (const [session, keys] of like.held) {
      this.held.set(session, keys);
      this.received.set(session, keys);
    }
    this.ledger = ledger.fork();
  }

  /** The next entry of the history it is shown. @throws Crash */
  async take(message: Message): Promise<void> {
    try {
      this.ledger.append(message);
    } catch (error) {
      if (error instanceof FederationError) return; // it does not believe it
      throw error;
    }
    if (this.left) return;
    try {
      await this.step(message);
    } catch (error) {
      if (error instanceof Crash) throw error;
      this.world.count(`refused ${error instanceof FederationError ? error.code : 'without a code'}`);
      this.left = message.type !== 'open-round'; // a round may be refused, else it leaves the run
    }
  }

  /** A new process: nothing is left but what is on disk. */
  forgetHistory(): void {
    this.ledger = this.consortium.founded.fork();
    this.left = false;
  }

  private async step(message: Message): Promise<void> {
    const { run } = this.ledger;
    const session = run.session!;
    const isDealing = (): boolean => session.sealed === undefined && !session.isVoid;
    const mine = session === undefined ? -1 : this.indexIn(session);
    if (mine < 0) return;
    switch (message.type) {
      case 'open-session':
        if (!this.held.has(session.hash)) this.send(await this.advertise(session));
        return;
      case 'advertise-keys':
        if (session.rosterHash === undefined || this.held.has(session.hash) || !isDealing()) return;
        this.send(await this.deal(session));
        return;
      case 'seal-session':
        if (this.held.has(session.hash) || !session.sealed!.dealers.includes(mine)) return;
        for (const { against, code, reason } of this.receive(session)) {
          this.send(this.sign('complain', { session: session.hash, from: this.id, against, code, reason }));
        }
        if (this.held.has(session.hash)) this.received.set(session.hash, this.held.get(session.hash)!);
        return;
      case 'void-round': {
        const { open } = run.past.at(-1)!;
        const verdict = this.promises.get(`${open.masked!.session.hash}/${open.masked!.slot}/verdict`);
        if (this.isDealer(open) && verdict?.type !== 'unmask') this.send(await this.vote(open));
        return;
      }
      case 'close-round': {
        const { session: old, slot } = run.past.at(-1)!.open.masked!;
        const keys = this.held.get(old.hash);
        if (keys !== undefined) this.held.set(old.hash, withoutSlot(keys, slot));
        return;
      }
      default:
        if (run.phase.name === 'collecting' && this.isDealer(run.phase.open)) {
          await this.roundStep(message, run.phase.open);
        }
    }
  }

  private async roundStep(message: Message, open: OpenRound): Promise<void> {
    const { certificates, unmasks, fixed, session } = open.masked!;
    const mine = this.indexIn(session);
    if (message.type === 'open-round') {
      const { hash } = open.payload.question;
      const earlier = this.ledger.run.past.map((past) => past.open);
      assertMayAnswer(
        open,
        earlier.filter(({ payload }) => payload.question.hash === hash),
        this.promises,
      );
      if (!this.held.has(session.hash)) return;
      // the same rows give the same answer to a question, in whatever round it is asked
      const words = new Uint32Array(sha256(utf8(`${hash} ${this.id}`)).buffer).slice(0, WORDS);
      this.send(await this.input(open, words));
      return;
    }
    if (message.type === 'fix-survivors' && !certificates.has(mine)) this.send(await this.certify(open));
    const mayReveal = certificates.size >= session.payload.thresholds.quorum && this.held.has(session.hash);
    if (fixed !== undefined && mayReveal && !unmasks.has(mine)) this.send(await this.reveal(open));
  }

  private isDealer(open: OpenRound): boolean {
    const { session } = open.masked!;
    return session.sealed!.dealers.includes(this.indexIn(session));
  }

  private send(message: BankMessage): void {
    this.world.hear(this, message);
  }
}
