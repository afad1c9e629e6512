/**
 * The one writer of the ledger. Messages queue up; each batch is checked and folded in order, then stored in
 * one statement (group commit), then its writers and the listeners hear of it.
 *
 *   check → fold → store → publish → acknowledge
 *
 * The fold is ahead of the store while a batch is being stored, and nobody outside hears of it until it is
 * durable. When storing fails, memory and disk may differ: the journal then refuses everything and the
 * process must stop and start again from what is stored.
 */
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import { parseEntry, recordEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { emptyFederation, type FederationState } from '#shared/ledger/federation-state.ts';
import { noteOf, signHead } from '#shared/ledger/checkpoint.ts';
import { signNewLogKey } from '#shared/ledger/key-rules.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { Message, MessageType, Payload, SignedHead } from '#shared/protocol/messages.ts';

export interface JournalKeys {
  /** Signs the coordinator's messages. */
  readonly coordinatorSeed: Uint8Array;
  /** Signs checkpoints. */
  logSeed: Uint8Array;
  /** The ledger key to change to, while it is being changed. */
  nextLogSeed?: Uint8Array | undefined;
}

interface Waiting {
  readonly message: Message;
  resolve(recorded: RecordedEntry): void;
  reject(error: unknown): void;
}

const BATCH_ENTRIES_MAX = 500;

export class Journal {
  readonly state: FederationState = emptyFederation();
  readonly tree = new MerkleTree();
  private readonly store: EntryStore;
  private readonly keys: JournalKeys;
  private readonly clock: Clock;
  private readonly onBroken: (error: FederationError) => void;
  private readonly listeners: ((recorded: RecordedEntry) => void)[] = [];
  /** The public half of `keys.logSeed`, once it is known. */
  private signingAs: string | undefined;
  private waiting: Waiting[] = [];
  private writing = false;
  private broken: FederationError | undefined;
  /** Settles when the batch under way is stored, or has failed. */
  private storing: Promise<void> = Promise.resolve();

  private constructor(
    store: EntryStore,
    keys: JournalKeys,
    clock: Clock,
    onBroken: (e: FederationError) => void,
  ) {
    this.store = store;
    this.keys = keys;
    this.clock = clock;
    this.onBroken = onBroken;
  }

  /**
   * Loads the ledger, checking every entry on the way.
   * @param onBroken called once when storing fails; the process should stop
   * @throws FederationError LEDGER when what is stored is not a valid history
   */
  static async open(
    store: EntryStore,
    keys: JournalKeys,
    clock: Clock,
    onBroken: (error: FederationError) => void,
  ): Promise<Journal> {
    const journal = new Journal(store, keys, clock, onBroken);
    const { state, tree } = journal;
    for (;;) {
      const page = await store.page(state.size, LIMITS.pageEntriesMax);
      for (const { seq, text } of page) {
        try {
          const recorded = parseEntry(text);
          const { entry } = recorded;
          if (seq !== state.size || entry.seq !== seq)
            throw new Error(`expected position ${state.size}, got ${entry.seq}`);
          assertAuthentic(state, entry.message);
          assertAdmissible(state, entry.message, entry.time);
          apply(state, recorded);
          tree.append(recorded.leaf);
        } catch (cause) {
          throw new FederationError(
            'LEDGER',
            `entry ${seq} of the stored ledger is not valid: ${describeError(cause)}. Restore the database from a backup; do not edit it`,
            { cause },
          );
        }
      }
      if (page.length < LIMITS.pageEntriesMax) return journal;
    }
  }

  /**
   * The time that an entry has now. A clock that jumps back must not stop the ledger: time stands still until
   * it has caught up.
   */
  now(): number {
    return Math.max(this.clock.now(), this.state.lastTime);
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
   * Appends a message whose signature has been verified.
   * @throws FederationError when it is not admissible at the moment it would be written
   */
  append(message: Message): Promise<RecordedEntry> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ message, resolve, reject });
      if (!this.writing) void this.write();
    });
  }

  /** Signs a message as the coordinator and appends it. */
  record<Type extends MessageType>(type: Type, payload: Payload<Type>): Promise<RecordedEntry> {
    return this.append(signMessage(type, payload, this.keys.coordinatorSeed) as Message);
  }

  /** The signed head of what is durable. */
  head(): SignedHead {
    const { charter } = this.state;
    if (charter === undefined) throw new FederationError('STATE', 'the ledger has no charter yet');
    return signHead(charter.payload.origin, this.tree.size, this.tree.root(), this.logSeed());
  }

  /** The seed of the ledger key in force. @throws FederationError LEDGER when we do not hold it */
  private logSeed(): Uint8Array {
    const { keys, state } = this;
    if (this.signingAs === state.logKey) return keys.logSeed;
    for (const seed of [keys.logSeed, keys.nextLogSeed]) {
      if (seed === undefined || toBase64Url(publicKeyOf(seed)) !== state.logKey) continue;
      this.signingAs = state.logKey;
      return (keys.logSeed = seed);
    }
    throw new FederationError(
      'LEDGER',
      'the keys in the data folder are not those of the ledger; restore the folder that belongs to this database',
    );
  }

  /**
   * From here on another key signs the heads.
   * @param next opened from where it will be found again
   */
  async rotateLogKey(next: Uint8Array): Promise<void> {
    const { keys } = this;
    const charter = this.state.charter!.hash;
    const logKey = toBase64Url(publicKeyOf(next));
    keys.nextLogSeed = next;
    await this.record('rotate-log-key', {
      charter,
      logKey,
      endorsement: signNewLogKey(charter, logKey, this.logSeed()),
      proof: signNewLogKey(charter, logKey, next),
    });
  }

  /** The same as a C2SP note. */
  checkpoint(): string {
    return noteOf(this.state.charter!.payload.origin, this.head(), this.state.logKey!);
  }

  /**
   * Resolves when everything the state knows of is durable: whoever answers from the state waits for it.
   * @throws FederationError STORAGE when it could not be stored
   */
  async stored(): Promise<void> {
    await this.storing;
    if (this.broken !== undefined) throw this.broken;
  }

  /** Resolves when everything queued so far is written or refused. */
  async idle(): Promise<void> {
    while (this.writing) await new Promise((resolve) => setImmediate(resolve));
  }

  private async write(): Promise<void> {
    this.writing = true;
    try {
      while (this.waiting.length > 0) {
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
        const recorded = this.fold(waiting.message);
        accepted.push({ waiting, recorded, run: runOfMessage(this.state, recorded) });
      } catch (error) {
        refused.push({ waiting, error });
      }
    }
    try {
      if (accepted.length > 0) await this.store.append(accepted);
    } catch (cause) {
      // A crash here, or a reply that was lost: the entries may or may not be stored. Only a reload can tell.
      this.broken = new FederationError(
        'STORAGE',
        `the ledger cannot be written: ${describeError(cause)}. Free the disk or mend the database, then start again`,
        { cause },
      );
      for (const { waiting } of [...accepted, ...refused]) waiting.reject(this.broken);
      this.onBroken(this.broken);
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

  /** @throws FederationError when the message is not admissible; the state is then unchanged */
  private fold(message: Message): RecordedEntry {
    const time = this.now();
    assertAdmissible(this.state, message, time);
    const recorded = recordEntry({ seq: this.state.size, time, message });
    apply(this.state, recorded);
    return recorded;
  }
}

/** The run an entry belongs to, if any. */
export function runOfMessage(
  state: FederationState,
  { entry: { message }, hash }: RecordedEntry,
): string | undefined {
  const { payload } = message;
  if (message.type === 'run-proposed') return hash;
  if ('run' in payload) return payload.run;
  if ('ctx' in payload) return state.roundRuns.get(payload.ctx);
  if (message.type === 'cosign') return state.checkpointRuns.get(message.payload.checkpoint);
  return 'session' in payload ? state.sessionRuns.get(payload.session) : undefined;
}
