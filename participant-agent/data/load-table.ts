/**
 * A bank's file as the typed arrays of the contract, in file order.
 *
 * One SELECT reads the file once: numbers are cast and categories looked up inside DuckDB, so that no text of
 * a contract column becomes a JavaScript string. Columns the contract does not name are not read.
 *
 * The outcome: equal to `target.bad` is bad; with `target.good` given, equal to it is good and anything else
 * is invalid; without it, everything else is good. Rows whose outcome is missing or invalid are dropped and
 * counted. Numbers are compared as numbers ("1" equals "1.0").
 */
import type { DuckDBDataChunk } from '@duckdb/node-api';
import { canonicalText, finiteNumber, sqlText, trimmedText } from '#participant-agent/data/cell-sql.ts';
import { checkTable } from '#participant-agent/data/check-table.ts';
import type { DataReport } from '#participant-agent/data/data-report.ts';
import { assertColumns, type DataSource, withDataSource } from '#participant-agent/data/data-source.ts';
import { nearestHint } from '#participant-agent/data/nearest-name.ts';
import { levelCodes, trimBlanks } from '#shared/contract/cell-text.ts';
import {
  contractColumns,
  derivationInputs,
  type CategoryFeature,
  type DataContract,
  type NumberFeature,
} from '#shared/contract/contract.ts';
import { derivedValue } from '#shared/contract/derive.ts';
import type { CategoryColumn, Column, Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface LoadOptions {
  /** Further columns to read as text, such as an application number to join decisions on. */
  readonly extraColumns?: readonly string[];
}

export interface LoadedTable {
  readonly table: Table;
  readonly report: DataReport;
  /** By column name, one text per row of `table`, untrimmed; null where the cell is empty. */
  readonly extra: Record<string, (string | null)[]>;
}

/**
 * Also returns when the report refuses the data: what to do with that is the caller's decision.
 * @throws FederationError DATA_SOURCE when the file cannot be read, CONTRACT when it lacks a contract column,
 *   USAGE when it lacks an extra column
 */
export async function loadTable(
  path: string,
  contract: DataContract,
  options: LoadOptions = {},
): Promise<LoadedTable> {
  return await withDataSource(path, async (source) => {
    const extraColumns = [...new Set(options.extraColumns)];
    const needed = `columns of contract "${contract.name}"`;
    assertColumns(source.path, source.columns, contractColumns(contract), needed);
    assertExtraColumns(source, extraColumns);

    const lookups: Uint16Array[] = [];
    /** By column name, where it stands in the SELECT. */
    const positions = new Map<string, number>();
    const selected = [outcomeSql(source.cell(contract.target.column), contract.target)];
    const select = (name: string, sql: string): void => {
      if (positions.has(name)) return;
      positions.set(name, selected.length);
      selected.push(sql);
    };
    for (const [index, feature] of contract.features.entries()) {
      if (feature.type === 'category') {
        const lookup = await createLevels(source, feature, index);
        lookups[index] = lookup;
        select(feature.name, levelSql(source.cell(feature.name), index, lookup.length));
      } else {
        for (const name of numberSources(contract, feature)) select(name, finiteNumber(source.cell(name)));
      }
    }
    const firstExtra = selected.length;
    selected.push(...extraColumns.map((name) => source.cell(name)));
    const chunks = await source.run(`SELECT ${selected.join(', ')} FROM ${source.relation}`);

    const rows = takeOutcomes(chunks);
    const invalidNumbers = contract.features.map(() => 0);
    const columns = contract.features.map((feature, index): Column => {
      const positionOf = (name: string): number => positions.get(name)!;
      if (feature.type === 'category')
        return takeCategory(feature, chunks, rows, positionOf(feature.name), lookups[index]!);
      const sources = numberSources(contract, feature).map((name) =>
        takeNumbers(chunks, rows, positionOf(name)),
      );
      invalidNumbers[index] = countInvalid(sources, rows.used);
      return { feature, values: derivedColumn(contract, feature, sources) ?? sources[0]!.values };
    });
    const table: Table = { rowCount: rows.used, columns, bad: rows.bad };
    const { read: rowsRead, targetMissing, targetInvalid } = rows;
    const report = checkTable(table, contract, { rowsRead, targetMissing, targetInvalid, invalidNumbers });
    const extra = Object.fromEntries(
      extraColumns.map((name, i) => [name, takeTexts(chunks, rows, firstExtra + i)] as const),
    );
    return { table, report, extra };
  });
}

function assertExtraColumns({ path, columns }: DataSource, wanted: readonly string[]): void {
  for (const name of wanted) {
    if (columns.includes(name)) continue;
    const hint = nearestHint(name, columns);
    throw new FederationError('USAGE', `${path} has no column "${name}"${hint}; name one of its columns`);
  }
}

/** 1 bad, 0 good, 2 invalid, NULL missing. */
export function outcomeSql(cell: string, target: DataContract['target']): string {
  const text = trimmedText(cell);
  const equals = (wanted: string): string => {
    const trimmed = trimBlanks(wanted);
    const same = `${text} = ${sqlText(trimmed)}`;
    const isNumber =
      /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) && Number.isFinite(Number(trimmed));
    return isNumber ? `(${same} OR ${finiteNumber(cell)} = ${Number(trimmed)}::DOUBLE)` : same;
  };
  const otherwise = target.good === undefined ? '0' : `CASE WHEN ${equals(target.good)} THEN 0 ELSE 2 END`;
  const code = `CASE WHEN ${text} IS NULL THEN NULL WHEN ${equals(target.bad)} THEN 1 ELSE ${otherwise} END`;
  return `(${code})::UTINYINT`;
}

