/**
 * How many rows and bads there are and how often each category occurs, as a part of a question: what log-odds start
 * from, and of which categories the baseline applicant is made. Exact counts over all banks.
 */
import type { Answer } from '#models/program.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { CategoryFeature, DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

export interface RowCounts {
  readonly rows: number;
  readonly bads: number;
  /** The most frequent category of each category feature; see `modeOf`. */
  readonly modes: readonly (string | null)[];
}

export function rowCountFields(contract: DataContract): Field[] {
  const count = { scale: 1, clip: ROWS_MAX, rounding: 'nearest' } as const;
  const categories = categoryFeatures(contract).reduce((n, f) => n + f.categories.length, 0);
  return [
    { name: 'rows', length: 1, ...count },
    { name: 'bads', length: 1, ...count },
    ...(categories === 0 ? [] : [{ name: 'categories', length: categories, ...count }]),
  ];
}

/** Inside a bank. */
export function answerRowCounts(table: Table): Answer {
  const categories = table.columns.flatMap((column) => {
    if (isNumberColumn(column)) return [];
    // 0 is missing and the last one outside the vocabulary
    const counts = Array.from({ length: column.feature.categories.length + 2 }, () => 0);
    for (const code of column.codes) counts[code]! += 1;
    return counts.slice(1, -1);
  });
  return {
    rows: Float64Array.of(table.rowCount),
    bads: Float64Array.of(table.bad.reduce((n, y) => n + y, 0)),
    ...(categories.length === 0 ? {} : { categories: Float64Array.from(categories) }),
  };
}

/** @param kMin fewest rows of a category that is named */
export function readRowCounts(sum: RingSum, contract: DataContract, kMin: number): RowCounts {
  const features = categoryFeatures(contract);
  const counts = features.length === 0 ? new Float64Array() : sum.numbers('categories');
  let at = 0;
  const modes = features.map(({ categories }) =>
    modeOf(categories, counts.subarray(at, (at += categories.length)), kMin),
  );
  return { rows: sum.number('rows'), bads: sum.number('bads'), modes };
}

/**
 * The most frequent category, of several the first.
 * @param counts rows of each category, further ones are not looked at
 * @returns null when it has fewer than kMin rows
 */
export function modeOf(
  categories: readonly string[],
  counts: ArrayLike<number>,
  kMin: number,
): string | null {
  let most = 0;
  for (let i = 1; i < categories.length; i++) if (counts[i]! > counts[most]!) most = i;
  return counts[most]! >= kMin ? categories[most]! : null;
}

/**
 * What there must be to learn from, over the training rows of all banks.
 * @param least rows, and bads and goods each
 * @throws FederationError DATA_SOURCE saying what is missing
 */
export function assertEnough(
  { rows, bads }: { readonly rows: number; readonly bads: number },
  least: { readonly rows: number; readonly each: number },
  what: string,
): void {
  const refuse = (needed: string) => new FederationError('DATA_SOURCE', `${what} needs at least ${needed}`);
  // how many there are is not said: so few would be published by it
  if (rows < least.rows) throw refuse(`${least.rows} training rows of all banks together, says the plan`);
  if (bads < least.each || rows - bads < least.each)
    throw refuse(`${least.each} bads and ${least.each} goods among the training rows of all banks together`);
}

function categoryFeatures(contract: DataContract): CategoryFeature[] {
  return contract.features.filter((f) => f.type === 'category');
}
