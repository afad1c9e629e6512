/**
 * The first question: how many training rows and bads there are, and how often each category occurs. It gives
 * the log-odds the first tree starts from and the categories of the baseline applicant.
 */
import { log } from '#models/arithmetic/exp-log.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { Answer, Question } from '#models/program.ts';
import type { CategoryFeature, DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

export interface Totals {
  readonly rows: number;
  readonly bads: number;
  /** ln(bads / goods). */
  readonly baseLogit: number;
  /** The most frequent category of each category feature, null where none has kMin rows. */
  readonly modes: readonly (string | null)[];
}

export function totalsQuestion(contract: DataContract): Question {
  const count = { scale: 1, clip: ROWS_MAX, rounding: 'nearest' } as const;
  const categories = categoryFeatures(contract).reduce((n, f) => n + f.categories.length, 0);
  const fields: Field[] = [
    { name: 'rows', length: 1, ...count },
    { name: 'bads', length: 1, ...count },
  ];
  if (categories > 0) fields.push({ name: 'categories', length: categories, ...count });
  return { kind: 'totals', ring: 'u64', fields, settings: {}, tensors: {} };
}

/** Inside a bank: counts over its training rows. */
export function answerTotals(question: Question, training: Table): Answer {
  let bads = 0;
  for (const bad of training.bad) bads += bad;
  const totals = { rows: Float64Array.of(training.rowCount), bads: Float64Array.of(bads) };
  const field = question.fields.find(({ name }) => name === 'categories');
  if (field === undefined) return totals;
  const categories = new Float64Array(field.length);
  let start = 0;
  for (const column of training.columns) {
    if (isNumberColumn(column)) continue;
    const levels = column.feature.categories.length;
    // 0 is missing and levels + 1 is outside the vocabulary
    for (const code of column.codes) if (code >= 1 && code <= levels) categories[start + code - 1]! += 1;
    start += levels;
  }
  return { ...totals, categories };
}

/** @throws FederationError DATA_SOURCE when there are no bads or no goods */
export function readTotals(sum: RingSum, contract: DataContract, kMin: number): Totals {
  const [rows, bads] = [sum.number('rows'), sum.number('bads')];
  if (bads === 0 || bads === rows) {
    throw new FederationError(
      'DATA_SOURCE',
      'the training rows of all banks together need both outcomes, bad and good',
    );
  }
  const features = categoryFeatures(contract);
  const counts = features.length > 0 ? sum.numbers('categories') : new Float64Array();
  let start = 0;
  const modes = features.map(({ categories }) => {
    const own = counts.subarray(start, (start += categories.length));
    const most = own.reduce((best, count, i) => (count > own[best]! ? i : best), 0);
    return own[most]! >= kMin ? categories[most]! : null;
  });
  return { rows, bads, baseLogit: log(bads / (rows - bads)), modes };
}

function categoryFeatures(contract: DataContract): CategoryFeature[] {
  return contract.features.filter((f) => f.type === 'category');
}
