/**
 * The coordinator's inside without its network: a journal on a real database, bodies on a real disk, and banks
 * that are members by signed messages. For promises about what happens between two lines of code.
 */
import { randomBytes } from 'node:crypto';
import { Journal, type JournalKeys } from '#coordinator/journal/journal.ts';
import { createLogger } from '#coordinator/logger.ts';
import { ShareTables } from '#coordinator/rounds/share-tables.ts';
import type { RunDependencies } from '#coordinator/rounds/drive-run.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { openDatabase } from '#coordinator/store/open-database.ts';
import type { Database } from '#coordinator/store/schema.ts';
import { contractBytes, contractHash } from '#shared/contract/contract.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { FederationError } from '#shared/protocol/error-codes.ts';
import { participantId, runId, type ParticipantId } from '#shared/protocol/ids.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import { plan } from '#shared/protocol/plan.ts';
import { MovableClock } from './movable-clock.ts';
import { closeLater } from './opened.ts';
import { freshStorage, type DatabaseKind } from './test-coordinator.ts';
import { witnessKeyOf } from './witness-keys.ts';
import { tinyContract, tinyPlan, type TinyPlanOptions } from './tiny-bank-data.ts';

/** Counts its statements, and waits before each while `gate` is closed. */
export class WatchedStore extends EntryStore {
  readonly batches: number[] = [];
  gate: Promise<void> = Promise.resolve();

  override async append(...args: Parameters<EntryStore['append']>): Promise<boolean> {
    await this.gate;
    this.batches.push(args[0].length);
    return super.append(...args);
  }
}

/** A promise and what keeps it. */
export function gate(): { closed: Promise<void>; open: () => void } {
  let open = (): void => {};
  const closed = new Promise<void>((resolve) => (open = resolve));
  return { closed, open };
}

const keys: JournalKeys = {
  coordinatorSeed: new Uint8Array(randomBytes(32)),
  logSeed: new Uint8Array(randomBytes(32)),
};

export class LocalFederation {
  readonly db: Database;
  readonly clock = new MovableClock();
  readonly keys = keys;
  private readonly seeds = new Map<string, Uint8Array>();

  private constructor(db: Database) {
    this.db = db;
  }

  static async open(database: DatabaseKind): Promise<LocalFederation> {
    const { dataDir, databaseUrl } = await freshStorage(database);
    const db = await openDatabase(dataDir, databaseUrl);
    closeLater(() => db.destroy());
    return LocalFederation.on(db);
  }

  static on(db: Database): LocalFederation {
    return new LocalFederation(db);
  }

  /** A journal over what is stored, which leaves whoever writes it alone. */
  read(store: EntryStore = new EntryStore(this.db)): Promise<Journal> {
    return Journal.open(store, keys, this.clock, { onBroken() {}, patienceMs: 0 });
  }

  /** A journal over what is stored; it shuts out the one before. */
  async journal(
    store: EntryStore = new EntryStore(this.db),
    onBroken: (error: FederationError) => void = () => {},
    snapshot?: string,
  ): Promise<Journal> {
    const journal = await Journal.open(store, keys, this.clock, { onBroken, patienceMs: 0 }, snapshot);
    await journal.lead();
    if (journal.state.charter === undefined) await this.found(journal);
    return journal;
  }

  async found(journal: Journal): Promise<void> {
    await journal.record('charter', {
      ...{ v: 1, consortium: 'test', origin: 'tallystick/test' },
      coordinatorKey: toBase64Url(publicKeyOf(keys.coordinatorSeed)),
      logKey: toBase64Url(publicKeyOf(keys.logSeed)),
      leastRetentionDays: 0,
    });
  }

  invite(journal: Journal, bank: string): Promise<RecordedEntry> {
    return journal.record('invite', {
      charter: journal.state.charter!.hash,
      participant: participantId.parse(bank),
      tokenHash: toHex(sha256(utf8(tokenOf(bank)))),
      expiresAt: this.clock.now() + 60_000,
    });
  }

  async join(journal: Journal, bank: string): Promise<ParticipantId> {
    const from = participantId.parse(bank);
    const seed = new Uint8Array(randomBytes(32));
    this.seeds.set(bank, seed);
    const { hash: invite } = await this.invite(journal, bank);
    const identityKey = toBase64Url(publicKeyOf(seed));
    const enrolled = this.sign(bank, 'enrol', {
      invite,
      from,
      token: tokenOf(bank),
      identityKey,
      witnessKey: witnessKeyOf(bank),
      agentVersion: '',
    });
    const { hash: enrol } = await journal.append(enrolled);
    await journal.record('admit', { enrol, participant: from });
    return from;
  }

  sign<Type extends MessageType>(bank: string, type: Type, payload: Payload<Type>): Message<Type> {
    return signMessage(type, payload, this.seeds.get(bank)!) as Message<Type>;
  }

  async propose(
    journal: Journal,
    bodies: BodyStore,
    banks: readonly string[],
    options: TinyPlanOptions,
  ): Promise<Run> {
    await bodies.put(contractHash(tinyContract), contractBytes(tinyContract));
    const proposal = plan.parse({ ...tinyPlan(banks, options), contract: contractHash(tinyContract) });
    const { hash } = await journal.record('run-proposed', {
      charter: journal.state.charter!.hash,
      plan: proposal,
    });
    return journal.state.runs.get(runId.parse(hash))!;
  }

  async consent(journal: Journal, run: Run, bank: string): Promise<void> {
    const from = participantId.parse(bank);
    await journal.append(this.sign(bank, 'consent', { run: run.id, from, decision: 'granted', reason: '' }));
  }

  /** Everybody is always connected. */
  dependencies(journal: Journal, bodies: BodyStore): RunDependencies {
    return {
      ...{ journal, bodies, clock: this.clock },
      ...{ sums: new Map(), accepting: new Map() },
      log: createLogger('silent'),
      awaySince: () => undefined,
      shareTables: new ShareTables(bodies),
      random: (length) => new Uint8Array(randomBytes(length)),
    };
  }
}

function tokenOf(bank: string): string {
  return `token of ${bank}, long enough`;
}
