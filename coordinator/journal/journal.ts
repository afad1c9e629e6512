/**
 * The one writer of the ledger. Messages queue up; each batch is checked and folded in order, then stored in
 * one statement (group commit), then its writers and the listeners hear of it.
 *
 *   check → fold → store → publish → acknowledge
 *
 * The fold is ahead of the store while a batch is being stored, and nobody outside hears of it until it is
 * durable. A database that is away for a moment is waited for (append-entries.ts). When storing fails for good, memory
 * and database may differ: the journal then refuses everything and the process must stop and start again from what is
 * stored.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { appendEntries } from '#coordinator/journal/append-entries.ts';
import { restoreLedger, type Restored } from '#coordinator/journal/restore.ts';
import { LedgerClock } from '#coordinator/journal/ledger-clock.ts';
import { readSnapshot, writeSnapshot } from '#coordinator/journal/snapshot.ts';
import type { EntryStore, Tail } from '#coordinator/store/entry-store.ts';
import { recordEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import type { FederationState } from '#shared/ledger/federation-state.ts';
import { logKeyAt, noteOf, signHead } from '#shared/ledger/checkpoint.ts';
import { signNewCoordinatorKey, signNewLogKey } from '#shared/ledger/key-rules.ts';
import type { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { runOfEntry } from '#shared/ledger/run-index.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import {
  isBankMessage,
  parseMessage,
  type Message,
  type MessageType,
  type Payload,
} from '#shared/protocol/messages.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';

export interface JournalKeys {
  /** Signs the coordinator's messages. */
  readonly coordinatorSeed: Uint8Array;
  /** Signs checkpoints. */
  readonly logSeed: Uint8Array;
  /** The key to sign messages with from then on, while it is being changed. */
  readonly nextCoordinatorSeed?: Uint8Array | undefined;
  /** The ledger key to change to, while it is being changed. */
  readonly nextLogSeed?: Uint8Array | undefined;
}

export interface JournalWatch {
  /** Called once when storing has failed for good; the process should stop. */
  readonly onBroken: (error: FederationError) => void;
  /** Called at each fault of the database that is waited for. */
  readonly onFault?: (error: FederationError) => void;
  /** How long a database that is away is waited for. */
  readonly patienceMs: number;
}

interface Waiting {
  /** Perhaps made only at its place in the ledger. */
  readonly message: Message | (() => Message);
  resolve(recorded: RecordedEntry): void;
  reject(error: unknown): void;
}

const BATCH_ENTRIES_MAX = 500;
/** A start folds so many entries in a moment. */
const SNAPSHOT_ENTRIES = 5000;

export class Journal {
  readonly state: FederationState;
  readonly tree: MerkleTree;
  private readonly store: EntryStore;
  private readonly keys: JournalKeys;
  /** Keys that sign messages, by their public halves. */
  private readonly coordinatorSeeds = new Map<string, Uint8Array>();
  /** What entries and deadlines go by. */
  readonly clock: LedgerClock;
  private readonly watch: JournalWatch;
  private readonly listeners: ((recorded: RecordedEntry) => void)[] = [];
  /** Ledger keys by their public halves. */
  private readonly logSeeds = new Map<string, Uint8Array>();
  private snapshotPath: string | undefined;
  /** Entries in the newest snapshot. */
  private snapshotSize = 0;
  private waiting: Waiting[] = [];
  private writing = false;
  private broken: FederationError | undefined;
  /** What is wrong with the database at this moment, while it is waited for. */
  private fault: FederationError | undefined;
  private isClosing = false;
  /** Settles when the batch under way is stored, or has failed. */
  private storing: Promise<void> = Promise.resolve();

  private constructor(
    store: EntryStore,
    keys: JournalKeys,
    clock: Clock,
    watch: JournalWatch,
    { state, tree }: Restored,
  ) {
    this.state = state;
    this.tree = tree;
    this.store = store;
    this.keys = keys;
    this.clock = new LedgerClock(clock, state.lastTime);
    this.watch = watch;
    for (const seed of [keys.coordinatorSeed, keys.nextCoordinatorSeed])
      if (seed !== undefined) this.coordinatorSeeds.set(toBase64Url(publicKeyOf(seed)), seed);
    for (const seed of [keys.logSeed, keys.nextLogSeed])
      if (seed !== undefined) this.logSeeds.set(toBase64Url(publicKeyOf(seed)), seed);
  }

