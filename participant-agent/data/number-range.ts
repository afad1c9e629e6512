/**
 * From the numbers of one column to what a contract says of them: codes that stand for something else than a size
 * (999 for "never"), and a range that single cells far outside do not stretch.
 *
 * A code is a value that several rows share and that lies apart from all others by more than these are apart from
 * each other; or, among amounts, -1 … -9; or a row of nines at the end of the range that is far more frequent than
 * its neighbours. These are proposals for a person, who knows what the column means.
 */

export interface NumberRange {
  readonly special: readonly { readonly value: number; readonly rows: number }[];
  /** Of the values that are no codes. */
  readonly min: number;
  readonly max: number;
  /** The rest, ascending, cut to [min, max]. */
  readonly values: Float64Array;
  /** Of the rest, those that were cut. */
  readonly cut: number;
}

/** Shares of the rows beyond which values are not looked at for the range, when they lie far outside. */
const TAIL = 0.005;
/** A tail may be so many times as long as the range between the quantiles before it is cut, to once that length. */
const TAIL_LENGTH_MAX = 3;
const SPECIAL_MAX = 20;
/** Distinct values looked at from either end. */
const ENDS = 12;
/** More values that are no nines are a group of ordinary ones that lies apart. */
const PLAIN_CODES_MAX = 3;
/** With fewer different values next to them, nothing is apart from the others. */
const ORDINARY_VALUES_MIN = 6;
const CODE_ROWS_MIN = 5;
const NINES_ROWS_MIN = 3;
const CODE_SHARE_MIN = 0.002;

/** @param sorted all values, ascending; not empty */
export function numberRange(sorted: Float64Array): NumberRange {
  const values = distinct(sorted);
  const special = findCodes(values, sorted.length);
  const isCode = new Set(special.map(({ value }) => value));
  const ordinary = isCode.size === 0 ? sorted : sorted.filter((x) => !isCode.has(x));
  const [min, max] = robustEnds(ordinary);
  let cut = 0;
  const within = ordinary.map((x) => {
    if (x >= min && x <= max) return x;
    cut++;
    return x < min ? min : max;
  });
  return { special, min, max, values: within, cut };
}

interface Value {
  readonly value: number;
  readonly rows: number;
}

function distinct(sorted: Float64Array): Value[] {
  const values: { value: number; rows: number }[] = [];
  for (const value of sorted) {
    const last = values.at(-1);
    if (last?.value === value) last.rows++;
    else values.push({ value, rows: 1 });
  }
  return values;
}

function findCodes(all: readonly Value[], total: number): Value[] {
  let rest = [...all];
  const codes: Value[] = [];
  const outliers = (found: readonly Value[]) =>
    found.reduce((sum, { rows }) => sum + rows, 0) <= Math.max(1, TAIL * total);
  for (let again = true; again;) {
    again = false;
    for (const end of ['top', 'bottom'] as const) {
      const count = apart(rest, end);
      if (count === 0) continue;
      const found = end === 'top' ? rest.slice(-count) : rest.slice(0, count);
      const plain = found.filter(({ value }) => !isNines(value));
      const mayBeCodes = plain.length <= PLAIN_CODES_MAX && !found.every(({ value }) => isYear(value));
      const coded = mayBeCodes ? found.filter((v) => isCode(v, total)) : [];
      if (coded.length < found.length && !outliers(found.filter((v) => !coded.includes(v)))) continue;
      codes.push(...coded);
      rest = end === 'top' ? rest.slice(0, -count) : rest.slice(count);
      again = true;
    }
  }
  codes.push(...smallNegatives(rest, total), ...frequentNines(rest, total));
  const kept = [...codes].sort((a, b) => b.rows - a.rows).slice(0, SPECIAL_MAX);
  return kept.sort((a, b) => a.value - b.value);
}

/** How many values at one end lie further from the others than these from each other; 0 is nobody's code. */
function apart(values: readonly Value[], end: 'top' | 'bottom'): number {
  const at = (i: number): number => values[end === 'top' ? values.length - 1 - i : i]!.value;
  const farEnd = end === 'top' ? values[0]! : values.at(-1)!;
  let most = 0;
  for (let count = 1; count <= ENDS && values.length - count >= ORDINARY_VALUES_MIN; count++) {
    if (at(count - 1) === 0) break;
    const gap = Math.abs(at(count - 1) - at(count));
    if (gap > Math.abs(at(count) - farEnd.value)) most = count;
  }
  return most;
}

