/**
 * In whose company this bank's rows were added up, across runs and restarts:
 *
 *   state/queries.jsonl        one line for each company a run's exact sums had: the run, the rows, the banks
 *   state/rows/<snapshot>      the hashes of those rows, see data/row-snapshot.ts
 *
 * A line is on disk before the bank certifies that company.
 */
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { newRows, type RowSnapshot } from '#participant-agent/data/row-snapshot.ts';
import { replaceFile } from '#shared/platform/files/durable-file.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash, participantId, runId, type ParticipantId } from '#shared/protocol/ids.ts';

const query = z.strictObject({ run: runId, rows: hash, banks: z.array(participantId).min(1) });
export type Query = z.infer<typeof query>;

export class QueryLedger {
  private readonly folder: string;
  private readonly queries: Query[];
  private readonly snapshots = new Map<string, RowSnapshot>();

  private constructor(folder: string, queries: Query[]) {
    this.folder = folder;
    this.queries = queries;
  }

  /** @throws FederationError STORAGE when a line is damaged: without it the bank cannot know what it has answered */
  static async open(folder: string): Promise<QueryLedger> {
    await mkdir(join(folder, 'state/rows'), { recursive: true });
    const path = join(folder, 'state/queries.jsonl');
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const queries = text.split('\n').flatMap((line, i, lines): Query[] => {
      if (line === '') return [];
      const parsed = query.safeParse(parseJson(line));
      if (parsed.success) return [parsed.data];
      if (i === lines.length - 1) return []; // cut short by a crash: nothing was certified
      throw new FederationError('STORAGE', `${path} is damaged in line ${i + 1}; restore it from a backup`);
    });
    const ledger = new QueryLedger(folder, queries);
    for (const { rows } of queries) await ledger.readSnapshot(rows);
    return ledger;
  }

  /** The rows that are read now; to be known before anything is certified about them. */
  async keepSnapshot(snapshot: RowSnapshot): Promise<void> {
    if (this.snapshots.has(snapshot.id)) return;
    this.snapshots.set(snapshot.id, snapshot);
    const bytes = new Uint8Array(snapshot.rows.buffer, snapshot.rows.byteOffset, snapshot.rows.byteLength);
    await replaceFile(this.rowsPath(snapshot.id), bytes, { flush: true, now: true });
  }

  /**
   * The companies in which these rows were added up before, or others that are nearly the same.
   * @param fewestNew so many rows must be new for others not to count
   */
  companiesOf(rows: string, fewestNew: number): ParticipantId[][] {
    const now = this.snapshots.get(rows);
    return this.queries
      .filter((earlier) => {
        const before = this.snapshots.get(earlier.rows);
        return now === undefined || before === undefined || newRows(before, now) < fewestNew;
      })
      .map(({ banks }) => banks);
  }

  /** Whether this very company of a run is kept. */
  has({ run, rows, banks }: Query): boolean {
    return this.queries.some(
      (one) => one.run === run && one.rows === rows && one.banks.join() === banks.join(),
    );
  }

  /** On disk when it resolves. */
  async keep(one: Query): Promise<void> {
    if (this.has(one)) return;
    this.queries.push(one);
    const file = await open(join(this.folder, 'state/queries.jsonl'), 'a', 0o600);
    try {
      await file.appendFile(`${JSON.stringify(one)}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  private async readSnapshot(id: string): Promise<void> {
    if (this.snapshots.has(id)) return;
    const bytes = await readFile(this.rowsPath(id)).catch(() => undefined);
    if (bytes === undefined || bytes.length % 4 !== 0) return; // its rows then count as the same as any
    const copy = new Uint8Array(bytes);
    this.snapshots.set(id, { id, rows: new Uint32Array(copy.buffer) });
  }

  private rowsPath(id: string): string {
    return join(this.folder, 'state/rows', id);
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
