/** What the cells of one column look like: the figures that contract inference decides on. */
import type { ColumnCells } from '#participant-agent/data/column-cells.ts';

export interface ColumnProfile {
  readonly rows: number;
  /** Rows whose cell is not missing. */
  readonly filled: number;
  readonly distinctTexts: number;
  /** Cells that are a finite number; the figures below are of these. */
  readonly numbers: number;
  /** Ascending. */
  readonly sorted: Float64Array;
  readonly distinctNumbers: number;
  readonly wholeNumbers: number;
  readonly min: number;
  readonly max: number;
  /** Decimal digits of the whole part, zeros left out. */
  readonly digitsMin: number;
  readonly digitsMax: number;
  /** Whole numbers that read as yyyymmdd or yyyymm. */
  readonly compactDates: number;
  /** Texts that read as a calendar date in a common notation. */
  readonly dates: number;
}

const DATE =
  /^(\d{4}[-/.年]\d{1,2}([-/.月]\d{1,2}日?)?|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}|\d{1,2}[- ]?[A-Za-z]{3,9}[- ,]*\d{2,4})([ T].*)?$/;

export function profileColumn(cells: ColumnCells): ColumnProfile {
  const sorted = cells.sortedNumbers();
  const [missingGood, missingBad] = cells.missing;
  let [distinct, whole, compactDates] = [0, 0, 0];
  let [digitsMin, digitsMax] = [0, 0];
  sorted.forEach((x, i) => {
    if (i === 0 || x !== sorted[i - 1]) distinct++;
    if (x === Math.floor(x)) {
      whole++;
      if (isCompactDate(x)) compactDates++;
    }
    const size = Math.abs(x);
    if (size < 1) return;
    const digits = 1 + Math.floor(Math.log10(size));
    if (digitsMin === 0 || digits < digitsMin) digitsMin = digits;
    if (digits > digitsMax) digitsMax = digits;
  });
  let dates = 0;
  for (const [text, [good, bad]] of cells.texts) if (DATE.test(text)) dates += good + bad;
  const filled = sorted.length + cells.textRows;
  return {
    rows: filled + missingGood + missingBad,
    filled,
    distinctTexts: cells.texts.size + (cells.numberTexts?.size ?? distinct),
    numbers: sorted.length,
    sorted,
    distinctNumbers: distinct,
    wholeNumbers: whole,
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
    digitsMin,
    digitsMax,
    compactDates,
    dates,
  };
}

function isCompactDate(x: number): boolean {
  const isDay = x >= 19_000_101 && x <= 21_001_231;
  if (!isDay && !(x >= 190_001 && x <= 210_012)) return false;
  const month = isDay ? Math.floor(x / 100) % 100 : x % 100;
  return month >= 1 && month <= 12 && (!isDay || (x % 100 >= 1 && x % 100 <= 31));
}
