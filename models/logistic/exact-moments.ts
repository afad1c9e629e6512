/**
 * Means and deviations on the scale a network's inputs have (see `preprocessing/transform.ts`), in sums that
 * do not depend on how rows are spread or on how many banks there are; and how often each category occurs.
 */
import {
  answerRowCounts,
  readRowCounts,
  rowCountFields,
  type RowCounts,
} from '#models/preprocessing/row-counts.ts';
import type { Standardisation } from '#models/preprocessing/transform.ts';
import { numberFeatures, visitUnits } from '#models/preprocessing/unit-range.ts';
import { readTwoLimbs, twoLimbFields, TwoLimbSums } from '#models/preprocessing/two-limb-sums.ts';
import type { Answer } from '#models/program.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

export interface Totals extends RowCounts {
  /** Of each number feature: rows with an ordinary value, and their mean in [0, 1] of the range (½ without any). */
  readonly present: readonly number[];
  readonly means: readonly number[];
}

export function totalsFields(contract: DataContract): Field[] {
  const numbers = numberFeatures(contract).length;
  if (numbers === 0) return rowCountFields(contract);
  return [
    ...rowCountFields(contract),
    { name: 'present', length: numbers, scale: 1, clip: ROWS_MAX, rounding: 'nearest' },
    ...twoLimbFields('units', numbers),
  ];
}

/** Inside a bank. */
export function answerTotals(table: Table): Answer {
  const counts = answerRowCounts(table);
  const numbers = table.columns.filter(isNumberColumn);
  if (numbers.length === 0) return counts;
  const present = new Float64Array(numbers.length);
  visitUnits(table, (_, j) => (present[j]! += 1));
  return { ...counts, present, ...sumUnits('units', table, (u) => u) };
}

/** @param kMin fewest rows of a category that is named */
export function readTotals(sum: RingSum, contract: DataContract, kMin: number): Totals {
  const counts = readRowCounts(sum, contract, kMin);
  if (numberFeatures(contract).length === 0) return { ...counts, present: [], means: [] };
  const present = [...sum.numbers('present')];
  const means = [...readTwoLimbs(sum, 'units')].map((total, j) =>
    present[j] === 0 ? 0.5 : total / present[j]!,
  );
  return { ...counts, present, means };
}

/** Inside a bank: squared distances from the means. */
export function answerSquares(table: Table, means: readonly number[]): Answer {
  return sumUnits('squares', table, (u, j) => (u - means[j]!) * (u - means[j]!));
}

/** A feature that never varies gets deviation 1: it is then 0 in every row. */
export function readExactStandardisation(sum: RingSum, { present, means }: Totals): Standardisation {
  const deviations = [...readTwoLimbs(sum, 'squares')].map((squares, j) =>
    squares > 0 ? Math.sqrt(squares / present[j]!) : 1,
  );
  return { means: [...means], deviations };
}

function sumUnits(name: string, table: Table, term: (unit: number, feature: number) => number): Answer {
  const sums = new TwoLimbSums(table.columns.filter(isNumberColumn).length);
  visitUnits(table, (unit, j) => sums.add(j, term(unit, j)));
  return sums.answer(name);
}
