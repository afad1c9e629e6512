/**
 * From fine bins to the groups of a characteristic, a function of the summed counts that everybody computes.
 *
 * Ranges are merged with neighbours only; categories likewise, after sorting them by bad rate. In this order:
 *
 *   1. groups with too few rows, bads or goods join the neighbour with the nearer bad rate, smallest first
 *   2. neighbours against the declared direction are pooled (pool adjacent violators); without one, and the
 *      shape `monotone`, against the direction that keeps more information value
 *   3. above `groupsMax`, the pair whose union loses least information value is joined
 *
 * Special values and missing stay apart when they are large enough, else join the group of the nearest weight
 * of evidence; so do all ranges as one, where they are too small even together. What nobody
 * has seen (an empty category, missing where none is) joins the group nearest to a weight of zero. Ties go to the lower index.
 */
import type { BinCounts } from '#models/preprocessing/bin-counts.ts';
import { binCount, type FeatureBins } from '#models/preprocessing/bins.ts';
import { weightOfEvidence } from '#models/scorecard/woe.ts';

export interface MergeSettings {
  readonly shape: 'monotone' | 'free';
  readonly groupsMax: number;
  /** Of all rows, for groups of ranges and categories. */
  readonly minShare: number;
  /** For every group: least bads, and least goods, seen or to be expected at the bad rate of all rows. */
  readonly minBads: number;
  /** For every group. */
  readonly minRows: number;
}

type Direction = 'increasing' | 'decreasing';

interface Group {
  readonly bins: readonly number[];
  readonly bad: number;
  readonly good: number;
}

interface Population {
  readonly bads: number;
  readonly goods: number;
}

/**
 * @param direction how the bad rate may move with the value of a number, when that is agreed
 * @returns the group of each bin, numbered without gaps: ranges ascending (categories by bad rate ascending),
 *   then special values, then missing. All zero when no two groups are large enough.
 */
export function mergeBins(
  bins: FeatureBins,
  counts: BinCounts,
  direction: Direction | undefined,
  settings: MergeSettings,
): number[] {
  const all = Array.from({ length: binCount(bins) }, (_, i) => groupOf(i, counts));
  const population = {
    bads: counts.bad.reduce((a, b) => a + b, 0),
    goods: counts.good.reduce((a, b) => a + b, 0),
  };
  const isCategory = 'categories' in bins;
  const ordered = isCategory ? bins.categories + 1 : bins.edges.length + 1;
  const main = isCategory
    ? all
        .slice(0, ordered)
        .filter((g) => rowsOf(g) > 0)
        .sort((a, b) => rateOf(a) - rateOf(b))
    : withoutEmpty(all.slice(0, ordered)).filter((g) => rowsOf(g) > 0);
  const wanted = isCategory ? 'increasing' : direction;
  const merged = mergeOrdered(main, wanted, population, settings);
  const placed = new Set(merged.flatMap((g) => g.bins));
  const others = all.filter(({ bins: [bin] }) => !placed.has(bin!));
  const unseen = others.filter((g) => rowsOf(g) === 0);
  const seen = [...merged, ...others.filter((g) => rowsOf(g) > 0)];
  const large = seen.filter((group) => isLarge(group, population, settings));
  const small = seen.filter((group) => !isLarge(group, population, settings));
  const groupOfBin = all.map(() => 0);
  if (large.length === 0) return groupOfBin;
  const joined = joinNearest(large, small, population);
  const kept = merged.filter((group) => large.includes(group)).length;
  // what has joined may have bent the order of the bad rates
  const reshaped = shapeOf(joined.slice(0, kept), wanted, population, settings);
  const complete = joinUnseen([...reshaped, ...joined.slice(kept)], unseen, population);
  complete.forEach((group, g) => group.bins.forEach((bin) => (groupOfBin[bin] = g)));
  return groupOfBin;
}

function groupOf(bin: number, { bad, good }: BinCounts): Group {
  return { bins: [bin], bad: bad[bin]!, good: good[bin]! };
}

function rowsOf({ bad, good }: Group): number {
  return bad + good;
}

function rateOf(group: Group): number {
  return group.bad / rowsOf(group);
}

function union(a: Group, b: Group): Group {
  return { bins: [...a.bins, ...b.bins], bad: a.bad + b.bad, good: a.good + b.good };
}

/** Few bads are enough, or none, where so many rows would have had `minBads` at the bad rate of all; so for goods. */
function isLarge(group: Group, { bads, goods }: Population, { minBads, minRows }: MergeSettings): boolean {
  const rows = rowsOf(group);
  const isEnough = (seen: number, ofAll: number) =>
    seen >= minBads || rows * ofAll >= minBads * (bads + goods);
  return rows >= minRows && isEnough(group.bad, bads) && isEnough(group.good, goods);
}