  /**
   * Loads the ledger, to be read; `lead` comes before the first append.
   * @param snapshot path of the cache that spares a fold of everything; none: every entry is checked
   * @throws FederationError LEDGER when what is stored is not a valid history
   */
  static async open(
    store: EntryStore,
    keys: JournalKeys,
    clock: Clock,
    watch: JournalWatch,
    snapshot?: string,
  ): Promise<Journal> {
    const seeds = [keys.logSeed, keys.nextLogSeed].filter((seed) => seed !== undefined);
    const logKeys = snapshot === undefined ? [] : seeds.map((seed) => toBase64Url(publicKeyOf(seed)));
    const cached = snapshot === undefined ? undefined : await readSnapshot(snapshot, store, keys.logSeed);
    const begun = cached?.tree.size ?? 0;
    const journal = new Journal(store, keys, clock, watch, await restoreLedger(store, logKeys, cached));
    journal.snapshotSize = begun;
    journal.snapshotPath = snapshot;
    return journal;
  }

  /**
   * Makes this the one writer: one that is still alive elsewhere is shut out, and what it has written since we read is
   * read too.
   * @throws FederationError DATABASE | LEDGER
   */
  async lead(): Promise<void> {
    await this.store.lead();
    await restoreLedger(this.store, [], this);
    this.clock.notBefore(this.state.lastTime);
  }

  /** Leaves a snapshot for the next start, if enough has happened since the last one. Only while idle. */
  async saveSnapshot(): Promise<void> {
    if (this.snapshotPath === undefined || this.isBroken) return;
    if (this.tree.size - this.snapshotSize < SNAPSHOT_ENTRIES) return;
    await writeSnapshot(this.snapshotPath, this, this.logSeed(this.state.logKey!));
    this.snapshotSize = this.tree.size;
  }

  /** The time that an entry has now. */
  now(): number {
    return this.clock.now();
  }

  /** Storing has failed: only a restart can tell what is stored. */
  get isBroken(): boolean {
    return this.broken !== undefined;
  }

  /** Called after an entry is durable, in order. */
  onRecorded(listener: (recorded: RecordedEntry) => void): void {
    this.listeners.push(listener);
  }

  /**
   * Appends a message.
   * @throws FederationError when it is not admissible, or not signed by its sender, at the moment it would be written
   */
  append(message: Message): Promise<RecordedEntry> {
    return this.queue(message);
  }

