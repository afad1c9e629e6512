/**
 * An honest bank in a simulation: the part in a run that every agent plays (shared/participant), over a ledger and a disk
 * in memory. What it is shown, and when it crashes, is up to the test.
 */
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import type { OpenRound, Session } from '#shared/ledger/federation-state.ts';
import type { Effect, Event } from '#shared/participant/effects.ts';
import { Participant, type ParticipantGuard } from '#shared/participant/participant.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { BankMessage, Message } from '#shared/protocol/messages.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import type { HeldKeys } from '#shared/secure-sum/bank-session.ts';
import { purposes } from '#shared/secure-sum/promises.ts';
import { packageFor } from '#shared/secure-sum/share-table.ts';
import {
  SIMULATED_TIME,
  type SimulatedConsortium,
  type SimulatedLedger,
} from '../support/secure-sum-simulation.ts';
import { sessionSeed, type MemoryPromises, type SimulatedBank } from '../support/simulated-bank.ts';

/** Words of a vector. */
export const WORDS = 4;

/** Who hears what the bank sends, and counts what befalls it. */
interface Listener {
  hear(bank: HonestBank, message: BankMessage): void;
  count(what: string): void;
}

/** It has no rules of its own. */
const NO_GUARD: ParticipantGuard = {
  ...{ candour: 'silent', fewest: 1 },
  assertMayTakePart() {},
  assertMayAnswer() {},
  assertMayCertify() {},
};

export class HonestBank {
  readonly id: ParticipantId;
  ledger: SimulatedLedger;
  /** Its disk. */
  readonly promises: MemoryPromises;
  readonly held: Map<string, HeldKeys>;
  /** Everything it ever received in a sealed session, though it forgets slots that are over. */
  readonly received: Map<string, HeldKeys>;
  private readonly seed: Uint8Array;
  private readonly consortium: SimulatedConsortium;
  private readonly world: Listener;
  private part: Participant | undefined;
  /** Whether its program has begun. It takes whatever is asked for what follows from the sums. */
  private hasBegun = false;

  constructor(
    consortium: SimulatedConsortium,
    { id, seed, promises, held }: SimulatedBank,
    ledger: SimulatedLedger,
    world: Listener,
  ) {
    this.id = id;
    this.seed = seed;
    this.consortium = consortium;
    this.world = world;
    this.promises = promises.copy();
    this.held = new Map(held);
    this.received = new Map(held);
    this.ledger = ledger.fork();
    for (const { entry } of consortium.founded.entries) {
      const { message } = entry;
      if (message.type === 'consent' && message.payload.from === id)
        this.promises.remember(purposes.consent, message);
      if (message.type === 'run-started') this.promises.remember(purposes.start, message);
    }
  }

  /**
   * The next entry of the history it is shown.
   * @param acts whether it does at once what follows; an agent that catches up sees more of the history first
   * @throws Crash
   */
  async take(message: Message, acts = true): Promise<void> {
    try {
      this.ledger.append(message);
    } catch (error) {
      if (error instanceof FederationError) return; // it does not believe it
      throw error;
    }
    if (acts) await this.act();
  }

  /** Does what is to be done by now. @throws Crash */
  async act(): Promise<void> {
    const { run } = this.ledger;
    this.part ??= new Participant({
      ...{ run, id: this.id, seed: this.seed, promises: this.promises.all },
      ...{ guard: NO_GUARD, checksAllSums: true },
    });
    const { phase } = run;
    if (this.hasBegun && phase.name === 'collecting') await this.stand(phase.open);
    await this.tell({ kind: 'ledger' });
  }

  /** A new process: nothing is left but what is on disk. */
  forgetHistory(): void {
    this.ledger = this.consortium.founded.fork();
    this.part = undefined;
    this.hasBegun = false;
  }

  private async tell(event: Event): Promise<void> {
    for (const effect of this.part!.step(event, SIMULATED_TIME)) {
      const result = await this.carryOut(effect);
      if (result !== undefined) await this.tell(result);
    }
  }

  private stand({ payload }: Pick<OpenRound, 'payload'>): Promise<void> {
    return this.tell({
      kind: 'position',
      position: { question: payload.question, metrics: payload.metrics },
    });
  }

  private async carryOut(effect: Effect): Promise<Event | undefined> {
    switch (effect.do) {
      case 'load':
        return { kind: 'loaded' };
      case 'begin':
      case 'take-sum': {
        this.hasBegun = true;
        const { phase } = this.ledger.run;
        const question = phase.name === 'collecting' ? phase.open.payload.question : undefined;
        return { kind: 'position', position: { question, metrics: {} } };
      }
      case 'check-sum':
        return { kind: 'checked', ctx: effect.past.open.hash };
      case 'keep':
        await this.promises.put(effect.purposes, effect.message);
        return undefined;
      case 'say':
        if (effect.purposes.length > 0) await this.promises.put(effect.purposes, effect.message);
        if (effect.body?.bytes !== undefined) this.consortium.tables.set(effect.body.root, effect.body.bytes);
        if (effect.message.type === 'refuse-round')
          this.world.count(`refused ${effect.message.payload.code}`);
        this.world.hear(this, effect.message);
        return undefined;
      case 'open-keys': {
        const held = this.held.get(effect.session);
        const seed = held === undefined ? sessionSeed(effect.session, this.id) : undefined;
        return { kind: 'keys', session: effect.session, kept: { seed, held } };
      }
      case 'keep-keys':
        this.held.set(effect.session, effect.held);
        if (effect.isNew) this.received.set(effect.session, effect.held);
        return undefined;
      case 'forget-keys':
        this.held.delete(effect.session);
        return undefined;
      case 'fetch-shares':
        return { kind: 'shares', session: effect.session, packages: this.packages(this.ledger.session) };
      case 'answer': {
        // the same rows give the same answer to a question, in whatever round it is asked
        const { hash, payload } = effect.open;
        const words = new Uint32Array(sha256(utf8(`${payload.question.hash} ${this.id}`)).buffer).slice(
          0,
          WORDS,
        );
        applyMasks(words, effect.masks);
        return { kind: 'answered', ctx: hash, vectorRoot: vectorRoot(words) };
      }
      case 'report':
        if (effect.error instanceof FederationError) this.world.count(`refused ${effect.error.code}`);
        return undefined;
      case 'decide':
      case 'wake':
      case 'cosign':
      case 'end':
        return undefined;
    }
  }

  private packages(session: Session): Map<number, Uint8Array> {
    const { participants, slots } = session.payload;
    const bank = participants.indexOf(this.id);
    return new Map(
      session.sealed!.dealers.map((dealer) => {
        const table = this.consortium.tables.get(session.dealt.get(dealer)!.table)!;
        return [dealer, packageFor(table, { banks: participants.length, slots }, bank)];
      }),
    );
  }
}
