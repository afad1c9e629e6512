/** The rules of contract inference: from a column's cells to a feature, or to the reason why it is none. Pure. */
import { DATA_THRESHOLDS } from '#participant-agent/data/check-table.ts';
import type { ColumnCells } from '#participant-agent/data/column-cells.ts';
import { formatPercent, groupDigits } from '#participant-agent/data/data-report.ts';
import { numberRange } from '#participant-agent/data/number-range.ts';
import { type ColumnProfile, profileColumn } from '#participant-agent/data/profile-column.ts';
import type { CategoryFeature, Feature, NumberFeature } from '#shared/contract/contract.ts';
import { notationName, type NumberNotation } from '#shared/contract/number-notation.ts';

/** A column is a number when this share of its cells is; the rest are typing errors. */
const NUMBER_SHARE_MIN = 0.99;
/** Whole numbers of so few values are codes, or counts for which one column a value loses nothing. */
const CODE_VALUES_MAX = 6;
/** Whole numbers of so few values might be codes: kept as a number, with a note. */
const PERHAPS_CODE_VALUES_MAX = 12;
const LEVELS_MAX = 60;
const LEVEL_LENGTH_MAX = 200;
/**
 * Kept levels that cover less say little: free text, or nearly one value an applicant. The data check would
 * refuse the column as well, and a draft must fit the file it was drawn from.
 */
const COVERAGE_MIN = 1 - DATA_THRESHOLDS.unknownCategoriesErrorAbove;
const IDENTIFIER_SHARE_ABOVE = 0.5;
const IDENTIFIER_VALUES_ABOVE = 100;
/** Fewer whole numbers may well all differ by chance. */
const UNIQUE_NUMBERS_MIN = 20;
const DATE_SHARE_MIN = 0.95;
/** A level is kept when this share of the rows has it: fewer teach the model nothing and may single out applicants. */
const LEVEL_SHARE_MIN = 0.005;
const LEVEL_ROWS_MIN = 2;
/** Texts among numbers worth a word: below, they are typing errors. */
const MIXED_SHARE_MIN = 0.1;
/** So many numbers with three digits behind the point, all below 1000 without one, look like thousands. */
const GROUPED_MIN = 20;

const IDENTIFIER_NAME =
  /(^|[^a-z])(id|nr|no|num|number|key|account|acct)([^a-z]|$)|id$|编号|代号|序号|账号|证号/i;
const CODE_NAME = /zip|postal|postcode|naics|(^|[^a-z])sic([^a-z]|$)|code|编码|代码|邮编/i;

export interface Decision {
  /** Absent when the column is left out. */
  readonly feature?: Feature;
  /** Clauses without full stop. */
  readonly notes: readonly string[];
}

export interface Reading {
  readonly notation?: NumberNotation | undefined;
  /** Why its numbers cannot be read, a clause. */
  readonly unclear?: string | undefined;
}

/** @param cells with missing markers taken out, read in the notation */
export function decideFeature(name: string, cells: ColumnCells, reading: Reading): Decision {
  const p = profileColumn(cells);
  const levels = (): Level[] =>
    cells.frequentTexts(Math.max(LEVEL_ROWS_MIN, Math.ceil(LEVEL_SHARE_MIN * p.rows)));
  if (p.filled === 0) return leftOut('it is empty');
  if (p.distinctTexts === 1 && p.filled === p.rows) return leftOut('every row has the same value');
  if (reading.unclear !== undefined) return leftOut(reading.unclear);
  if (p.numbers < NUMBER_SHARE_MIN * p.filled) {
    if (p.dates >= DATE_SHARE_MIN * p.filled)
      return leftOut('it looks like a date; a number of months would be a feature');
    if (p.distinctTexts > IDENTIFIER_SHARE_ABOVE * p.filled && p.distinctTexts > IDENTIFIER_VALUES_ABOVE) {
      return leftOut(
        p.numbers > MIXED_SHARE_MIN * p.filled
          ? `${mixed(p)}; write the numbers plainly and leave the other cells empty`
          : `it looks like an identifier, ${groupDigits(p.distinctTexts)} different texts in ${groupDigits(p.filled)} rows`,
      );
    }
    const why = p.numbers > MIXED_SHARE_MIN * p.filled ? mixed(p) : 'its cells are texts';
    return decideCategory(p, name, levels(), why);
  }
  if (p.compactDates >= NUMBER_SHARE_MIN * p.numbers && p.distinctNumbers > PERHAPS_CODE_VALUES_MAX) {
    return leftOut('it looks like a date written as a number; a number of months would be a feature');
  }
  if (isNumberIdentifier(name, p))
    return leftOut(`it looks like an identifier, ${groupDigits(p.distinctTexts)} different numbers`);
  if (
    reading.notation === undefined &&
    p.wholeNumbers === p.numbers &&
    p.distinctNumbers <= CODE_VALUES_MAX
  ) {
    const count = p.distinctNumbers === 1 ? 'one number' : `${p.distinctNumbers} different whole numbers`;
    return decideCategory(p, name, levels(), `it has only ${count}, as codes have`);
  }
  if (p.min === p.max) return leftOut('all its numbers are the same');
  return decideNumber(name, p, cells, reading.notation);
}

