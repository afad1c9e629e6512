/** A ledger that a coordinator tells one bank: signed, numbered, and folded as an honest one would be. */
import { signMessage } from '#shared/crypto/signed-message.ts';
import { recordEntry, type Entry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { apply } from '#shared/ledger/federation.ts';
import { emptyFederation, type OpenRound, type Run, type Session } from '#shared/ledger/federation-state.ts';
import { headOver } from '../support/witness-keys.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';
import type { Shown } from '../support/malicious-coordinator.ts';

export class History implements Shown {
  readonly entries: Entry[] = [];
  readonly state = emptyFederation();
  private readonly seed: Uint8Array;
  private readonly logSeed: Uint8Array;
  private readonly listeners = new Set<(entry: Entry) => void>();

  /**
   * @param seed the coordinator's key
   * @param logSeed the ledger's
   */
  constructor(seed: Uint8Array, logSeed: Uint8Array) {
    this.seed = seed;
    this.logSeed = logSeed;
  }

  get head(): SignedHead {
    return headOver(this.entries, 'tallystick/test', this.logSeed);
  }

  /** What the coordinator itself says. */
  say<Type extends MessageType>(type: Type, payload: Payload<Type>): RecordedEntry {
    return this.tell(signMessage(type, payload, this.seed) as Message);
  }

  /** Anybody's message. */
  tell(message: Message): RecordedEntry {
    const recorded = this.record(message);
    apply(this.state, recorded);
    this.pass(recorded.entry);
    return recorded;
  }

  /** A message that no honest bank believes: it is told, and not folded. */
  lie<Type extends MessageType>(type: Type, payload: Payload<Type>, seed = this.seed): void {
    this.pass(this.record(signMessage(type, payload, seed) as Message).entry);
  }

  /** The same for a message that is signed already. */
  forge(message: Message): void {
    this.pass(this.record(message).entry);
  }

  /** Another history that begins like this one. */
  fork(size = this.entries.length): History {
    const other = new History(this.seed, this.logSeed);
    for (const entry of this.entries.slice(0, size)) {
      apply(other.state, recordEntry(entry));
      other.entries.push(entry);
    }
    return other;
  }

  /** As it was before the first (or, with `last`, the last) message of this type. */
  before(type: MessageType, which: 'first' | 'last' = 'first'): History {
    const matches = ({ message }: Entry): boolean => message.type === type;
    return this.fork(
      which === 'first' ? this.entries.findIndex(matches) : this.entries.findLastIndex(matches),
    );
  }

  listen(listener: (entry: Entry) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  get run(): Run {
    return [...this.state.runs.values()].at(-1)!;
  }

  get session(): Session {
    return this.run.session!;
  }

  get open(): OpenRound {
    const { phase } = this.run;
    if (phase.name !== 'collecting') throw new Error(`no round is open: the run is ${phase.name}`);
    return phase.open;
  }

  private record(message: Message): RecordedEntry {
    return recordEntry({ seq: this.entries.length, time: 1_700_000_000_000 + this.entries.length, message });
  }

  pass(entry: Entry): void {
    this.entries.push(entry);
    for (const listener of this.listeners) listener(entry);
  }
}
