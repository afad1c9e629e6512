/**
 * Rows of the `entries` table: appended in batches, read in pages, never changed.
 *
 * An append proves in its own statement that the table ends with the entry before, byte for byte, and that nobody has
 * opened the ledger to write it since. So neither a database that has lost entries nor a second process gets a hole, or
 * an entry twice, into it.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '#coordinator/store/schema.ts';
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import type { MessageType } from '#shared/protocol/messages.ts';

export interface EntryRow {
  readonly seq: number;
  readonly text: string;
}

/** An entry at the end of a ledger. */
export interface Tail {
  readonly seq: number;
  /** Its hash in the tree, hex. */
  readonly leaf: string;
}

/** What the database says of the end of the ledger and of who may write it. */
export interface Standing {
  readonly tail: Tail | undefined;
  readonly term: number;
  readonly ourTerm: number;
  /** Whether the term in the database is ours. */
  readonly isOurs: boolean;
  /** It takes no writes: its owner has said so, or it is a replica. */
  readonly isReadOnly: boolean;
}

/** As the driver gives it; null when there is no row. */
type BigIntegerRead = string | number | null;

/** The RFC 6962 hash of an entry, as the database computes it. */
const LEAF = sql<string>`encode(sha256('\\x00'::bytea || convert_to(text, 'UTF8')), 'hex')`;

export class EntryStore {
  private readonly db: Database;
  /** A name nobody else has. */
  private readonly writer = randomUUID();
  /** Ours, once we may write. */
  private term = 0;

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

  /** From here on this store may append, and none that was opened before it, be it in a process that is still alive. */
  async lead(): Promise<void> {
    const { term } = await this.db
      .insertInto('ledger_writer')
      .values({ id: 1, term: 1, writer: this.writer })
      .onConflict((conflict) =>
        conflict
          .column('id')
          .doUpdateSet({ term: sql`ledger_writer.term + 1`, writer: sql`excluded.writer` }),
      )
      .returning('term')
      .executeTakeFirstOrThrow();
    this.term = Number(term);
  }

  /**
   * All or none, durable when it returns true: on PostgreSQL on the disk, on PGlite, which syncs nothing, with the
   * operating system. Waits for who is raising the term at this moment, and lets nobody raise it until it is done.
   * @param after what the ledger must end with; undefined: it must be empty
   * @returns whether it did, and the term is still ours; else nothing is written
   */
  async append(
    batch: readonly { recorded: RecordedEntry; run: string | undefined }[],
    after: Tail | undefined,
  ): Promise<boolean> {
    const rows = batch.map(({ recorded, run }) => {
      const { seq, time, type, run: of, claim, text } = rowOf(recorded, run);
      return sql`(${seq}::bigint, ${time}::bigint, ${type}, ${of}, ${claim}, ${text})`;
    });
    const expected =
      after === undefined
        ? sql`not exists (select from entries)`
        : sql`(select array[seq::text, ${LEAF}] from entries order by seq desc limit 1) = array[${String(after.seq)}, ${after.leaf}]`;
    const { numAffectedRows } = await sql`
      with leader as materialized (
        select from ledger_writer where term = ${this.term} and writer = ${this.writer} for update
      )
      insert into entries (seq, time, type, run, claim, text)
      select * from (values ${sql.join(rows)}) as batch
      where exists (select from leader) and ${expected}`.execute(this.db);
    return numAffectedRows === BigInt(batch.length);
  }

  /** What the ledger ends with, and whether we may go on with it. */
  async standing(): Promise<Standing> {
    const { rows } = await sql<{
      seq: BigIntegerRead;
      leaf: string;
      term: BigIntegerRead;
      writer: string;
      read_only: string;
    }>`
      select seq, leaf, term, writer, current_setting('transaction_read_only') as read_only from (select) as one
      left join (select term, writer from ledger_writer) as leader on true
      left join (select seq, ${LEAF} as leaf from entries order by seq desc limit 1) as tail on true`.execute(
      this.db,
    );
    const { seq, leaf, term, writer, read_only } = rows[0]!;
    return {
      tail: seq === null ? undefined : { seq: Number(seq), leaf },
      term: Number(term ?? 0),
      ourTerm: this.term,
      isOurs: Number(term) === this.term && writer === this.writer,
      isReadOnly: read_only === 'on',
    };
  }

  /** The first positions, if any, that are empty although later ones are not. */
  async gap(): Promise<{ first: number; last: number } | undefined> {
    const { rows } = await sql<{ count: BigIntegerRead; last: BigIntegerRead }>`
      select count(*) as count, max(seq) as last from entries`.execute(this.db);
    const { count, last } = rows[0]!;
    if (last === null || Number(count) === Number(last) + 1) return undefined;
    const found = await sql<{ before: BigIntegerRead; next: BigIntegerRead }>`
      select seq as before, (select min(seq) from entries as later where later.seq > here.seq) as next
      from (select -1 as seq union all select seq from entries) as here
      where not exists (select from entries as follower where follower.seq = here.seq + 1)
      order by seq limit 1`.execute(this.db);
    const { before, next } = found.rows[0]!;
    return { first: Number(before) + 1, last: Number(next) - 1 };
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
