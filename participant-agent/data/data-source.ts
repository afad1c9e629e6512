/**
 * A bank's data file (CSV, also .gz, or Parquet) as records of texts, in file order: the one door for training,
 * scoring and drafts of contracts, so that all of them see the same cells. This folder is the only door to DuckDB,
 * which reads Parquet.
 *
 * Invariants: every cell is text, so nothing is guessed about a column; nothing is fetched from the network and
 * nothing spilled to disk, because applicants' rows stay in this process's memory.
 */
import { resolve } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { csvHeadOf } from '#participant-agent/data/csv-head.ts';
import { csvRecords } from '#participant-agent/data/csv-records.ts';
import { type FileHead, readFileHead } from '#participant-agent/data/file-head.ts';
import { nearestHint } from '#participant-agent/data/nearest-name.ts';
import { describeReadError, unfit } from '#participant-agent/data/read-error.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Far above any credit table. */
const COLUMNS_MAX = 10_000;

/** Missing columns named in one error; more would bury the advice. */
const MISSING_NAMED_MAX = 12;

const DUCKDB_OPTIONS = {
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  threads: '1',
  preserve_insertion_order: 'true',
  temp_directory: '',
};

export interface DataRecord {
  /** CSV: line of the file, the header being 1. Parquet: row, from 1. */
  readonly line: number;
  /** One text a column asked for, untrimmed; null or '' where the cell is empty. */
  readonly cells: readonly (string | null)[];
  /** What is wrong with the record as such; the cells are then not to be used. */
  readonly problem?: string | undefined;
  /** Why it is no applicant's record: a total line, an empty row. */
  readonly aside?: string | undefined;
}

export interface DataSource {
  readonly path: string;
  /** Column names in file order, trimmed; may contain '' and repeat. */
  readonly columns: readonly string[];
  /**
   * Every record, batch by batch, with the columns asked for in that order. May be called again.
   * @throws FederationError DATA_SOURCE when the file cannot be read on, or has two columns of a name asked for
   */
  batches(columns: readonly string[]): AsyncGenerator<readonly DataRecord[]>;
}

/**
 * Opens the file, hands it to `use`, and closes it whatever happens.
 * @throws FederationError DATA_SOURCE when the file is missing, unreadable, empty or malformed
 */
export async function withDataSource<T>(path: string, use: (source: DataSource) => Promise<T>): Promise<T> {
  const head = await readFileHead(path);
  return head.format === 'parquet' ? withParquet(path, use) : use(csvSource(path, head));
}

/**
 * As `source.batches`, for a reader that must not lose a row.
 * @throws FederationError DATA_SOURCE at the first record that is not as the header says
 */
export async function* wellFormedBatches(
  source: DataSource,
  columns: readonly string[],
): AsyncGenerator<readonly DataRecord[]> {
  for await (const batch of source.batches(columns)) {
    const unusable = batch.find(({ problem }) => problem !== undefined);
    if (unusable === undefined) yield batch;
    else {
      const todo = 'quote cells that contain the delimiter and double the quotes inside them';
      const message = `${source.path}, line ${unusable.line}: ${unusable.problem}; ${todo}`;
      throw new FederationError('DATA_SOURCE', message);
    }
  }
}

function csvSource(path: string, file: FileHead): DataSource {
  const { columns } = csvHeadOf(path, file);
  assertColumnCount(path, columns.length);
  return {
    path,
    columns,
    async *batches(wanted) {
      const positions = wanted.map((name) => columnIndex(path, columns, name));
      for await (const batch of csvRecords(path, file)) {
        yield batch.map(({ line, cells, problem, aside }) => ({
          line,
          cells: positions.map((i) => cells[i] ?? null),
          problem,
          aside,
        }));
      }
    },
  };
}

async function withParquet<T>(path: string, use: (source: DataSource) => Promise<T>): Promise<T> {
  const { DuckDBInstance } = await import('@duckdb/node-api'); // 0.3 s that CSV need not wait
  const instance = await DuckDBInstance.create(':memory:', DUCKDB_OPTIONS);
  try {
    const connection = await instance.connect();
    try {
      await connection.run("SET TimeZone = 'UTC'");
      return await use(await parquetSource(path, connection));
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

async function parquetSource(path: string, connection: DuckDBConnection): Promise<DataSource> {
  const file = `read_parquet(${sqlPath(path)}, hive_partitioning = false)`;
  const described = `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${file})`;
  const schema: unknown[][] = [];
  for await (const rows of rowsOf(path, connection, described)) schema.push(...rows);
  const columns = schema.map(([name]) => String(name).trim());
  assertColumnCount(path, columns.length);
  // A floating NaN is how several writers put a missing number into Parquet.
  const cells = schema.map(([, type], i) =>
    type === 'DOUBLE' || type === 'FLOAT'
      ? `CASE WHEN isnan(c${i}) THEN NULL ELSE c${i}::VARCHAR END`
      : `c${i}::VARCHAR`,
  );
  const relation = `${file} AS t(${schema.map((_, i) => `c${i}`).join(', ')})`;
  return {
    path,
    columns,
    async *batches(wanted) {
      const selected = wanted.map((name) => cells[columnIndex(path, columns, name)]!);
      let line = 1;
      for await (const rows of rowsOf(path, connection, `SELECT ${selected.join(', ')} FROM ${relation}`))
        yield rows.map((texts) => ({ line: line++, cells: texts as (string | null)[] }));
    },
  };
}

/** @throws FederationError DATA_SOURCE when the file turns out malformed */
async function* rowsOf(path: string, connection: DuckDBConnection, sql: string): AsyncGenerator<unknown[][]> {
  try {
    const result = await connection.stream(sql);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk.getRows();
    }
  } catch (error) {
    // The original is not kept as `cause`: it may quote what is in the file, and causes reach log files.
    const message = describeReadError(path, error);
    throw message === undefined ? error : new FederationError('DATA_SOURCE', message);
  }
}

function columnIndex(path: string, columns: readonly string[], column: string): number {
  const index = columns.indexOf(column);
  if (index < 0) throw new RangeError(`no column "${column}"`);
  if (columns.includes(column, index + 1)) {
    throw unfit(path, `one column "${column}"`, 'two', 'rename or remove one of them');
  }
  return index;
}

function assertColumnCount(path: string, count: number): void {
  if (count <= COLUMNS_MAX) return;
  throw unfit(path, `at most ${COLUMNS_MAX} columns`, `${count}`, 'export only the columns of the contract');
}

/** Absolute, because `~` and URLs mean something to DuckDB; its glob characters as classes of themselves. */
function sqlPath(path: string): string {
  return sqlText(resolve(path).replaceAll(/[[*?]/g, '[$&]'));
}

function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * @param needed what they are, for the message
 * @throws FederationError CONTRACT naming those that the file lacks, with what it may have meant
 */
export function assertColumns(
  path: string,
  present: readonly string[],
  wanted: readonly string[],
  needed: string,
): void {
  const missing = wanted.filter((name) => !present.includes(name));
  if (missing.length === 0) return;
  const unclaimed = present.filter((name) => !wanted.includes(name));
  const named = missing.slice(0, MISSING_NAMED_MAX).map((name) => `"${name}"${nearestHint(name, unclaimed)}`);
  if (missing.length > named.length) named.push(`and ${missing.length - named.length} more`);
  throw new FederationError(
    'CONTRACT',
    `${path} lacks ${missing.length} of the ${wanted.length} ${needed}: ` +
      `${named.join(', ')}; rename or add them in the file: names must be equal letter by letter`,
  );
}
