/**
 * One applicant as the row a scorer takes: a slot a contract feature, holding the number (NaN where missing) or the
 * category's code (0 missing, 1 … k, k + 1 for a value outside the vocabulary). Nothing is guessed: a cell that is
 * not what the contract says is a problem, and is named. Problems never quote a value.
 */
import { canonicalValue, levelCodes, numberOfText, trimBlanks } from '#shared/contract/cell-text.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface RowProblem {
  readonly column: string;
  /** What was expected and what came, without the value. */
  readonly message: string;
}

/** Reads one cell. Returns the slot's value, or what is wrong with the cell. */
type CellReader<Cell> = (cell: Cell) => number | string;

export interface RowReader {
  /** The columns a row is read from, in the order `readCells` takes them. */
  readonly columns: readonly string[];
  /**
   * From the texts of a file's cells.
   * @param row receives the slots; of no meaning when there is a problem
   * @returns the first problem
   */
  readCells(cells: readonly (string | null)[], row: Float64Array): RowProblem | undefined;
}

export function createRowReader(contract: DataContract): RowReader {
  const columns = contract.features.map((feature) => feature.name);
  const readers = contract.features.map((feature) => textReader(feature));
  return {
    columns,
    readCells(cells, row) {
      for (let j = 0; j < readers.length; j++) {
        const value = readers[j]!(cells[j] ?? '');
        if (typeof value === 'string') return { column: columns[j]!, message: value };
        row[j] = value;
      }
      return undefined;
    },
  };
}

/**
 * From a record with a value for each feature: a number, a text, or null where it is not known. Other keys are
 * ignored.
 * @throws FederationError CONTRACT naming the column and the kind of value that came
 */
export function rowOf(contract: DataContract, record: Readonly<Record<string, unknown>>): Float64Array {
  return Float64Array.from(contract.features, (feature) => {
    const value = Object.hasOwn(record, feature.name) ? record[feature.name] : undefined;
    const slot =
      value === undefined
        ? 'is not there; give null where the value is not known'
        : value === null
          ? missing(feature)
          : valueReader(feature)(value);
    if (typeof slot === 'string') throw new FederationError('CONTRACT', `column "${feature.name}" ${slot}`);
    return slot;
  });
}

/** The baseline of an artefact as a row; its texts are levels, its nulls missing even where that is refused. */
export function rowOfBaseline(
  contract: DataContract,
  baseline: readonly (number | string | null)[],
): Float64Array {
  return Float64Array.from(contract.features, (feature, j) => {
    const cell = baseline[j] ?? null;
    if (feature.type === 'number') return typeof cell === 'number' ? cell : Number.NaN;
    return typeof cell === 'string' ? categoryCode(feature.categories)(cell) : 0;
  });
}

type Feature = DataContract['features'][number];

function textReader(feature: Feature): CellReader<string> {
  if (feature.type === 'number') {
    return (text) => {
      const value = numberOfText(text);
      if (!Number.isNaN(value)) return value;
      return trimBlanks(text) === '' ? missing(feature) : 'expected a number, got text that is none';
    };
  }
  const codeOf = categoryCode(feature.categories);
  return (text) => {
    const code = codeOf(text);
    return code === 0 ? missing(feature) : code;
  };
}

function valueReader(feature: Feature): CellReader<unknown> {
  if (feature.type === 'number') {
    return (value) =>
      typeof value === 'number' && Number.isFinite(value)
        ? value
        : `expected a number, got ${kindOf(value)}`;
  }
  const fromText = textReader(feature);
  return (value) => (typeof value === 'string' ? fromText(value) : `expected a text, got ${kindOf(value)}`);
}

/** 0 for text that is empty after trimming. */
function categoryCode(categories: readonly string[]): (text: string) => number {
  const codes = levelCodes(categories);
  const other = categories.length + 1;
  return (text) => {
    const known = codes.get(text); // as nearly every cell is found
    if (known !== undefined && text !== '') return known;
    const trimmed = trimBlanks(text);
    if (trimmed === '') return 0;
    return codes.get(trimmed) ?? codes.get(canonicalValue(trimmed)) ?? other;
  };
}

function missing(feature: Feature): number | string {
  if (feature.missing === 'refused') return 'must not be missing';
  return feature.type === 'number' ? Number.NaN : 0;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return 'a number';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