interface Level {
  readonly text: string;
  readonly rows: number;
}

function mixed(p: ColumnProfile): string {
  return `${formatPercent(p.numbers / p.filled)} of its cells are numbers and the others are not`;
}

function leftOut(reason: string): Decision {
  return { notes: [`left out; ${reason}`] };
}

function isNumberIdentifier(name: string, p: ColumnProfile): boolean {
  if (p.wholeNumbers < p.numbers) return false;
  const sameLength = p.digitsMin === p.digitsMax && p.wholeNumbers > UNIQUE_NUMBERS_MIN;
  // Phone, account and card numbers repeat, but amounts of money do not all have eight or more digits.
  if (sameLength && p.digitsMin >= 8 && p.distinctTexts > IDENTIFIER_SHARE_ABOVE * p.filled) return true;
  if (p.distinctTexts < p.filled || p.filled < UNIQUE_NUMBERS_MIN) return false;
  const running = p.max - p.min < 1.5 * p.numbers;
  return running || (sameLength && p.digitsMin >= 5) || IDENTIFIER_NAME.test(name);
}

function decideNumber(
  name: string,
  p: ColumnProfile,
  cells: ColumnCells,
  notation: NumberNotation | undefined,
): Decision {
  const notes: string[] = [];
  if (notation !== undefined) notes.push(`its numbers are read with ${notationName(notation)}`);
  else if (cells.grouped >= GROUPED_MIN && cells.grouped === cells.dotted && isBelowThousand(cells, p))
    notes.push('has three digits behind every point: if the point stands between thousands, add a notation');
  const range = numberRange(p.sorted);
  const whole = p.wholeNumbers === p.numbers;
  const isYear = whole && range.min >= 1900 && range.max <= 2100;
  const sameLength = p.digitsMin === p.digitsMax && p.digitsMin >= 4 && p.digitsMin <= 6;
  const isCode = whole && !isYear && (CODE_NAME.test(name) || (p.distinctNumbers > 200 && sameLength));
  if (isYear)
    notes.push('looks like a year and is kept as a number; later years will be clipped to the range');
  else if (isCode) {
    notes.push(
      'looks like a code and is kept as a number, since near codes are often alike; replace it by a category of its leading digits if they are not',
    );
  } else if (whole && p.distinctNumbers <= PERHAPS_CODE_VALUES_MAX) {
    notes.push(
      `has ${p.distinctNumbers} different whole numbers and is kept as a number; make it a category if they are codes`,
    );
  }
  const invalid = p.filled - p.numbers;
  if (invalid > 0) notes.push(`${groupDigits(invalid)} cells are not a number and will count as missing`);
  if (range.special.length > 0) {
    const codes = range.special.map(
      ({ value, rows }) => `${value} (${formatPercent(rows / p.rows)} of the rows)`,
    );
    notes.push(
      `${codes.join(', ')} proposed as special, with a meaning of ${codes.length === 1 ? 'its' : 'their'} own; take out what is an ordinary value`,
    );
  }
  const [min, max] = [tidyOutward(range.min, 'down'), tidyOutward(range.max, 'up')];
  if (range.cut > 0)
    notes.push(
      `${groupDigits(range.cut)} cells lie far outside [${min}, ${max}], where nearly all are, and will be clipped to it`,
    );
  const feature: NumberFeature = {
    name,
    type: 'number',
    ...(notation?.affix === undefined ? {} : { unit: notation.affix }),
    // Two digits of a year are a century.
    min: isYear ? Math.floor(range.min / 10) * 10 : min,
    max: isYear ? Math.ceil(range.max / 10) * 10 : max,
    scale: !isYear && !isCode && isHeavyTailed(range.values) ? 'log' : 'linear',
    missing: 'allowed',
    ...(range.special.length === 0 ? {} : { special: range.special.map(({ value }) => value) }),
    ...(notation === undefined ? {} : { notation }),
  };
  return { feature, notes };
}

