/**
 * How much one column alone tells of the outcome in a bank's own rows: its information value, and how well its groups
 * would rank. What tells nearly everything was mostly written after the outcome was known.
 *
 *   IV = Σ (bᵢ/B − gᵢ/G) · ln((bᵢ/B) / (gᵢ/G)),  half a row added to every count
 */
import type { ByOutcome, ColumnCells } from '#participant-agent/data/column-cells.ts';
import type { Concern, Feature } from '#shared/contract/contract.ts';

const GROUPS_MAX = 20;
const GROUP_BADS_MIN = 10;
const STRONG_ABOVE = 1;
const SEPARATING_AUC = 0.98;
/** Filled for at least this share of one outcome, and empty for this share of the other. */
const ONE_SIDED = 0.9;

export interface TellingPower {
  readonly informationValue: number;
  readonly concern: Concern | undefined;
}

export function tellingPower(feature: Feature, cells: ColumnCells): TellingPower {
  const groups = feature.type === 'number' ? numberGroups(feature.special ?? [], cells) : textGroups(cells);
  if (cells.missing[0] + cells.missing[1] > 0) groups.push(cells.missing);
  const goods = groups.reduce((sum, [good]) => sum + good, 0);
  const bads = groups.reduce((sum, [, bad]) => sum + bad, 0);
  const k = groups.length;
  let value = 0;
  for (const [good, bad] of groups) {
    const [b, g] = [(bad + 0.5) / (bads + k / 2), (good + 0.5) / (goods + k / 2)];
    value += (b - g) * Math.log(b / g);
  }
  const noise = (k - 1) * (1 / bads + 1 / goods); // what chance alone makes of it, in the mean
  const informationValue = Math.max(0, value - noise);
  const filled = (outcome: 0 | 1): number => 1 - cells.missing[outcome] / (outcome === 0 ? goods : bads);
  const [filledGood, filledBad] = [filled(0), filled(1)];
  const isOneSided =
    Math.max(filledGood, filledBad) >= ONE_SIDED && Math.min(filledGood, filledBad) <= 1 - ONE_SIDED;
  const concern = isOneSided
    ? 'filled-after'
    : informationValue > STRONG_ABOVE && rankingAuc(groups, goods, bads) >= SEPARATING_AUC
      ? 'separates-outcome'
      : informationValue > STRONG_ABOVE
        ? 'strong'
        : undefined;
  return { informationValue, concern };
}

function numberGroups(special: readonly number[], cells: ColumnCells): ByOutcome[] {
  const apart = new Set(special);
  const values = cells.numbers.map((of) =>
    of
      .values()
      .filter((x) => !apart.has(x))
      .sort(),
  );
  const bads = values[1]!.length;
  const count = Math.max(2, Math.min(GROUPS_MAX, Math.floor(bads / GROUP_BADS_MIN)));
  const all = cells.sortedNumbers().filter((x) => !apart.has(x));
  const edges = [
    ...new Set(
      Array.from(
        { length: count - 1 },
        (_, i) => all[Math.floor(((i + 1) * all.length) / count)] ?? Infinity,
      ),
    ),
    // a value that many rows share may be the last
    ...(all.length > 0 ? [all.at(-1)!] : []),
  ];
  const groups: ByOutcome[] = [];
  let before: ByOutcome = [0, 0];
  for (const edge of new Set(edges)) {
    const below: ByOutcome = [countAtMost(values[0]!, edge), countAtMost(values[1]!, edge)];
    groups.push([below[0] - before[0], below[1] - before[1]]);
    before = below;
  }
  for (const value of apart) groups.push([countOf(cells, 0, value), countOf(cells, 1, value)]);
  return groups.filter(([good, bad]) => good + bad > 0);
}

function textGroups(cells: ColumnCells): ByOutcome[] {
  const rest: ByOutcome = [0, 0];
  const groups: ByOutcome[] = [];
  for (const [, rows] of [...cells.texts, ...(cells.numberTexts ?? [])]) {
    if (rows[0] + rows[1] >= GROUP_BADS_MIN) groups.push(rows);
    else {
      rest[0] += rows[0];
      rest[1] += rows[1];
    }
  }
  return rest[0] + rest[1] > 0 ? [...groups, rest] : groups;
}

function countAtMost(sorted: Float64Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

function countOf(cells: ColumnCells, outcome: 0 | 1, value: number): number {
  return cells.numbers[outcome].values().filter((x) => x === value).length;
}

/** Of the groups in the order of their bad rates: how well the column would rank by itself at best. */
function rankingAuc(groups: readonly ByOutcome[], goods: number, bads: number): number {
  let area = 0;
  let goodsBefore = 0;
  for (const [good, bad] of [...groups].sort((a, b) => a[1] / (a[0] + a[1]) - b[1] / (b[0] + b[1]))) {
    area += bad * (goodsBefore + good / 2);
    goodsBefore += good;
  }
  return area / (goods * bads);
}
