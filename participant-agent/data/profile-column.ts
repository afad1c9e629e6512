/**
 * What the cells of one column look like: the figures that contract inference decides on. Computed by DuckDB
 * over a table of trimmed texts; only counts, extremes and averages leave it.
 */
import { canonicalText, finiteNumber } from '#participant-agent/data/cell-sql.ts';
import type { DataSource } from '#participant-agent/data/data-source.ts';

export interface ColumnProfile {
  readonly rows: number;
  /** Rows whose cell is not missing. */
  readonly filled: number;
  readonly distinctTexts: number;
  /** Cells that are a finite number; the figures below are of these. */
  readonly numbers: number;
  readonly distinctNumbers: number;
  readonly wholeNumbers: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly median: number;
  /** Of |x|. */
  readonly medianSize: number;
  readonly maxSize: number;
  /** Decimal digits of the whole part, zeros left out. */
  readonly digitsMin: number;
  readonly digitsMax: number;
  /** Whole numbers that read as yyyymmdd or yyyymm. */
  readonly compactDates: number;
  /** Texts that read as a calendar date in a common notation. */
  readonly dates: number;
}

const DATE_PATTERNS = [
  '[0-9]{4}[-/.年][0-9]{1,2}([-/.月][0-9]{1,2}日?)?([ T].*)?',
  '[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{2,4}([ T].*)?',
  '[0-9]{1,2}[- ]?[A-Za-z]{3,9}[- ,]*[0-9]{2,4}([ T].*)?',
];

const COMPACT_DATE =
  '(x BETWEEN 19000101 AND 21001231 AND floor(x / 100) % 100 BETWEEN 1 AND 12 AND x % 100 BETWEEN 1 AND 31) OR ' +
  '(x BETWEEN 190001 AND 210012 AND x % 100 BETWEEN 1 AND 12)';

/** One expression per figure, over `t` (canonical text) and `x` (finite number or NULL). */
const FIGURES: Record<keyof ColumnProfile, string> = {
  rows: 'count(*)',
  filled: 'count(t)',
  distinctTexts: 'count(DISTINCT t)',
  numbers: 'count(x)',
  distinctNumbers: 'count(DISTINCT x)',
  wholeNumbers: 'count(*) FILTER (x = floor(x))',
  min: 'min(x)',
  max: 'max(x)',
  mean: 'avg(x)',
  median: 'median(x)',
  medianSize: 'median(abs(x))',
  maxSize: 'max(abs(x))',
  digitsMin: 'min(CASE WHEN abs(x) >= 1 THEN 1 + floor(log10(abs(x))) END)',
  digitsMax: 'max(CASE WHEN abs(x) >= 1 THEN 1 + floor(log10(abs(x))) END)',
  compactDates: `count(*) FILTER (x = floor(x) AND (${COMPACT_DATE}))`,
  dates: `count(*) FILTER (regexp_full_match(t, '${DATE_PATTERNS.map((p) => `(${p})`).join('|')}'))`,
};

/**
 * @param cells a relation of the rows to look at
 * @param cell the column's trimmed text in it, NULL where missing
 */
export async function profileColumn(source: DataSource, cells: string, cell: string): Promise<ColumnProfile> {
  const names = Object.keys(FIGURES) as (keyof ColumnProfile)[];
  const figures = names.map((name) => `coalesce((${FIGURES[name]})::DOUBLE, 0)`);
  const number = finiteNumber(cell);
  const rows = `SELECT ${canonicalText(cell)} AS t, CASE WHEN isfinite(${number}) THEN ${number} END AS x FROM ${cells}`;
  const chunks = await source.run(`SELECT ${figures.join(', ')} FROM (${rows})`);
  const values = chunks[0]!.getRowValues(0) as number[];
  return Object.fromEntries(names.map((name, i) => [name, values[i]!])) as unknown as ColumnProfile;
}

/** The texts that at least `rowsMin` rows share, most frequent first, then in code-unit order. */
export async function frequentTexts(
  source: DataSource,
  cells: string,
  cell: string,
  rowsMin: number,
): Promise<{ text: string; rows: number }[]> {
  const chunks = await source.run(
    `SELECT t, count(*)::DOUBLE FROM (SELECT ${canonicalText(cell)} AS t FROM ${cells}) ` +
      `WHERE t IS NOT NULL GROUP BY t HAVING count(*) >= ${rowsMin}`,
  );
  const texts = chunks
    .flatMap((chunk) => chunk.getRows())
    .map(([text, rows]) => ({ text: text as string, rows: rows as number }));
  return texts.sort((a, b) => b.rows - a.rows || (a.text < b.text ? -1 : 1));
}
