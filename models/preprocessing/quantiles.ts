/**
 * Federated quantiles by histogram refinement, a sub-fold that a program embeds. Each pass cuts the intervals
 * that hold a wanted rank into equal cells, sums the counts over the banks and goes on with the cells that
 * hold the ranks; the first interval is the contract's [min, max], to which values are clipped. Missing and
 * special values are left out.
 *
 * Half of the first pass's cells are equal; the others lie in the one next to zero (or to the end of the range nearest
 * to it) and halve in length 64 times, so that a range which one extreme value has stretched to 10^12 costs nothing.
 *
 * The result is a function of the pooled multiset of values: the same however rows are spread. The quantile
 * is of type 1 (Hyndman and Fan 1996, the lower one): rank ⌈fraction · n⌉, found up to the width of the last
 * cell, which is not refined further when it holds fewer than kMin rows. Of the numbers in the last cell the
 * one with the fewest decimals is given: it reads better and says less about the rows.
 *
 * With one interval open a pass has 1024 cells, with 31 open 33 each.
 */
import type { DataContract, NumberFeature } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';
import type { Answer, Question } from '#models/program.ts';
import { numberFeatures } from '#models/preprocessing/unit-range.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** The most questions a quantile search asks. */
export const QUANTILE_ROUNDS = 4;
/** Cells of one feature in one pass, about. */
const CELLS = 1024;
const CELLS_PER_INTERVAL_MIN = 8;

/** (low, high], closed below as well where low is the contract's minimum. */
interface Interval {
  readonly low: number;
  readonly high: number;
  /** Rows at or below `low`. */
  readonly below: number;
  /** Indices of the fractions whose rank lies inside. */
  readonly targets: readonly number[];
}

interface Search {
  /** Index among the number features. */
  readonly feature: number;
  /** Rows with a value, known after the first pass. */
  readonly rows: number;
  readonly open: readonly Interval[];
  /** Per fraction, once found. */
  readonly found: readonly (Found | undefined)[];
}

interface Found {
  readonly value: number;
  /** Whether no row lies above the cell. */
  readonly last: boolean;
}

export interface QuantileState {
  readonly contract: DataContract;
  /** Ascending, in (0, 1). */
  readonly fractions: readonly number[];
  readonly kMin: number;
  readonly pass: number;
  readonly searches: readonly Search[];
}

export interface FeatureQuantiles {
  /** Rows with an ordinary value: neither missing nor special. */
  readonly rows: number;
  /** One for each fraction, not descending; empty when there are no rows. */
  readonly values: readonly number[];
  /** The distinct values with rows above them: upper, closed ends of bins. Strictly ascending. */
  readonly edges: readonly number[];
}

export type QuantileStep =
  | { readonly kind: 'ask'; readonly question: Question; readonly state: QuantileState }
  /** One for each number feature, in contract order. */
  | { readonly kind: 'done'; readonly quantiles: readonly FeatureQuantiles[] };

/** The fractions that cut rows into `bins` parts of equal size. */
export function equalFractions(bins: number): number[] {
  return Array.from({ length: bins - 1 }, (_, i) => (i + 1) / bins);
}

/**
 * @param fractions ascending, in (0, 1)
 * @param kMin cells with fewer rows are not looked into
 */
export function startQuantiles(
  contract: DataContract,
  fractions: readonly number[],
  kMin: number,
): QuantileStep {
  const targets = fractions.map((_, i) => i);
  const searches = numberFeatures(contract).map(({ min, max }, feature) => ({
    feature,
    rows: 0,
    open: [{ low: min, high: max, below: 0, targets }],
    found: fractions.map(() => undefined),
  }));
  return askOrFinish({ contract, fractions, kMin, pass: 0, searches });
}

export function nextQuantiles(state: QuantileState, sum: RingSum): QuantileStep {
  const counts = sum.numbers('cells');
  const features = numberFeatures(state.contract);
  const pass = state.pass + 1;
  let at = 0;
  const searches = state.searches.map((search) => {
    const cells = cellsPerInterval(search.open.length);
    const length = search.open.length * cells;
    const part = counts.subarray(at, at + length);
    at += length;
    return length === 0 ? search : refine(search, features[search.feature]!, part, cells, { ...state, pass });
  });
  return askOrFinish({ ...state, pass, searches });
}