/**
 * Declares the feature's vocabulary as a DuckDB enum, whose cast is a hash lookup. A level is also found
 * under its canonical text, unless that is another level's own.
 * @returns the category code of each enum label
 */
async function createLevels(
  source: DataSource,
  feature: CategoryFeature,
  index: number,
): Promise<Uint16Array> {
  const codes = levelCodes(feature.categories);
  // Enum labels cannot hold a zero byte; such a level matches no cell.
  for (const label of codes.keys()) if (label.includes('\0')) codes.delete(label);
  if (codes.size === 0) codes.set('', 1); // an enum needs a label; '' is missing and never looked up
  await source.run(`CREATE TYPE levels${index} AS ENUM (${[...codes.keys()].map(sqlText).join(', ')})`);
  return Uint16Array.from(codes.values());
}

/** Position of the cell's text in the enum; `labelCount` where it is not in it; NULL where missing. */
function levelSql(cell: string, index: number, labelCount: number): string {
  const position = (text: string): string => `enum_code(TRY_CAST(${text} AS levels${index}))::USMALLINT`;
  const other = `CASE WHEN ${trimmedText(cell)} IS NOT NULL THEN ${labelCount}::USMALLINT END`;
  return `coalesce(${position(trimmedText(cell))}, ${position(canonicalText(cell))}, ${other})`;
}

interface Rows {
  readonly read: number;
  readonly used: number;
  readonly targetMissing: number;
  readonly targetInvalid: number;
  /** Per chunk, the rows kept. */
  readonly kept: readonly Uint16Array[];
  readonly bad: Uint8Array;
}

function takeOutcomes(chunks: readonly DuckDBDataChunk[]): Rows {
  let [read, targetMissing, targetInvalid] = [0, 0, 0];
  const outcomes: number[] = [];
  const kept = chunks.map((chunk) => {
    const vector = chunk.getColumnVector(0);
    const indices: number[] = [];
    for (let i = 0; i < chunk.rowCount; i++) {
      const outcome = vector.getItem(i) as number | null;
      if (outcome === null) targetMissing++;
      else if (outcome === 2) targetInvalid++;
      else {
        indices.push(i);
        outcomes.push(outcome);
      }
    }
    read += chunk.rowCount;
    return Uint16Array.from(indices);
  });
  return { read, used: outcomes.length, targetMissing, targetInvalid, kept, bad: Uint8Array.from(outcomes) };
}

/** The columns of the file that a number feature is read from. */
function numberSources(contract: DataContract, feature: NumberFeature): string[] {
  return feature.derive === undefined
    ? [feature.name]
    : derivationInputs(contract, feature).map(({ name }) => name);
}

interface Numbers {
  /** NaN where missing or invalid. */
  readonly values: Float64Array;
  /** 1 where the cell holds something that is not a finite number. */
  readonly invalid: Uint8Array;
}

function takeNumbers(chunks: readonly DuckDBDataChunk[], rows: Rows, position: number): Numbers {
  const values = new Float64Array(rows.used);
  const invalid = new Uint8Array(rows.used);
  let row = 0;
  chunks.forEach((chunk, c) => {
    const vector = chunk.getColumnVector(position);
    for (const i of rows.kept[c]!) {
      const value = vector.getItem(i) as number | null;
      const usable = value !== null && Number.isFinite(value);
      if (value !== null && !usable) invalid[row] = 1;
      values[row++] = usable ? value : NaN;
    }
  });
  return { values, invalid };
}

/** Rows in which at least one of the columns is invalid. */
function countInvalid(sources: readonly Numbers[], rowCount: number): number {
  let count = 0;
  for (let row = 0; row < rowCount; row++) if (sources.some((s) => s.invalid[row] === 1)) count++;
  return count;
}

function derivedColumn(
  contract: DataContract,
  feature: NumberFeature,
  sources: readonly Numbers[],
): Float64Array | undefined {
  const { derive } = feature;
  if (derive === undefined) return undefined;
  const special = derivationInputs(contract, feature).map((input) => new Set(input.special));
  const inputs = new Float64Array(sources.length);
  return Float64Array.from(sources[0]!.values, (_, row) => {
    sources.forEach(({ values }, i) => {
      const value = values[row]!;
      inputs[i] = special[i]!.has(value) ? NaN : value;
    });
    return derivedValue(derive, inputs);
  });
}

function takeCategory(
  feature: CategoryFeature,
  chunks: readonly DuckDBDataChunk[],
  rows: Rows,
  position: number,
  lookup: Uint16Array,
): CategoryColumn {
  const codes = new Uint16Array(rows.used);
  const other = feature.categories.length + 1;
  let row = 0;
  chunks.forEach((chunk, c) => {
    const vector = chunk.getColumnVector(position);
    for (const i of rows.kept[c]!) {
      const label = vector.getItem(i) as number | null;
      codes[row++] = label === null ? 0 : (lookup[label] ?? other);
    }
  });
  return { feature, codes };
}

function takeTexts(chunks: readonly DuckDBDataChunk[], rows: Rows, position: number): (string | null)[] {
  const texts: (string | null)[] = [];
  chunks.forEach((chunk, c) => {
    const vector = chunk.getColumnVector(position);
    for (const i of rows.kept[c]!) {
      const text = vector.getItem(i) as string | null;
      texts.push(text === '' ? null : text);
    }
  });
  return texts;
}