function isCode({ value, rows }: Value, total: number): boolean {
  return isNines(value) ? rows >= NINES_ROWS_MIN : rows >= Math.max(CODE_ROWS_MIN, CODE_SHARE_MIN * total);
}

/** 99, 999.99, -9999, 96 to 98 and the like: what forms have for "unknown", "refused", "does not apply". */
function isNines(value: number): boolean {
  return (
    /^-?(9{1,}[6-9]|9{2,}(\.9+)?|8{2,}|7{3,}|-[1-9])$/.test(String(value)) || /^-?10{5,}$/.test(String(value))
  );
}

function isYear(value: number): boolean {
  return Number.isInteger(value) && value >= 1900 && value <= 2100;
}

/**
 * One or a few of -1 … -9 in a column that is never negative otherwise and much larger: several, where they reach up to
 * zero, are small losses.
 */
function smallNegatives(values: readonly Value[], total: number): Value[] {
  const negative = values.filter(({ value }) => value < 0);
  const nearest = negative.at(-1)?.value ?? 0;
  const rows = negative.reduce((sum, v) => sum + v.rows, 0);
  const isCodes =
    negative.length > 0 &&
    negative.length <= PLAIN_CODES_MAX &&
    (negative.length === 1 || nearest < -2) &&
    values.length - negative.length >= ORDINARY_VALUES_MIN &&
    rows >= Math.max(CODE_ROWS_MIN, CODE_SHARE_MIN * total) &&
    negative.every(({ value }) => Number.isInteger(value) && value >= -9) &&
    values.at(-1)!.value >= -10 * nearest;
  return isCodes ? negative : [];
}

/** A row of nines beyond the values of 99 % of the other rows, and twenty times as frequent as they are. */
function frequentNines(values: readonly Value[], total: number): Value[] {
  const usual = total / Math.max(1, values.length);
  return values.filter(({ value, rows }, i) => {
    if (!/^-?9{2,}(\.9+)?$/.test(String(value)) || values.length - 1 < ORDINARY_VALUES_MIN) return false;
    const beyond = (value > 0 ? values.slice(i + 1) : values.slice(0, i)).reduce((sum, v) => sum + v.rows, 0);
    return rows >= Math.max(CODE_ROWS_MIN, TAIL * total, 20 * usual) && beyond <= 0.01 * total;
  });
}

/** The ends, or where these lie far outside the quantiles, the last values near these. */
function robustEnds(values: Float64Array): [min: number, max: number] {
  const last = values.length - 1;
  const [min, max] = [values[0]!, values[last]!];
  const inner = withoutOutliers(values);
  const at = (fraction: number): number => inner[Math.max(0, Math.ceil(fraction * inner.length) - 1)]!;
  let [low, high] = [at(TAIL), at(1 - TAIL)];
  if (low === high) {
    // nearly all rows share one value: what the others say is the range
    const others = inner.filter((x) => x !== low);
    if (others.length === 0) return [min, max];
    const of = (fraction: number): number => others[Math.max(0, Math.ceil(fraction * others.length) - 1)]!;
    [low, high] = [Math.min(low, of(TAIL)), Math.max(high, of(1 - TAIL))];
  }
  const length = high - low;
  const isLong = (tail: number): boolean => tail > TAIL_LENGTH_MAX * length;
  return [
    isLong(low - min) ? values.find((x) => x >= low - length)! : min,
    isLong(max - high) ? values.findLast((x) => x <= high + length)! : max,
  ];
}

/** Without the few cells that lie apart from all others by more than these do from each other. */
function withoutOutliers(values: Float64Array): Float64Array {
  let [from, to] = [0, values.length];
  const allowed = Math.max(1, Math.floor(TAIL * values.length));
  for (let k = 1; k <= allowed && to - k > from + 1; k++)
    if (values[to - k]! - values[to - k - 1]! > values[to - k - 1]! - values[from]! && values[to - k] !== 0) {
      to -= k;
      break;
    }
  for (let k = 1; k <= allowed && from + k < to - 1; k++)
    if (
      values[from + k]! - values[from + k - 1]! > values[to - 1]! - values[from + k]! &&
      values[from + k - 1] !== 0
    ) {
      from += k;
      break;
    }
  return values.subarray(from, to);
}
