/**
 * Federated means and standard deviations, two secure sums in the u64 ring. Two passes, because the squares
 * are then taken around the mean, which avoids the cancellation of E[x²] − E[x]².
 *
 * Each value is rounded to an integer before it is summed, so a sum does not depend on the order of rows or
 * on how they are spread over banks.
 */
import type { DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';
import { type Standardisation } from '#models/preprocessing/transform.ts';
import { numberFeatures, unitScaler } from '#models/preprocessing/unit-range.ts';
import type { Answer, Question } from '#models/program.ts';
import { assertRows, ROWS_MAX } from '#models/rows/rows-max.ts';
import { largestScale, type Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface Means {
  readonly rows: number;
  readonly badRate: number;
  readonly means: readonly number[];
}

export function meansQuestion(contract: DataContract, participants: number): Question {
  const features = numberFeatures(contract).length;
  const count = { scale: 1, clip: ROWS_MAX, rounding: 'nearest' } as const;
  const fields: Field[] = [
    { name: 'rows', length: 1, ...count },
    { name: 'bads', length: 1, ...count },
  ];
  if (features > 0) {
    fields.push({ name: 'present', length: features, ...count });
    fields.push({ name: 'totals', length: features, ...unitSums(participants) });
  }
  return { kind: 'means', ring: 'u64', fields, settings: {}, tensors: {} };
}

export function spreadsQuestion(means: Means, contract: DataContract, participants: number): Question {
  const length = numberFeatures(contract).length;
  const fields: Field[] = [{ name: 'squares', length, ...unitSums(participants) }];
  return { kind: 'spreads', ring: 'u64', fields, settings: { means: means.means }, tensors: {} };
}

function unitSums(participants: number) {
  return { scale: largestScale('u64', participants, ROWS_MAX), clip: ROWS_MAX, rounding: 'nearest' } as const;
}

/** @throws FederationError DATA_SOURCE when no bank has any row */
export function readMeans(
  sum: RingSum,
  contract: DataContract,
): Means & { readonly present: readonly number[] } {
  const rows = sum.number('rows');
  if (rows === 0) throw new FederationError('DATA_SOURCE', 'the banks together have no rows');
  const badRate = sum.number('bads') / rows;
  if (numberFeatures(contract).length === 0) return { rows, badRate, means: [], present: [] };
  const present = [...sum.numbers('present')];
  const totals = sum.numbers('totals');
  return { rows, badRate, present, means: present.map((n, j) => (n > 0 ? totals[j]! / n : 0.5)) };
}

/** A feature that never varies gets deviation 1: it is then 0 in every row. */
export function readStandardisation(sum: RingSum, means: Means, present: readonly number[]): Standardisation {
  const squares = sum.numbers('squares');
  const deviations = present.map((n, j) => {
    const variance = n > 0 ? squares[j]! / n : 0;
    return variance > 0 ? Math.sqrt(variance) : 1;
  });
  return { means: [...means.means], deviations };
}

/** Inside a bank: counts and sums over its own rows. */
export function answerMeans(question: Question, table: Table): Answer {
  assertRows(table);
  let bads = 0;
  for (const bad of table.bad) bads += bad;
  const counts = { rows: Float64Array.of(table.rowCount), bads: Float64Array.of(bads) };
  const totals = question.fields.find((f) => f.name === 'totals');
  if (totals === undefined) return counts;
  const sums = sumUnits(table, totals.scale, (u) => u);
  return { ...counts, present: sums.present, totals: sums.totals };
}

/** Inside a bank: squared deviations from the federation's means. */
export function answerSpreads(question: Question, table: Table): Answer {
  const { means } = question.settings as unknown as { means: number[] };
  const scale = question.fields[0]!.scale;
  return { squares: sumUnits(table, scale, (u, j) => (u - means[j]!) * (u - means[j]!)).totals };
}

function sumUnits(table: Table, scale: number, term: (unit: number, feature: number) => number) {
  const columns = table.columns.filter(isNumberColumn);
  const present = new Float64Array(columns.length);
  const totals = new Float64Array(columns.length);
  columns.forEach(({ feature, values }, j) => {
    const toUnit = unitScaler(feature);
    let units = 0; // integers below 2^53, so the order of addition does not matter
    for (const value of values) {
      if (Number.isNaN(value)) continue;
      present[j]! += 1;
      units += Math.floor(term(toUnit(value), j) * scale + 0.5);
    }
    totals[j] = units / scale;
  });
  return { present, totals };
}