function askOrFinish(state: QuantileState): QuantileStep {
  const length = state.searches.reduce((n, { open }) => n + open.length * cellsPerInterval(open.length), 0);
  if (length === 0) return { kind: 'done', quantiles: state.searches.map(quantilesOf) };
  const question: Question = {
    kind: 'quantiles',
    ring: 'u64',
    fields: [{ name: 'cells', length, scale: 1, clip: ROWS_MAX, rounding: 'nearest' }],
    settings: { intervals: state.searches.map(({ open }) => open.map(({ low, high }) => [low, high])) },
    tensors: {},
  };
  return { kind: 'ask', question, state };
}

function cellsPerInterval(intervals: number): number {
  return intervals === 0 ? 0 : Math.max(CELLS_PER_INTERVAL_MIN, Math.floor(CELLS / intervals));
}

/** Where cell `j` of `cells` begins; ascending in j, and exactly `high` at the end. */
function cellEdge(low: number, high: number, j: number, cells: number): number {
  return j >= cells ? high : low + (high - low) * (j / cells);
}

/** Halvings of the first pass's cells towards zero. */
const HALVINGS = 64;

/** The cells + 1 edges of an interval; graded when it is the feature's whole range. Ascending, not always strictly. */
function cellEdges(low: number, high: number, cells: number, { min, max }: NumberFeature): Float64Array {
  if (low !== min || high !== max || cells !== CELLS)
    return Float64Array.from({ length: cells + 1 }, (_, j) => cellEdge(low, high, j, cells));
  const centre = low > 0 ? low : high < 0 ? high : 0;
  const sides = [centre - low, high - centre];
  const each = sides[0] === 0 || sides[1] === 0 ? cells : cells / 2;
  const [below, above] = sides.map((length) => (length === 0 ? [] : gradedDistances(length, each)));
  return Float64Array.from([
    ...below!.map((distance) => centre - distance).reverse(),
    centre,
    ...above!.map((distance) => centre + distance),
  ]);
}

/** `count` distances from 0 (left out) to `length`: the outer half in equal steps, the inner in halvings of such a step. */
function gradedDistances(length: number, count: number): number[] {
  const half = count / 2;
  const step = length / (half + 1);
  const each = half / HALVINGS;
  const distances: number[] = [];
  let reached = step * 2 ** (1 - HALVINGS);
  for (let i = 1; i <= each; i++) distances.push(reached * (i / each));
  for (let halving = 1; halving < HALVINGS; halving++) {
    for (let i = 1; i <= each; i++) distances.push(reached * (1 + i / each));
    reached *= 2;
  }
  for (let i = 2; i <= half; i++) distances.push(step * i);
  distances.push(length);
  return distances;
}

function refine(
  search: Search,
  feature: NumberFeature,
  counts: Float64Array,
  cells: number,
  { fractions, kMin, pass }: QuantileState,
): Search {
  // the first pass sees every row
  const rows = pass === 1 ? counts.reduce((a, b) => a + b, 0) : search.rows;
  const found = [...search.found];
  const open: Interval[] = [];
  if (rows === 0) return { ...search, open, found };
  search.open.forEach(({ low, high, below, targets }, i) => {
    const edges = cellEdges(low, high, cells, feature);
    let atMost = below;
    let next = 0;
    for (let j = 0; j < cells && next < targets.length; j++) {
      const count = counts[i * cells + j]!;
      const before = atMost;
      atMost += count;
      const inside: number[] = [];
      while (next < targets.length && rankOf(fractions[targets[next]!]!, rows) <= atMost) {
        inside.push(targets[next++]!);
      }
      if (inside.length === 0) continue;
      const cell = {
        low: edges[j]!,
        high: edges[j + 1]!,
        below: before,
        targets: inside,
      };
      if (pass < QUANTILE_ROUNDS && count >= kMin && canSplit(cell)) {
        open.push(cell);
        continue;
      }
      const value = shortestDecimal(cell.low, cell.high, cell.low === feature.min);
      for (const target of inside) found[target] = { value, last: atMost === rows };
    }
  });
  return { ...search, rows, open, found };
}