  private queue(message: Waiting['message']): Promise<RecordedEntry> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ message, resolve, reject });
      if (!this.writing) void this.write();
    });
  }

  /**
   * Signs a message as the coordinator and appends it.
   * @param payload a function makes it at its place, from a state that nothing comes after: for what is done whatever
   *   else happens meanwhile. A payload that is a decision upon a state is given as it is, and refused when that is over.
   */
  record<Type extends MessageType>(
    type: Type,
    payload: Payload<Type> | (() => Payload<Type>),
  ): Promise<RecordedEntry> {
    // at its place, where it is known which key is in force; what nobody could read again must not get into the ledger
    return this.queue(() =>
      parseMessage(
        signMessage(type, typeof payload === 'function' ? payload() : payload, this.coordinatorSeed()),
      ),
    );
  }

  /**
   * The signed head of what is durable. The fold may be ahead of it by a change of the ledger's key: the head is
   * still by the key in force at its size, else banks would find an honest ledger's head not signed.
   */
  head(): SignedHead {
    const { charter, logKeys } = this.state;
    if (charter === undefined) throw new FederationError('STATE', 'the ledger has no charter yet');
    const { size } = this.tree;
    return signHead(charter.payload.origin, size, this.tree.root(), this.logSeed(logKeyAt(logKeys, size)));
  }

  /** @throws FederationError LEDGER when we do not hold the seed of this key */
  private logSeed(logKey: string): Uint8Array {
    return this.logSeeds.get(logKey) ?? notOurs();
  }

  /** What the next entry of ours is signed with. @throws FederationError LEDGER when we do not hold it */
  private coordinatorSeed(): Uint8Array {
    const { coordinatorKey } = this.state;
    if (coordinatorKey === undefined) return this.keys.coordinatorSeed; // the charter brings it along
    return this.coordinatorSeeds.get(coordinatorKey) ?? notOurs();
  }

  /** @throws FederationError LEDGER when the keys in force are not here */
  assertKeysAreHere(): void {
    this.coordinatorSeed();
    this.head();
  }

  /**
   * From here on another key signs our messages.
   * @param next opened from where it will be found again
   * @param by the operator
   */
  async rotateCoordinatorKey(next: Uint8Array, by: string): Promise<void> {
    const charter = this.state.charter!.hash;
    const coordinatorKey = toBase64Url(publicKeyOf(next));
    this.coordinatorSeeds.set(coordinatorKey, next);
    const proof = signNewCoordinatorKey(charter, coordinatorKey, next);
    await this.record('rotate-coordinator-key', { charter, coordinatorKey, proof, by });
  }

  /**
   * From here on another key signs the heads.
   * @param next opened from where it will be found again
   * @param by the operator
   */
  async rotateLogKey(next: Uint8Array, by: string): Promise<void> {
    const charter = this.state.charter!.hash;
    const logKey = toBase64Url(publicKeyOf(next));
    this.logSeeds.set(logKey, next);
    await this.record('rotate-log-key', {
      charter,
      logKey,
      endorsement: signNewLogKey(charter, logKey, this.logSeed(this.state.logKey!)),
      proof: signNewLogKey(charter, logKey, next),
      by,
    });
  }

  /** The same as a C2SP note. */
  checkpoint(): string {
    const head = this.head();
    const { charter, logKeys } = this.state;
    return noteOf(charter!.payload.origin, head, logKeyAt(logKeys, head.size));
  }

  /**
   * Resolves when everything the state knows of is durable: whoever answers from the state waits for it.
   * @throws FederationError DATABASE when it could not be stored, or the database is away at this moment
   */
  async stored(): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    await this.storing;
    if (this.broken !== undefined) throw this.broken;
  }

  /** The last entry that is durable. */
  get tail(): Tail | undefined {
    const { size } = this.tree;
    return size === 0 ? undefined : { seq: size - 1, leaf: toHex(this.tree.leaf(size - 1)) };
  }

  /** Resolves when everything queued so far is written or refused; a database that is away is not waited for any more. */
  async close(): Promise<void> {
    this.isClosing = true;
    await this.idle();
  }

  /** Resolves when everything queued so far is written or refused. */
  async idle(): Promise<void> {
    while (this.writing) await new Promise((resolve) => setImmediate(resolve));
  }

  private async write(): Promise<void> {
    this.writing = true;
    try {
      while (this.waiting.length > 0) {
        // What other sockets have brought in comes along: a statement for each would cost ten times as much, and an
        // embedded database lets nobody else have a turn until it is done.
        await nextTurn();
        const batch = this.waiting.splice(0, BATCH_ENTRIES_MAX);
        if (this.broken === undefined) await (this.storing = this.writeBatch(batch));
        else for (const { reject } of batch) reject(this.broken);
      }
    } finally {
      this.writing = false;
    }
  }

  private async writeBatch(batch: readonly Waiting[]): Promise<void> {
    const accepted: { waiting: Waiting; recorded: RecordedEntry; run: string | undefined }[] = [];
    const refused: { waiting: Waiting; error: unknown }[] = [];
    for (const waiting of batch) {
      try {
        const { message } = waiting;
        const recorded = this.fold(typeof message === 'function' ? message() : message);
        accepted.push({ waiting, recorded, run: runOfEntry(this.state, recorded) });
      } catch (error) {
        refused.push({ waiting, error });
      }
    }
    try {
      if (accepted.length > 0) await this.storeBatch(accepted);
    } catch (error) {
      // A crash here: the entries may or may not be stored. The reload tells.
      this.broken = error as FederationError;
      for (const { waiting } of [...accepted, ...refused]) waiting.reject(this.broken);
      this.watch.onBroken(this.broken);
      return;
    }
    // only now: what refuses a message may be an entry of this very batch
    for (const { waiting, error } of refused) waiting.reject(error);
    for (const { recorded } of accepted) this.tree.append(recorded.leaf);
    for (const { waiting, recorded } of accepted) {
      for (const listener of this.listeners) listener(recorded);
      waiting.resolve(recorded);
    }
  }

  /** @throws FederationError DATABASE when they are not, or not known to be, stored */
  private async storeBatch(batch: Parameters<EntryStore['append']>[0]): Promise<void> {
    let since: number | undefined;
    try {
      await appendEntries(this.store, batch, this.tail, {
        onFault: (error) => {
          this.fault = error;
          this.watch.onFault?.(error);
        },
        goesOn: () => !this.isClosing && this.now() - (since ??= this.now()) < this.watch.patienceMs,
      });
    } finally {
      this.fault = undefined;
    }
  }

  /** @throws FederationError when the message is not admissible; the state is then unchanged */
  private fold(message: Message): RecordedEntry {
    const time = this.now();
    // again, because its sender's keys may have changed since it came in: with an entry that is not signed by the keys
    // in force at its place the ledger could not be read any more
    if (isBankMessage(message)) assertAuthentic(this.state, message);
    assertAdmissible(this.state, message, time);
    const recorded = recordEntry({ seq: this.state.size, time, message });
    apply(this.state, recorded);
    return recorded;
  }
}

/** @throws FederationError LEDGER */
function notOurs(): never {
  throw new FederationError(
    'LEDGER',
    'the keys in the data folder are not those of the ledger; restore the folder that belongs to this database',
  );
}
