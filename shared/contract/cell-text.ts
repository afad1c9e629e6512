/**
 * What the text of a cell means, in one place for training and scoring: a cell is trimmed of blanks at both ends
 * (exports from fixed-width systems pad); what is left empty is missing. Everything else is an ordinary value:
 * "NA", "NULL" and "none" are texts like any other.
 */

/** Space, tab, line ends, no-break space, ideographic space. */
export const BLANKS = ' \t\r\n\u00a0\u3000';

export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && BLANKS.includes(text[start]!)) start++;
  while (end > start && BLANKS.includes(text[end - 1]!)) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

/**
 * A whole number written as a decimal ("2.0", as pandas writes integer columns that have gaps) reads as the
 * whole number. Leading zeros stay: "01" is a code.
 */
export function canonicalValue(text: string): string {
  return trimBlanks(text).replace(/^(-?[0-9]+)\.0+$/, '$1');
}

/** No thousands separators, decimal commas, units, digit-group underscores, infinities or hexadecimals. */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** @returns NaN where the trimmed text is not a finite number */
export function numberOfText(text: string): number {
  const trimmed = trimBlanks(text);
  if (!NUMBER.test(trimmed)) return Number.NaN;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : Number.NaN;
}

/** Of an outcome: texts of the same key are the same value, as "1" and "1.0" are; '' is an empty cell. */
export function outcomeKey(text: string): string {
  const number = numberOfText(text);
  return Number.isNaN(number) ? trimBlanks(text) : String(number);
}

/** The codes of a category's vocabulary by text: 1 … k. A level is also found under its canonical text, unless that is another level's own. */
export function levelCodes(categories: readonly string[]): Map<string, number> {
  const codes = new Map<string, number>();
  for (const spelling of [trimBlanks, canonicalValue]) {
    categories.forEach((level, i) => {
      const label = spelling(level);
      if (!codes.has(label)) codes.set(label, i + 1);
    });
  }
  return codes;
}