function isBelowThousand(cells: ColumnCells, p: ColumnProfile): boolean {
  return cells.dotted < p.numbers && p.max < 1000 && p.min > -1000;
}

/** @param values ascending, cut to the range */
function isHeavyTailed(values: Float64Array): boolean {
  const [min, max] = [values[0]!, values.at(-1)!];
  const sizes = values.map(Math.abs).sort();
  const [median, medianSize] = [middleOf(values), middleOf(sizes)];
  let mean = 0;
  for (const x of values) mean += x / values.length;
  const maxSize = sizes.at(-1)!;
  // Below a few units ln(1+|x|) is nearly x, so a tail that ends there gains nothing; a median of 0 proves nothing.
  const longTail = maxSize >= 1000 * medianSize && (medianSize > 0 || maxSize > 1000);
  const skewedAmount = min >= 0 && max > 1000 && mean > 2 * median;
  return longTail || skewedAmount;
}

function middleOf(sorted: Float64Array): number {
  const half = sorted.length / 2;
  return (sorted[Math.floor(half - 0.5)]! + sorted[Math.floor(half)]!) / 2;
}

function decideCategory(p: ColumnProfile, name: string, levels: readonly Level[], why: string): Decision {
  const kept = levels.filter(({ text }) => text.length <= LEVEL_LENGTH_MAX).slice(0, LEVELS_MAX);
  const covered = kept.reduce((sum, { rows }) => sum + rows, 0) / p.filled;
  const others = p.distinctTexts - kept.length;
  if (kept.length === 0 || covered < COVERAGE_MIN) {
    const found = `${groupDigits(p.distinctTexts)} different texts in ${groupDigits(p.filled)} rows`;
    return leftOut(`too few rows share a value (${found}): free text, or too fine a place`);
  }
  const count = kept.length === 1 ? 'one value' : `${kept.length} values`;
  const notes = [`taken as a category of ${count}; ${why}`];
  if (others > 0) {
    const rest = others === 1 ? 'a rarer value becomes' : `${groupDigits(others)} rarer values become`;
    notes.push(`${rest} "other" (${formatPercent(1 - covered)} of its cells)`);
  }
  const alike = kept.filter(({ text }, i) =>
    kept.some((other, k) => k !== i && folded(other.text) === folded(text)),
  );
  if (alike.length > 0)
    notes.push(
      `${alike.map(({ text }) => `"${text}"`).join(', ')} differ in capitals or blanks only and stay apart; correct the file if they mean the same`,
    );
  const feature: CategoryFeature = {
    name,
    type: 'category',
    categories: kept.map(({ text }) => text),
    missing: 'allowed',
  };
  return { feature, notes };
}

function folded(text: string): string {
  return text.toLowerCase().replaceAll(/\s+/g, ' ');
}

/** The next number of two significant digits away from the data: 5,744 up is 5,800; -943 down is -950. */
export function tidyOutward(value: number, direction: 'up' | 'down'): number {
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  // Written as decimal text, so that 0.3 is 0.3 and not three times 0.1.
  const tidy = (tens: number): number => Number(`${tens}e${Number(exponent) - 1}`);
  const nearest = Math.round(Number(mantissa) * 10);
  const isOutward = direction === 'up' ? tidy(nearest) >= value : tidy(nearest) <= value;
  const result = isOutward ? tidy(nearest) : tidy(nearest + (direction === 'up' ? 1 : -1));
  return Number.isFinite(result) ? result : value;
}
