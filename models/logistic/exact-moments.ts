/**
 * Means and deviations on the scale a network's inputs have (see `preprocessing/transform.ts`), in sums that
 * do not depend on how rows are spread or on how many banks there are; and how often each category occurs.
 */
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import { type Standardisation } from '#models/preprocessing/transform.ts';
import { numberFeatures, unitScaler } from '#models/preprocessing/unit-range.ts';
import { readTwoLimbs, twoLimbFields, TwoLimbSums } from '#models/preprocessing/two-limb-sums.ts';
import type { Answer } from '#models/program.ts';
import type { CategoryFeature, DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

export interface Totals {
  readonly rows: number;
  readonly bads: number;
  /** Of each number feature: rows with a value, and their mean in [0, 1] of the range (½ without any). */
  readonly present: readonly number[];
  readonly means: readonly number[];
  /** Of each category feature, the most frequent category; null when none occurs. */
  readonly typical: readonly (string | null)[];
}

function categoryFeatures(contract: DataContract): CategoryFeature[] {
  return contract.features.filter((f) => f.type === 'category');
}

export function totalsFields(contract: DataContract): Field[] {
  const count = { scale: 1, clip: ROWS_MAX, rounding: 'nearest' } as const;
  const numbers = numberFeatures(contract).length;
  const levels = categoryFeatures(contract).reduce((n, f) => n + f.categories.length, 0);
  return [
    { name: 'rows', length: 1, ...count },
    { name: 'bads', length: 1, ...count },
    ...(numbers === 0
      ? []
      : [{ name: 'present', length: numbers, ...count }, ...twoLimbFields('units', numbers)]),
    ...(levels === 0 ? [] : [{ name: 'levels', length: levels, ...count }]),
  ];
}

/** Inside a bank. */
export function answerTotals(contract: DataContract, table: Table): Answer {
  const numbers = table.columns.filter(isNumberColumn);
  const present = numbers.map(({ values }) => values.reduce((n, x) => n + (Number.isNaN(x) ? 0 : 1), 0));
  const levels = table.columns.flatMap((column) => {
    if (isNumberColumn(column)) return [];
    const counts = Array.from({ length: column.feature.categories.length + 2 }, () => 0);
    for (const code of column.codes) counts[code]! += 1;
    return counts.slice(1, -1);
  });
  return {
    rows: Float64Array.of(table.rowCount),
    bads: Float64Array.of(table.bad.reduce((n, y) => n + y, 0)),
    ...(numbers.length === 0 ? {} : { present: Float64Array.from(present) }),
    ...sumUnits('units', table, (u) => u),
    ...(levels.length === 0 ? {} : { levels: Float64Array.from(levels) }),
  };
}

export function readTotals(sum: RingSum, contract: DataContract): Totals {
  const numbers = numberFeatures(contract).length;
  const present = numbers === 0 ? [] : [...sum.numbers('present')];
  const units = numbers === 0 ? [] : [...readTwoLimbs(sum, 'units')];
  const categories = categoryFeatures(contract);
  const levels = categories.length === 0 ? [] : [...sum.numbers('levels')];
  let at = 0;
  const typical = categories.map((f) => {
    const counts = levels.slice(at, (at += f.categories.length));
    const most = Math.max(...counts);
    return most === 0 ? null : f.categories[counts.indexOf(most)]!;
  });
  const means = units.map((total, j) => (present[j] === 0 ? 0.5 : total / present[j]!));
  return { rows: sum.number('rows'), bads: sum.number('bads'), present, means, typical };
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
  const columns = table.columns.filter(isNumberColumn);
  if (columns.length === 0) return {};
  const sums = new TwoLimbSums(columns.length);
  columns.forEach(({ feature, values }, j) => {
    const toUnit = unitScaler(feature);
    for (const value of values) if (!Number.isNaN(value)) sums.add(j, term(toUnit(value), j));
  });
  return sums.answer(name);
}
