/**
 * A bank's file as the typed arrays of the contract, in file order. Columns the contract does not name are not read.
 * Rows whose outcome is not known, or is in none of the contract's lists, are dropped and counted.
 */
import { checkTable, type Intake } from '#participant-agent/data/check-table.ts';
import { countedTexts } from '#participant-agent/data/counted-texts.ts';
import type { DataReport } from '#participant-agent/data/data-report.ts';
import {
  assertColumns,
  type DataRecord,
  type DataSource,
  wellFormedBatches,
  withDataSource,
} from '#participant-agent/data/data-source.ts';
import { GrowingNumbers } from '#participant-agent/data/growing-numbers.ts';
import { nearestHint } from '#participant-agent/data/nearest-name.ts';
import { outcomeKey } from '#shared/contract/cell-text.ts';
import {
  contractColumns,
  derivationInputs,
  type DataContract,
  type Feature,
  type NumberFeature,
} from '#shared/contract/contract.ts';
import { derivedValue } from '#shared/contract/derive.ts';
import { BAD, GOOD, NOT_KNOWN, outcomeReader, UNLISTED } from '#shared/contract/outcome.ts';
import { type CellReader, INVALID, sourceColumns } from '#shared/contract/read-cell.ts';
import { selectRows, type Column, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Different spellings of the outcome that are told apart; a column with more is no outcome. */
const SPELLINGS_MAX = 1000;

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
    assertColumns(path, source.columns, contractColumns(contract), `columns of contract "${contract.name}"`);
    assertExtraColumns(source, extraColumns);
    const rows = new RowCollector(contract, extraColumns);
    for await (const batch of wellFormedBatches(source, [...rows.columns, ...extraColumns]))
      for (const record of batch) rows.add(record);
    return rows.finish();
  });
}

function assertExtraColumns({ path, columns }: DataSource, wanted: readonly string[]): void {
  for (const name of wanted) {
    if (columns.includes(name)) continue;
    const hint = nearestHint(name, columns);
    throw new FederationError('USAGE', `${path} has no column "${name}"${hint}; name one of its columns`);
  }
}

class RowCollector {
  /** The columns a record's cells begin with: the outcome, then what the features are read from. */
  readonly columns: readonly string[];
  private readonly contract: DataContract;
  private readonly extraColumns: readonly string[];
  private readonly sources: readonly GrowingNumbers[];
  private readonly read: CellReader[];
  private readonly outcomeOf: ReturnType<typeof outcomeReader>;
  private readonly bad = new GrowingNumbers();
  private readonly texts: (string | null)[][];
  private rowsRead = 0;
  private setAside = 0;
  private targetMissing = 0;
  /** Rows by spellings that the contract does not list. */
  private readonly unlisted = new Map<string, number>();
  private unlistedRows = 0;

  constructor(contract: DataContract, extraColumns: readonly string[]) {
    const columns = sourceColumns(contract);
    this.columns = [contract.target.column, ...columns.map(({ name }) => name)];
    this.contract = contract;
    this.extraColumns = extraColumns;
    this.read = columns.map(({ read }) => read);
    this.sources = columns.map(() => new GrowingNumbers());
    this.outcomeOf = outcomeReader(contract.target);
    this.texts = extraColumns.map(() => []);
  }

  add({ cells, aside }: DataRecord): void {
    if (aside !== undefined) {
      this.setAside++;
      return;
    }
    this.rowsRead++;
    const key = outcomeKey(cells[0] ?? '');
    const outcome = this.outcomeOf(key);
    if (outcome === NOT_KNOWN) {
      this.targetMissing++;
      return;
    }
    if (outcome === UNLISTED) {
      this.unlistedRows++;
      if (this.unlisted.size < SPELLINGS_MAX || this.unlisted.has(key))
        this.unlisted.set(key, (this.unlisted.get(key) ?? 0) + 1);
      if (this.contract.target.good !== undefined) return;
    }
    this.bad.push(outcome === BAD ? BAD : GOOD);
    for (let c = 0; c < this.sources.length; c++) this.sources[c]!.push(this.read[c]!(cells[c + 1] ?? ''));
    this.texts.forEach((texts, i) => texts.push(cells[this.columns.length + i] || null));
  }

  finish(): LoadedTable {
    const { contract, rowsRead, targetMissing, setAside } = this;
    const invalidNumbers = contract.features.map((feature) => this.countInvalid(feature));
    const columns = contract.features.map((feature): Column => {
      const sources = this.sourcesOf(feature).map((source) => source.values());
      if (feature.type === 'category') return { feature, codes: Uint16Array.from(sources[0]!) };
      for (const values of sources) values.forEach((x, i) => x === INVALID && (values[i] = NaN));
      return { feature, values: derivedColumn(contract, feature, sources) ?? sources[0]! };
    });
    const bad = Uint8Array.from(this.bad.values());
    const all: Table = { rowCount: bad.length, columns, bad };
    // The one other spelling of the file is good; of several, nobody knows which.
    const isGuess = contract.target.good === undefined && this.unlisted.size > 1;
    const listed = isGuess ? Uint32Array.from(bad.keys()).filter((row) => bad[row] === BAD) : undefined;
    const table = listed === undefined ? all : selectRows(all, listed);
    const isRefused = isGuess || contract.target.good !== undefined;
    const intake: Intake = {
      rowsRead,
      targetMissing,
      targetInvalid: isRefused ? this.unlistedRows : 0,
      unlistedOutcomes: isRefused ? countedTexts(this.unlisted, '') : '',
      setAside,
      invalidNumbers,
    };
    const extra = this.extraColumns.map((name, i) => {
      const texts = this.texts[i]!;
      return [name, listed === undefined ? texts : Array.from(listed, (row) => texts[row]!)] as const;
    });
    return { table, report: checkTable(table, contract, intake), extra: Object.fromEntries(extra) };
  }

  private sourcesOf(feature: Feature): GrowingNumbers[] {
    const names =
      feature.type === 'number' && feature.derive !== undefined
        ? derivationInputs(this.contract, feature).map(({ name }) => name)
        : [feature.name];
    return names.map((name) => this.sources[this.columns.indexOf(name) - 1]!);
  }

  /** Rows in which at least one of the feature's columns is filled with something else than a number. */
  private countInvalid(feature: Feature): number {
    if (feature.type === 'category') return 0;
    const sources = this.sourcesOf(feature).map((source) => source.values());
    let count = 0;
    for (let row = 0; row < this.bad.length; row++) if (sources.some((s) => s[row] === INVALID)) count++;
    return count;
  }
}

function derivedColumn(
  contract: DataContract,
  feature: NumberFeature,
  sources: readonly Float64Array[],
): Float64Array | undefined {
  const { derive } = feature;
  if (derive === undefined) return undefined;
  const special = derivationInputs(contract, feature).map((input) => new Set(input.special));
  const inputs = new Float64Array(sources.length);
  return Float64Array.from(sources[0]!, (_, row) => {
    sources.forEach((values, i) => {
      const value = values[row]!;
      inputs[i] = special[i]!.has(value) ? NaN : value;
    });
    return derivedValue(derive, inputs);
  });
}
