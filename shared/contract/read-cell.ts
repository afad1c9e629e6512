/** How training and scoring read the cells of a file under a contract: one function a column, the same for both. */
import { canonicalValue, levelCodes, numberOfText, trimBlanks } from '#shared/contract/cell-text.ts';
import {
  contractColumns,
  type CategoryFeature,
  type DataContract,
  type Feature,
  type NumberFeature,
} from '#shared/contract/contract.ts';
import { notationReader } from '#shared/contract/number-notation.ts';

/** Of a number column: the cell is filled with something that is no number. */
export const INVALID = Infinity;

/** A number (NaN missing, INVALID), or a category's code (0 missing, 1 … k, k + 1 for a text outside the vocabulary). */
export type CellReader = (text: string) => number;

/** A column of the file that features are read from. */
export interface SourceColumn {
  readonly name: string;
  /** The feature of that name, or undefined for a number that features are only derived from. */
  readonly feature: Feature | undefined;
  readonly read: CellReader;
}

/** Without the outcome, each once. */
export function sourceColumns(contract: DataContract): SourceColumn[] {
  const own = new Map(contract.features.map((feature) => [feature.name, feature]));
  return contractColumns(contract)
    .filter((name) => name !== contract.target.column)
    .map((name) => {
      const feature = own.get(name);
      return { name, feature, read: cellReader(feature, contract.missingMarkers) };
    });
}

/** @param markers texts that stand for a missing cell, where they are not a category of the column */
export function cellReader(feature: Feature | undefined, markers: readonly string[] = []): CellReader {
  const isMissing = new Set(['', ...markers.map(trimBlanks)]);
  return feature?.type === 'category' ? categoryReader(feature, isMissing) : numberReader(feature, isMissing);
}

function numberReader(feature: NumberFeature | undefined, isMissing: ReadonlySet<string>): CellReader {
  const numberOf = feature?.notation === undefined ? undefined : notationReader(feature.notation);
  return (text) => {
    const value = numberOf === undefined ? numberOfText(text) : numberOf(trimBlanks(text));
    if (Number.isFinite(value)) return value;
    return isMissing.has(trimBlanks(text)) ? Number.NaN : INVALID;
  };
}

function categoryReader({ categories }: CategoryFeature, isMissing: ReadonlySet<string>): CellReader {
  const codes = levelCodes(categories);
  const other = categories.length + 1;
  return (text) => {
    const known = codes.get(text); // as nearly every cell is found
    if (known !== undefined && text !== '') return known;
    const trimmed = trimBlanks(text);
    if (trimmed === '') return 0;
    const code = codes.get(trimmed) ?? codes.get(canonicalValue(trimmed));
    return code ?? (isMissing.has(trimmed) ? 0 : other);
  };
}
