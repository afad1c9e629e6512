/**
 * One applicant as the row a scorer takes: a slot a contract feature, holding the number (NaN where missing) or the
 * category's code (0 missing, 1 … k, k + 1 for a value outside the vocabulary). Nothing is guessed: a cell that is
 * not what the contract says is a problem, and is named. Problems never quote a value.
 */
import { derivationInputs, type DataContract, type Feature } from '#shared/contract/contract.ts';
import { derivedValue } from '#shared/contract/derive.ts';
import { cellReader, INVALID, sourceColumns, type SourceColumn } from '#shared/contract/read-cell.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface RowProblem {
  readonly column: string;
  /** What was expected and what came, without the value. */
  readonly message: string;
}

/** Reads one cell: the number or the code of a category, or a text saying what is wrong with it. */
type ValueReader = (cell: unknown) => number | string;
type TextReader = (cell: string) => number | string;

export interface RowReader {
  /** The columns a row is read from, without repeats, in the order `readCells` takes them. */
  readonly columns: readonly string[];
  /**
   * From the texts of a file's cells.
   * @param row receives the slots; of no meaning when there is a problem
   * @returns the first problem
   */
  readCells(cells: readonly (string | null)[], row: Float64Array): RowProblem | undefined;
}

export function createRowReader(contract: DataContract): RowReader {
  const columns = sourceColumns(contract);
  const readers = columns.map(textReader);
  const values = new Float64Array(columns.length);
  const toSlots = slotsFrom(contract, columns);
  return {
    columns: columns.map(({ name }) => name),
    readCells(cells, row) {
      for (let c = 0; c < readers.length; c++) {
        const value = readers[c]!(cells[c] ?? '');
        if (typeof value === 'string') return { column: columns[c]!.name, message: value };
        values[c] = value;
      }
      return toSlots(values, row);
    },
  };
}

/**
 * From a record with a value for each column: a number, a text, or null where it is not known. Other keys are
 * ignored.
 * @throws FederationError CONTRACT naming the column and the kind of value that came
 */
export function rowOf(contract: DataContract, record: Readonly<Record<string, unknown>>): Float64Array {
  const columns = sourceColumns(contract);
  const values = Float64Array.from(columns, (column) => {
    const { name, feature } = column;
    const value = Object.hasOwn(record, name) ? record[name] : undefined;
    const read =
      value === undefined
        ? 'is not there; give null where the value is not known'
        : value === null
          ? missing(feature)
          : valueReader(column)(value);
    if (typeof read === 'string') throw new FederationError('CONTRACT', `column "${name}" ${read}`);
    return read;
  });
  const row = new Float64Array(contract.features.length);
  const problem = slotsFrom(contract, columns)(values, row);
  if (problem !== undefined)
    throw new FederationError('CONTRACT', `column "${problem.column}" ${problem.message}`);
  return row;
}

/** From the values of the columns to the slots of the features: most are copied, some derived. */
function slotsFrom(
  contract: DataContract,
  columns: readonly SourceColumn[],
): (values: Float64Array, row: Float64Array) => RowProblem | undefined {
  const positionOf = new Map(columns.map(({ name }, c) => [name, c]));
  const derived = contract.features.flatMap((feature, j) => {
    if (feature.type !== 'number' || feature.derive === undefined) return [];
    const sources = derivationInputs(contract, feature).map(({ name, special }) => ({
      at: positionOf.get(name)!,
      special: new Set(special),
    }));
    return [{ j, feature, derive: feature.derive, sources, inputs: new Float64Array(sources.length) }];
  });
  const copied = contract.features.flatMap((feature, j) =>
    feature.type === 'number' && feature.derive !== undefined
      ? []
      : [{ j, at: positionOf.get(feature.name)! }],
  );
  return (values, row) => {
    for (const { j, at } of copied) row[j] = values[at]!;
    for (const { j, feature, derive, sources, inputs } of derived) {
      sources.forEach(({ at, special }, i) => {
        const value = values[at]!;
        inputs[i] = special.has(value) ? Number.NaN : value;
      });
      const value = derivedValue(derive, inputs);
      const slot = Number.isNaN(value) ? missing(feature) : value;
      if (typeof slot === 'string') return { column: feature.name, message: slot };
      row[j] = slot;
    }
    return undefined;
  };
}

/** The baseline of an artefact as a row; its texts are levels, its nulls missing even where that is refused. */
export function rowOfBaseline(
  contract: DataContract,
  baseline: readonly (number | string | null)[],
): Float64Array {
  return Float64Array.from(contract.features, (feature, j) => {
    const cell = baseline[j] ?? null;
    if (feature.type === 'number') return typeof cell === 'number' ? cell : Number.NaN;
    return typeof cell === 'string' ? cellReader(feature)(cell) : 0;
  });
}

function textReader({ feature, read }: Pick<SourceColumn, 'feature' | 'read'>): TextReader {
  const isNumber = feature?.type !== 'category';
  return (text) => {
    const value = read(text);
    if (value === INVALID) return 'expected a number, got text that is none';
    return isNumber
      ? Number.isNaN(value)
        ? missing(feature)
        : value
      : value === 0
        ? missing(feature)
        : value;
  };
}

function valueReader(column: SourceColumn): ValueReader {
  if (column.feature?.type !== 'category') {
    return (value) =>
      typeof value === 'number' && Number.isFinite(value) ? value : `expected a number, got ${kindOf(value)}`;
  }
  const fromText = textReader(column);
  return (value) => (typeof value === 'string' ? fromText(value) : `expected a text, got ${kindOf(value)}`);
}

function missing(feature: Feature | undefined): number | string {
  if (feature?.missing === 'refused') return 'must not be missing';
  return feature?.type === 'category' ? 0 : Number.NaN;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return 'a number';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