/** Empty ranges go with the range below them, the first ones with the range above. */
function withoutEmpty(ranges: readonly Group[]): Group[] {
  const groups: Group[] = [];
  for (const range of ranges) {
    const last = groups.at(-1);
    if (last !== undefined && (rowsOf(range) === 0 || rowsOf(last) === 0)) {
      groups[groups.length - 1] = union(last, range);
    } else groups.push(range);
  }
  return groups;
}

function mergeOrdered(
  start: readonly Group[],
  direction: Direction | undefined,
  population: Population,
  settings: MergeSettings,
): Group[] {
  const rows = population.bads + population.goods;
  const groups = mergeSmall(
    start,
    (group) => isLarge(group, population, settings) && rowsOf(group) >= settings.minShare * rows,
  );
  const shaped = shapeOf(groups, direction, population, settings);
  while (shaped.length > settings.groupsMax) {
    let best = 0;
    let least = Infinity;
    for (let i = 0; i + 1 < shaped.length; i++) {
      const pair = shaped.slice(i, i + 2);
      const loss = ivOf(pair, population) - ivOf([union(pair[0]!, pair[1]!)], population);
      if (loss < least) [best, least] = [i, loss];
    }
    joinAt(shaped, best);
  }
  return shaped;
}

function mergeSmall(start: readonly Group[], enough: (group: Group) => boolean): Group[] {
  const groups = [...start];
  while (groups.length > 1) {
    let smallest = -1;
    groups.forEach((group, i) => {
      if (!enough(group) && (smallest < 0 || rowsOf(group) < rowsOf(groups[smallest]!))) smallest = i;
    });
    if (smallest < 0) break;
    const here = rateOf(groups[smallest]!);
    const gap = (i: number) => {
      const other = groups[i];
      return other === undefined ? Infinity : Math.abs(rateOf(other) - here);
    };
    joinAt(groups, gap(smallest - 1) <= gap(smallest + 1) ? smallest - 1 : smallest);
  }
  return groups;
}

/** Replaces groups i and i + 1 by their union. */
function joinAt(groups: Group[], i: number): void {
  groups.splice(i, 2, union(groups[i]!, groups[i + 1]!));
}

function shapeOf(
  groups: readonly Group[],
  direction: Direction | undefined,
  population: Population,
  { shape }: MergeSettings,
): Group[] {
  if (direction !== undefined) return pooled(groups, direction);
  if (shape === 'free') return [...groups];
  const rising = pooled(groups, 'increasing');
  const falling = pooled(groups, 'decreasing');
  return ivOf(falling, population) > ivOf(rising, population) ? falling : rising;
}

/** Pool adjacent violators: neighbours that do not move in the direction, strictly, become one. */
function pooled(groups: readonly Group[], direction: Direction): Group[] {
  const sign = direction === 'increasing' ? 1 : -1;
  const out: Group[] = [];
  for (const group of groups) {
    let next = group;
    for (let last = out.at(-1); last !== undefined; last = out.at(-1)) {
      // rates compared as products of whole numbers, which are exact
      if (sign * (next.bad * rowsOf(last) - last.bad * rowsOf(next)) > 0) break;
      next = union(last, next);
      out.pop();
    }
    out.push(next);
  }
  return out;
}

/** What these groups contribute to the information value of the whole population. */
function ivOf(groups: readonly Group[], { bads, goods }: Population): number {
  const rest = { bad: bads, good: goods };
  for (const { bad, good } of groups) {
    rest.bad -= bad;
    rest.good -= good;
  }
  const bad = [...groups.map((g) => g.bad), rest.bad];
  const good = [...groups.map((g) => g.good), rest.good];
  const { iv, woe } = weightOfEvidence(bad, good);
  const shareOfRest = rest.bad / bads - rest.good / goods;
  return iv - shareOfRest * woe.at(-1)!;
}

function woeOf({ bad, good }: Group, { bads, goods }: Population): number {
  return weightOfEvidence([bad, bads - bad], [good, goods - good]).woe[0]!;
}

function nearest(groups: readonly Group[], woe: number, population: Population): number {
  let best = 0;
  let least = Infinity;
  groups.forEach((group, i) => {
    const gap = Math.abs(woeOf(group, population) - woe);
    if (gap < least) [best, least] = [i, gap];
  });
  return best;
}

function joinNearest(groups: readonly Group[], small: readonly Group[], population: Population): Group[] {
  const joined = [...groups];
  for (const group of small) {
    const to = nearest(groups, woeOf(group, population), population); // as they were, whatever joined since
    joined[to] = union(joined[to]!, group);
  }
  return joined;
}

function joinUnseen(groups: readonly Group[], unseen: readonly Group[], population: Population): Group[] {
  const to = nearest(groups, 0, population);
  return groups.map((group, i) => (i === to ? unseen.reduce(union, group) : group));
}
