/** Applicants to be scored, from CSV (also .gz) or Parquet, in batches of texts: the columns asked for, in that order. */
import { csvHeadOf } from '#participant-agent/data/csv-head.ts';
import { assertColumns, withDataSource } from '#participant-agent/data/data-source.ts';
import { csvRecords } from '#participant-agent/data/csv-records.ts';
import { readFileHead } from '#participant-agent/data/file-head.ts';
import { unfit } from '#participant-agent/data/read-error.ts';

export interface ApplicantRecord {
  /** CSV: line of the file, the header being 1. Parquet: row, from 1. */
  readonly line: number;
  /** One text a column; null or '' where the cell is empty. */
  readonly cells: readonly (string | null)[];
  /** What is wrong with the record as such; the cells are then not to be used. */
  readonly problem?: string | undefined;
}

/**
 * Hands over every record of the file, batch by batch.
 * @param take returns whether to go on
 * @throws FederationError DATA_SOURCE when the file cannot be read, CONTRACT when it lacks a column
 */
export async function forEachBatch(
  path: string,
  columns: readonly string[],
  take: (batch: readonly ApplicantRecord[]) => Promise<boolean>,
): Promise<void> {
  const head = await readFileHead(path);
  if (head.format === 'parquet') {
    await withDataSource(path, async (source) => {
      assertEachOnce(path, source.columns, columns);
      const selected = columns.map((name) => source.cell(name)).join(', ');
      let line = 1;
      for await (const chunk of source.stream(`SELECT ${selected} FROM ${source.relation}`)) {
        const goOn = await take(
          chunk.getRows().map((cells) => ({ line: line++, cells: cells as (string | null)[] })),
        );
        if (!goOn) return;
      }
    });
    return;
  }
  const names = csvHeadOf(path, head).columns;
  assertEachOnce(path, names, columns);
  const positions = columns.map((name) => names.indexOf(name));
  for await (const batch of csvRecords(path, head)) {
    const goOn = await take(
      batch.map(({ line, cells, problem }) => ({
        line,
        cells: positions.map((i) => cells[i] ?? null),
        problem,
      })),
    );
    if (!goOn) return;
  }
}

function assertEachOnce(path: string, present: readonly string[], wanted: readonly string[]): void {
  assertColumns(path, present, wanted, 'columns needed');
  for (const name of wanted) {
    if (present.indexOf(name) !== present.lastIndexOf(name))
      throw unfit(path, `one column "${name}"`, 'two', 'rename or remove one of them');
  }
}
