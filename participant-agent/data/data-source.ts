/**
 * One data file of a bank, CSV (plain or gzip) or Parquet, opened through an in-memory DuckDB. This folder
 * is the only door to DuckDB.
 *
 * Invariants: every cell is text, so nothing is guessed about a column; rows come in file order (one thread,
 * insertion order kept); nothing is fetched from the network and nothing spilled to disk, because applicants'
 * rows stay in this process's memory. What DuckDB says about a bad line is reworded: its messages quote the
 * line itself.
 */
import { resolve } from 'node:path';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import { sqlText } from '#participant-agent/data/cell-sql.ts';
import { csvHeadOf } from '#participant-agent/data/csv-head.ts';
import { type FileHead, readFileHead } from '#participant-agent/data/file-head.ts';
import { nearestHint } from '#participant-agent/data/nearest-name.ts';
import { describeReadError, unfit } from '#participant-agent/data/read-error.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Far above any credit table; below it DuckDB plans in milliseconds. */
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

export interface DataSource {
  readonly path: string;
  /** Column names in file order, trimmed; may contain '' and repeat. */
  readonly columns: readonly string[];
  /** What stands after FROM to read every row in file order. */
  readonly relation: string;
  /**
   * The SQL expression of a column's cells as VARCHAR, untrimmed; NULL or '' where empty.
   * @throws FederationError DATA_SOURCE when the file has two columns of that name
   */
  cell(column: string): string;
  /** Runs one statement. @throws FederationError DATA_SOURCE when the file turns out malformed */
  run(sql: string): Promise<DuckDBDataChunk[]>;
  /** Runs one statement and gives its chunks one by one, for tables that need not fit into memory. */
  stream(sql: string): AsyncIterable<DuckDBDataChunk>;
}

/**
 * Opens the file, hands it to `use`, and closes it whatever happens.
 * @throws FederationError DATA_SOURCE when the file is missing, unreadable, empty or malformed
 */
export async function withDataSource<T>(path: string, use: (source: DataSource) => Promise<T>): Promise<T> {
  const head = await readFileHead(path);
  const { DuckDBInstance } = await import('@duckdb/node-api'); // 0.3 s that most commands need not wait
  const instance = await DuckDBInstance.create(':memory:', DUCKDB_OPTIONS);
  try {
    const connection = await instance.connect();
    try {
      const reworded = (error: unknown): unknown => {
        // The original is not kept as `cause`: it quotes the offending line, and causes reach log files.
        const message = describeReadError(path, error);
        return message === undefined ? error : new FederationError('DATA_SOURCE', message);
      };
      const run = async (sql: string): Promise<DuckDBDataChunk[]> => {
        try {
          return await (await connection.run(sql)).fetchAllChunks();
        } catch (error) {
          throw reworded(error);
        }
      };
      const stream = async function* (sql: string): AsyncGenerator<DuckDBDataChunk> {
        try {
          const result = await connection.stream(sql);
          for (;;) {
            const chunk = await result.fetchChunk();
            if (chunk === null || chunk.rowCount === 0) return;
            yield chunk;
          }
        } catch (error) {
          throw reworded(error);
        }
      };
      await run("SET TimeZone = 'UTC'");
      const opened = head.format === 'parquet' ? await openParquet(path, run) : openCsv(path, head);
      return await use({ path, ...opened, run, stream });
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

type Opened = Pick<DataSource, 'columns' | 'relation' | 'cell'>;

function openCsv(path: string, file: FileHead): Opened {
  const head = csvHeadOf(path, file);
  assertColumnCount(path, head.columns.length);
  const struct = head.columns.map((_, i) => `'c${i}': 'VARCHAR'`).join(', ');
  const relation =
    `read_csv(${sqlPath(path)}, auto_detect = false, header = true, delim = ${sqlText(head.delimiter)}, ` +
    `quote = '"', escape = '"', columns = {${struct}}, hive_partitioning = false, ` +
    `compression = '${file.format === 'csv' ? 'none' : 'gzip'}')`;
  return { columns: head.columns, relation, cell: (column) => `c${columnIndex(path, head.columns, column)}` };
}

async function openParquet(path: string, run: DataSource['run']): Promise<Opened> {
  const file = `read_parquet(${sqlPath(path)}, hive_partitioning = false)`;
  const described = await run(`SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${file})`);
  const schema = described.flatMap((chunk) => chunk.getRows());
  const columns = schema.map(([name]) => String(name).trim());
  assertColumnCount(path, columns.length);
  // A floating NaN is how several writers put a missing number into Parquet.
  const cells = schema.map(([, type], i) =>
    type === 'DOUBLE' || type === 'FLOAT'
      ? `CASE WHEN isnan(c${i}) THEN NULL ELSE c${i}::VARCHAR END`
      : `c${i}::VARCHAR`,
  );
  return {
    columns,
    relation: `${file} AS t(${schema.map((_, i) => `c${i}`).join(', ')})`,
    cell: (column) => cells[columnIndex(path, columns, column)]!,
  };
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
