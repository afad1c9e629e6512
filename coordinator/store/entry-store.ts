/** Rows of the `entries` table: appended in batches, read in pages, never changed. */
import type { Database } from '#coordinator/store/schema.ts';
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import type { MessageType } from '#shared/protocol/messages.ts';

export interface EntryRow {
  readonly seq: number;
  readonly text: string;
}

export class EntryStore {
  private readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  /** Makes the columns of one entry that only repeat what its text says agree with it. @returns whether they did not */
  async reindex(recorded: RecordedEntry, run: string | undefined): Promise<boolean> {
    const row = rowOf(recorded, run);
    const { numUpdatedRows } = await this.db
      .updateTable('entries')
      .set({ time: row.time, type: row.type, run: row.run, claim: row.claim })
      .where('seq', '=', row.seq)
      .where((is) =>
        is.or([
          is('time', '!=', row.time),
          is('type', '!=', row.type),
          is('claim', '!=', row.claim),
          is('run', 'is distinct from', row.run),
        ]),
      )
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /**
   * All or none, durable when it returns: on PostgreSQL on the disk, on PGlite, which syncs nothing, with the
   * operating system. The primary key refuses a second entry at one position, the claim
   * a second entry for one purpose: both mean that somebody else writes this ledger too.
   */
  async append(batch: readonly { recorded: RecordedEntry; run: string | undefined }[]): Promise<void> {
    await this.db
      .insertInto('entries')
      .values(batch.map(({ recorded, run }) => rowOf(recorded, run)))
      .execute();
  }

  /** The last entry of one of these types. */
  async last(types: readonly MessageType[]): Promise<EntryRow | undefined> {
    const query = this.db.selectFrom('entries').select(['seq', 'text']).where('type', 'in', types);
    const row = await query.orderBy('seq', 'desc').limit(1).executeTakeFirst();
    return row && { seq: Number(row.seq), text: row.text };
  }

  /** Up to `limit` entries from position `from`, in order: of one run, of some types, or before a position. */
  async page(
    from: number,
    limit: number,
    only: { run?: string; types?: readonly MessageType[]; before?: number } = {},
  ): Promise<EntryRow[]> {
    let query = this.db.selectFrom('entries').select(['seq', 'text']).where('seq', '>=', from);
    if (only.run !== undefined) query = query.where('run', '=', only.run);
    if (only.types !== undefined) query = query.where('type', 'in', only.types);
    if (only.before !== undefined) query = query.where('seq', '<', only.before);
    const rows = await query.orderBy('seq').limit(limit).execute();
    return rows.map((row) => ({ seq: Number(row.seq), text: row.text }));
  }
}

/** A row: the text, and what can be looked up without reading it. */
function rowOf(recorded: RecordedEntry, run: string | undefined) {
  const { seq, time, message } = recorded.entry;
  return {
    ...{ seq, time, type: message.type, run: run ?? null },
    ...{ claim: claimOf(recorded), text: recorded.text },
  };
}

/** What a message uses up. A bank has one input a round, a run one open-round an attempt. */
function claimOf({ entry: { seq, message }, hash }: RecordedEntry): string {
  switch (message.type) {
    case 'charter':
      return 'charter';
    case 'enrol':
      return `enrol:${message.payload.invite}`;
    case 'consent':
      return `consent:${message.payload.run}:${message.payload.from}`;
    case 'run-started':
      return `run-started:${message.payload.run}`;
    case 'open-round':
      return `open-round:${message.payload.run}:${message.payload.round}:${message.payload.attempt}`;
    case 'plain-input':
    case 'masked-input':
    case 'refuse-round':
      return `answer:${message.payload.ctx}:${message.payload.from}`;
    case 'close-round':
    case 'void-round':
      return `end-round:${message.payload.ctx}`;
    case 'open-session':
      return `open-session:${message.payload.run}:${message.payload.nonce}`;
    case 'advertise-keys':
    case 'share-keys':
      return `${message.type}:${message.payload.session}:${message.payload.from}`;
    case 'seal-session':
    case 'void-session':
      return `${message.type}:${message.payload.session}`;
    case 'fix-survivors':
      return `fix-survivors:${message.payload.ctx}`;
    case 'consistency-check':
    case 'confirm-sum':
      return `${message.type}:${message.payload.ctx}:${message.payload.from}`;
    case 'unmask':
    case 'abort-round':
      // one excludes the other
      return `verdict:${message.payload.ctx}:${message.payload.from}`;
    case 'checkpoint':
      return `checkpoint:${message.payload.run}`;
    case 'cosign':
      return `cosign:${message.payload.checkpoint}:${message.payload.from}`;
    case 'run-finished':
      return `run-finished:${message.payload.run}`;
    case 'incident':
      return `incident:${seq}`; // the same may happen again
    default:
      return hash;
  }
}