/** ⌈fraction · rows⌉, at least 1; 0.07 · 100 is 7 although its product in float64 is above. */
function rankOf(fraction: number, rows: number): number {
  return Math.max(1, Math.ceil(fraction * rows - 1e-9));
}

/** Whether float64 has room for cells inside. */
function canSplit({ low, high }: Interval): boolean {
  return cellEdge(low, high, 1, CELLS) > low && cellEdge(low, high, CELLS - 1, CELLS) < high;
}

/** The number in (low, high] (or [low, high]) that is written with the fewest decimals. */
function shortestDecimal(low: number, high: number, closed: boolean): number {
  const fits = (x: number) => (x > low || (closed && x === low)) && x <= high;
  if (fits(0)) return 0;
  for (let digits = -MAGNITUDE; digits <= MAGNITUDE; digits++) {
    const unit = POWERS[digits < 0 ? -digits : digits]!;
    const value = digits < 0 ? Math.floor(high / unit) * unit : Math.floor(high * unit) / unit;
    if (fits(value)) return value;
  }
  return high;
}

/** 10^0 … 10^22 are the powers of ten that float64 holds exactly. */
const MAGNITUDE = 22;
const POWERS = Array.from({ length: MAGNITUDE + 1 }, (_, i) => Number(`1e${i}`));

function quantilesOf({ rows, found }: Search): FeatureQuantiles {
  const values: number[] = [];
  const edges: number[] = [];
  for (const quantile of found) {
    if (quantile === undefined) continue; // the feature has no rows
    values.push(quantile.value);
    if (!quantile.last && edges.at(-1) !== quantile.value) edges.push(quantile.value);
  }
  return { rows, values, edges };
}

/** Inside a bank: how many of its rows lie in each cell of the open intervals. */
export function answerQuantiles(question: Question, table: Table): Answer {
  const { intervals } = question.settings as unknown as {
    intervals: readonly (readonly [number, number])[][];
  };
  const counts = new Float64Array(question.fields[0]!.length);
  let at = 0;
  table.columns.filter(isNumberColumn).forEach(({ feature, values }, f) => {
    const open = intervals[f]!;
    if (open.length === 0) return;
    const cells = cellsPerInterval(open.length);
    const part = counts.subarray(at, at + open.length * cells);
    at += part.length;
    const special = feature.special === undefined ? undefined : new Set(feature.special);
    const { min, max } = feature;
    const edges = edgesOf(open, cells, feature);
    const highs = Float64Array.from(open, ([, high]) => high);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (Number.isNaN(value) || special?.has(value) === true) continue;
      const x = value < min ? min : value > max ? max : value;
      const interval = firstNotBelow(highs, x);
      if (interval === highs.length) continue;
      const start = interval * (cells + 1);
      const low = edges[start]!;
      if (low < x || (low === min && x === min))
        part[interval * cells + cellOf(x, edges, start, cells)]! += 1;
    }
  });
  return { cells: counts };
}

/** The cells + 1 edges of each interval, one interval after the other. */
function edgesOf(
  open: readonly (readonly [number, number])[],
  cells: number,
  feature: NumberFeature,
): Float64Array {
  const edges = new Float64Array(open.length * (cells + 1));
  open.forEach(([low, high], i) => edges.set(cellEdges(low, high, cells, feature), i * (cells + 1)));
  return edges;
}

/** Index of the first of the ascending values that is not below x; their number when all are. */
function firstNotBelow(ascending: Float64Array, x: number): number {
  let first = 0;
  let end = ascending.length;
  while (first < end) {
    const middle = (first + end) >> 1;
    if (ascending[middle]! < x) first = middle + 1;
    else end = middle;
  }
  return first;
}

/** The cell j with edge(j) < x ≤ edge(j + 1); 0 for the lower end. */
function cellOf(x: number, edges: Float64Array, start: number, cells: number): number {
  let first = 0;
  let last = cells - 1;
  while (first < last) {
    const middle = (first + last) >> 1;
    if (edges[start + middle + 1]! < x) first = middle + 1;
    else last = middle;
  }
  return first;
}
