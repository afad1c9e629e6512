/**
 * How a model does on parts of the applicants: each category of chosen features, on the hold-out rows of all banks.
 * The banks add up one histogram of scores for each category and outcome; everything else is read from the sums.
 */
import { z } from 'zod';
import { discriminationOf, SCORE_BINS, scoreBin } from '#models/metrics/score-histogram.ts';
import type { Answer } from '#models/program.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import { withheldCells } from '#models/rows/withheld-cells.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

const SEGMENTS_MAX = 4;
/** Categories of one feature, missing and other included: each costs 6.4 kB a bank and round. */
const CELLS_MAX = 64;

/** In a plan: names of category features. */
export const segmentNames = z.array(z.string().min(1).max(100)).max(SEGMENTS_MAX).default([]);

/** In an artefact: one row for each category of each feature; null is withheld or does not exist. */
export const segmentRecord = z.strictObject({
  feature: z.string(),
  category: z.string(),
  rows: z.int().min(0).nullable(),
  badRate: z.number().nullable(),
  /** After calibration. */
  meanPd: z.number().nullable(),
  auc: z.number().nullable(),
  /** The exact AUC is within this of `auc`. */
  aucError: z.number().nullable(),
  ks: z.number().nullable(),
});
export type SegmentRecord = z.infer<typeof segmentRecord>;

/** One feature to look at the parts of. */
export interface Segment {
  /** Index into the contract's features. */
  readonly feature: number;
  readonly name: string;
  /** By code: missing, the categories, other (contract/table.ts). */
  readonly cells: readonly string[];
}

/** @throws FederationError PLAN when a name is not that of a category feature, or one with too many categories */
export function segmentsOf(contract: DataContract, names: readonly string[]): Segment[] {
  return names.map((name, i) => {
    const index = contract.features.findIndex((f) => f.name === name);
    const feature = contract.features[index];
    const refuse = (message: string) =>
      new FederationError('PLAN', `program.settings.segments.${i}: ${message}`);
    if (feature?.type !== 'category')
      throw refuse(
        `expected the name of a category feature of the contract, got "${name}"; it has ${
          contract.features.flatMap((f) => (f.type === 'category' ? `"${f.name}"` : [])).join(', ') || 'none'
        }`,
      );
    if (names.indexOf(name) !== i) throw refuse(`"${name}" is there twice`);
    const cells = ['(missing)', ...feature.categories, '(other)'];
    if (cells.length > CELLS_MAX)
      throw refuse(
        `"${name}" has ${feature.categories.length} categories; at most ${CELLS_MAX - 2} can be looked at`,
      );
    return { feature: index, name, cells };
  });
}

const fieldName = (prefix: string, segment: number, outcome: 'Bad' | 'Good'): string =>
  `${prefix}Segment${segment}${outcome}`;

export function segmentFields(prefix: string, segments: readonly Segment[]): Field[] {
  return segments.flatMap(({ cells }, i) =>
    (['Bad', 'Good'] as const).map((outcome) => ({
      ...{ name: fieldName(prefix, i, outcome), length: cells.length * SCORE_BINS },
      ...{ scale: 1, clip: ROWS_MAX, rounding: 'nearest' as const },
    })),
  );
}

/**
 * Inside a bank.
 * @param logits the model's log-odds of each row, before calibration
 */
export function answerSegments(
  prefix: string,
  segments: readonly Segment[],
  { columns, bad }: Table,
  logits: Float64Array,
): Answer {
  const answer: Record<string, Float64Array> = {};
  segments.forEach(({ feature, cells }, i) => {
    const column = columns[feature]!;
    if (isNumberColumn(column)) throw new TypeError(`feature ${feature} is no category`);
    const counts = (['Good', 'Bad'] as const).map(
      (outcome) => (answer[fieldName(prefix, i, outcome)] = new Float64Array(cells.length * SCORE_BINS)),
    );
    for (let row = 0; row < logits.length; row++)
      counts[bad[row]!]![column.codes[row]! * SCORE_BINS + scoreBin(logits[row]!, SCORE_BINS)]! += 1;
  });
  return answer;
}

/**
 * @param pdOfBin mean calibrated PD of the hold-out rows in each score bin
 * @param kMin fewest rows of a category whose figures are said; others are withheld so that none follows from the
 *   rest
 */
export function readSegments(
  prefix: string,
  sum: RingSum,
  segments: readonly Segment[],
  pdOfBin: Float64Array,
  kMin: number,
): SegmentRecord[] {
  return segments.flatMap(({ name, cells }, i) => {
    const [bad, good] = (['Bad', 'Good'] as const).map((outcome) =>
      sum.numbers(fieldName(prefix, i, outcome)),
    ) as [Float64Array, Float64Array];
    const ofCell = (counts: Float64Array, cell: number) =>
      counts.subarray(cell * SCORE_BINS, (cell + 1) * SCORE_BINS);
    const rows = cells.map((_, cell) => total(ofCell(bad, cell)) + total(ofCell(good, cell)));
    const withheld = withheldCells(rows, kMin);
    return cells.flatMap((category, cell) =>
      rows[cell] === 0
        ? []
        : {
            ...{ feature: name, category },
            ...(withheld[cell] ? WITHHELD : figuresOf(ofCell(bad, cell), ofCell(good, cell), pdOfBin)),
          },
    );
  });
}

type Figures = Omit<SegmentRecord, 'feature' | 'category'>;

const WITHHELD: Figures = { rows: null, badRate: null, meanPd: null, auc: null, aucError: null, ks: null };

function figuresOf(bad: Float64Array, good: Float64Array, pdOfBin: Float64Array): Figures {
  const bads = total(bad);
  const rows = bads + total(good);
  const pds = pdOfBin.reduce((n, pd, bin) => n + pd * (bad[bin]! + good[bin]!), 0);
  const { auc, aucError, ks } = discriminationOf(bad, good) ?? { auc: null, aucError: null, ks: null };
  return { rows, badRate: bads / rows, meanPd: pds / rows, auc, aucError, ks };
}

function total(counts: Float64Array): number {
  return counts.reduce((a, b) => a + b, 0);
}
