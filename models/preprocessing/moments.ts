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
import { answerRowCounts, readRowCounts, rowCountFields } from '#models/preprocessing/row-counts.ts';
import { numberFeatures, visitUnits } from '#models/preprocessing/unit-range.ts';
import type { Answer, Question } from '#models/program.ts';
import { assertRows, ROWS_MAX } from '#models/rows/rows-max.ts';
import { largestScale, type Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface Means {
  readonly rows: number;
  readonly badRate: number;
  readonly means: readonly number[];
  /** The most frequent category of each category feature; null where none has kMin rows. */
  readonly modes: readonly (string | null)[];
}

export function meansQuestion(contract: DataContract, participants: number): Question {
  const numbers = numberFeatures(contract).length;
  const fields: Field[] = rowCountFields(contract);
  if (numbers > 0) {
    fields.push({ name: 'present', length: numbers, scale: 1, clip: ROWS_MAX, rounding: 'nearest' });
    fields.push({ name: 'totals', length: numbers, ...unitSums(participants) });
  }
  return { kind: 'means', ring: 'u64', fields, settings: {}, tensors: {} };
}

export function spreadsQuestion(
  { means }: Pick<Means, 'means'>,
  contract: DataContract,
  participants: number,
): Question {
  const length = numberFeatures(contract).length;
  const fields: Field[] = [{ name: 'squares', length, ...unitSums(participants) }];
  return { kind: 'spreads', ring: 'u64', fields, settings: { means }, tensors: {} };
}

function unitSums(participants: number) {
  return { scale: largestScale('u64', participants, ROWS_MAX), clip: ROWS_MAX, rounding: 'nearest' } as const;
}

/**
 * @param kMin fewest rows of a category that is named
 * @throws FederationError DATA_SOURCE when no bank has any row
 */
export function readMeans(
  sum: RingSum,
  contract: DataContract,
  kMin: number,
): Means & { readonly present: readonly number[] } {
  const { rows, bads, modes } = readRowCounts(sum, contract, kMin);
  if (rows === 0) throw new FederationError('DATA_SOURCE', 'the banks together have no rows');
  const badRate = bads / rows;
  if (numberFeatures(contract).length === 0) return { rows, badRate, modes, means: [], present: [] };
  const present = [...sum.numbers('present')];
  const totals = sum.numbers('totals');
  return { rows, badRate, modes, present, means: present.map((n, j) => (n > 0 ? totals[j]! / n : 0.5)) };
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
  const counts = answerRowCounts(table);
  const totals = question.fields.find((f) => f.name === 'totals');
  return totals === undefined ? counts : { ...counts, ...sumUnits(table, totals.scale, (u) => u) };
}

/** Inside a bank: squared deviations from the federation's means. */
export function answerSpreads(question: Question, table: Table): Answer {
  const { means } = question.settings as unknown as { means: number[] };
  const scale = question.fields[0]!.scale;
  return { squares: sumUnits(table, scale, (u, j) => (u - means[j]!) * (u - means[j]!)).totals };
}

function sumUnits(table: Table, scale: number, term: (unit: number, feature: number) => number) {
  const size = table.columns.filter(isNumberColumn).length;
  const present = new Float64Array(size);
  const quanta = new Float64Array(size); // integers below 2^53, so the order of addition does not matter
  visitUnits(table, (unit, j) => {
    present[j]! += 1;
    quanta[j]! += Math.floor(term(unit, j) * scale + 0.5);
  });
  return { present, totals: quanta.map((q) => q / scale) };
}
