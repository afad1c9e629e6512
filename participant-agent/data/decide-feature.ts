/**
 * The rules of contract inference: from a column's profile to a feature, or to the reason why it is none.
 * Pure; the levels are asked for only when a column turns out to be a category.
 */
import { DATA_THRESHOLDS } from '#participant-agent/data/check-table.ts';
import { formatPercent, groupDigits } from '#participant-agent/data/data-report.ts';
import type { ColumnProfile } from '#participant-agent/data/profile-column.ts';
import type { CategoryFeature, Feature, NumberFeature } from '#shared/contract/contract.ts';

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

const IDENTIFIER_NAME =
  /(^|[^a-z])(id|nr|no|num|number|key|account|acct)([^a-z]|$)|id$|编号|代号|序号|账号|证号/i;
const CODE_NAME = /zip|postal|postcode|naics|(^|[^a-z])sic([^a-z]|$)|code|编码|代码|邮编/i;

export interface Decision {
  /** Absent when the column is left out. */
  readonly feature?: Feature;
  /** Clauses without full stop. */
  readonly notes: readonly string[];
}

/** @param levels the texts that enough rows share, most frequent first */
export async function decideFeature(
  name: string,
  profile: ColumnProfile,
  levels: () => Promise<readonly { text: string; rows: number }[]>,
): Promise<Decision> {
  const p = profile;
  if (p.filled === 0) return leftOut('it is empty');
  if (p.distinctTexts === 1 && p.filled === p.rows) return leftOut('every row has the same value');
  if (p.numbers < NUMBER_SHARE_MIN * p.filled) {
    if (p.dates >= DATE_SHARE_MIN * p.filled)
      return leftOut('it looks like a date; a number of months would be a feature');
    if (p.distinctTexts > IDENTIFIER_SHARE_ABOVE * p.filled && p.distinctTexts > IDENTIFIER_VALUES_ABOVE) {
      return leftOut(
        `it looks like an identifier, ${groupDigits(p.distinctTexts)} different texts in ${groupDigits(p.filled)} rows`,
      );
    }
    return decideCategory(name, p, await levels());
  }
  if (p.compactDates >= NUMBER_SHARE_MIN * p.numbers && p.distinctNumbers > PERHAPS_CODE_VALUES_MAX) {
    return leftOut('it looks like a date written as a number; a number of months would be a feature');
  }
  if (isNumberIdentifier(name, p))
    return leftOut(`it looks like an identifier, ${groupDigits(p.distinctTexts)} different numbers`);
  if (p.wholeNumbers === p.numbers && p.distinctNumbers <= CODE_VALUES_MAX)
    return decideCategory(name, p, await levels());
  if (p.min === p.max) return leftOut('all its numbers are the same');
  return decideNumber(name, p);
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

function decideNumber(name: string, p: ColumnProfile): Decision {
  const notes: string[] = [];
  const whole = p.wholeNumbers === p.numbers;
  const isYear = whole && p.min >= 1900 && p.max <= 2100;
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
  const feature: NumberFeature = {
    name,
    type: 'number',
    // Two digits of a year are a century.
    min: isYear ? Math.floor(p.min / 10) * 10 : tidyOutward(p.min, 'down'),
    max: isYear ? Math.ceil(p.max / 10) * 10 : tidyOutward(p.max, 'up'),
    scale: !isYear && !isCode && isHeavyTailed(p) ? 'log' : 'linear',
    missing: 'allowed',
  };
  return { feature, notes };
}

function isHeavyTailed(p: ColumnProfile): boolean {
  // Below a few units ln(1+|x|) is nearly x, so a tail that ends there gains nothing; a median of 0 proves nothing.
  const longTail = p.maxSize >= 1000 * p.medianSize && (p.medianSize > 0 || p.maxSize > 1000);
  const skewedAmount = p.min >= 0 && p.max > 1000 && p.mean > 2 * p.median;
  return longTail || skewedAmount;
}

function decideCategory(
  name: string,
  p: ColumnProfile,
  levels: readonly { text: string; rows: number }[],
): Decision {
  const kept = levels.filter(({ text }) => text.length <= LEVEL_LENGTH_MAX).slice(0, LEVELS_MAX);
  const covered = kept.reduce((sum, { rows }) => sum + rows, 0) / p.filled;
  const others = p.distinctTexts - kept.length;
  if (kept.length === 0 || covered < COVERAGE_MIN) {
    const found = `${groupDigits(p.distinctTexts)} different texts in ${groupDigits(p.filled)} rows`;
    return leftOut(`too few rows share a value (${found}): free text, or too fine a place`);
  }
  const notes: string[] = [];
  const numeric = p.numbers >= NUMBER_SHARE_MIN * p.filled;
  if (numeric && p.distinctNumbers > 2) {
    notes.push(`has only ${p.distinctNumbers} different whole numbers and is taken as a category of codes`);
  }
  if (others > 0) {
    const rest = others === 1 ? 'a rarer value becomes' : `${groupDigits(others)} rarer values become`;
    notes.push(`${rest} "other" (${formatPercent(1 - covered)} of its cells)`);
  }
  const feature: CategoryFeature = {
    name,
    type: 'category',
    categories: kept.map(({ text }) => text),
    missing: 'allowed',
  };
  return { feature, notes };
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
