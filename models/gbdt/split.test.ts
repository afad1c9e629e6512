/**
 * The oracle of a split looks at rows, not at histograms: it sends each bin left or right in every way the
 * rules allow and computes the gain anew from the definition, in float64 without units.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { layoutOf, type Histogram } from '#models/gbdt/histogram.ts';
import { bestSplit, FREE, leafWeight, totalOf, type Split, type SplitRules } from '#models/gbdt/split.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const UNITS = 2 ** 20;
const RULES: SplitRules = { l1: 0, l2: 1, minGain: 0, minCount: 1, minHessian: 0, minCategoryCount: 1 };

interface Row {
  readonly bins: readonly number[];
  /** In whole units of 2^-20. */
  readonly g: number;
  readonly h: number;
}

function randomRows(features: readonly BinnedFeature[], count: number, seed: number): Row[] {
  const generator = new SeededGenerator('split-test', seed);
  return Array.from({ length: count }, () => ({
    bins: features.map(({ bins }) => Math.floor(generator.nextUnit() * bins)),
    g: Math.floor((2 * generator.nextUnit() - 1) * UNITS),
    h: Math.floor((0.05 + 0.2 * generator.nextUnit()) * UNITS),
  }));
}

function histogramOf(rows: readonly Row[], features: readonly BinnedFeature[]) {
  const layout = layoutOf(features);
  const sums = () => new Float64Array(layout.cells);
  const histogram: Histogram = { gradients: sums(), hessians: sums(), counts: sums() };
  for (const { bins, g, h } of rows) {
    bins.forEach((bin, f) => {
      const cell = layout.offsets[f]! + bin;
      histogram.gradients[cell]! += g;
      histogram.hessians[cell]! += h;
      histogram.counts[cell]! += 1;
    });
  }
  return { layout, histogram };
}

function search(
  rows: readonly Row[],
  features: readonly BinnedFeature[],
  rules: SplitRules,
  bounds = FREE,
): Split | undefined {
  const { layout, histogram } = histogramOf(rows, features);
  return bestSplit(histogram, layout, totalOf(histogram, layout), bounds, rules);
}

/** min over w in [low, high] of G·w + ½(H + l2)·w² + l1·|w|, negated: what a leaf gains. */
function gainOfLeaf(rows: readonly Row[], { l1, l2 }: SplitRules, { low, high } = FREE): number {
  const g = rows.reduce((sum, row) => sum + row.g, 0) / UNITS;
  const h = rows.reduce((sum, row) => sum + row.h, 0) / UNITS + l2;
  const free = -(Math.sign(g) * Math.max(0, Math.abs(g) - l1)) / h;
  const w = Math.min(high, Math.max(low, free));
  return -(g * w + 0.5 * h * w * w + l1 * Math.abs(w));
}

function gainOf(rows: readonly Row[], feature: number, left: ReadonlySet<number>, rules: SplitRules): number {
  const l = rows.filter((row) => left.has(row.bins[feature]!));
  const r = rows.filter((row) => !left.has(row.bins[feature]!));
  if (l.length < Math.max(1, rules.minCount) || r.length < Math.max(1, rules.minCount)) return -Infinity;
  const heavy = (part: readonly Row[]) =>
    part.reduce((sum, row) => sum + row.h, 0) >= rules.minHessian * UNITS;
  if (!heavy(l) || !heavy(r)) return -Infinity;
  return gainOfLeaf(l, rules) + gainOfLeaf(r, rules) - gainOfLeaf(rows, rules) - rules.minGain;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Every set of bins that may go left. */
function candidates({ orderedBins, bins }: BinnedFeature): Set<number>[] {
  const apart = range(orderedBins, bins);
  const sets = range(0, orderedBins).flatMap((bin) => [
    new Set([...range(0, bin + 1), ...apart]),
    new Set(range(0, bin + 1)),
  ]);
  return [...sets, ...apart.map((bin) => new Set([bin]))];
}

function leftBins(split: Split, { orderedBins, bins }: BinnedFeature): Set<number> {
  const missing = split.missingLeft ? [bins - 1] : [];
  if (typeof split.bin !== 'number') return new Set([...split.bin, ...missing]);
  const apart = split.missingLeft ? range(orderedBins, bins) : [];
  return new Set([...range(0, split.bin + 1), ...apart]);
}

const number = (index: number, orderedBins: number, special = 0): BinnedFeature => ({
  index,
  orderedBins,
  bins: orderedBins + special + 1,
  monotone: 0,
});
const category = (index: number, levels: number): BinnedFeature => ({
  index,
  orderedBins: 0,
  bins: levels + 2,
  monotone: 0,
});

const anyRules = fc.record({
  l1: fc.constantFrom(0, 0.4),
  l2: fc.constantFrom(0.5, 3),
  minGain: fc.constantFrom(0, 0.2),
  minCount: fc.constantFrom(1, 4),
  minHessian: fc.constantFrom(0, 0.6),
  minCategoryCount: fc.constant(1),
});

describe('numbers', () => {
  const features = [number(0, 6), number(1, 3, 2), number(2, 1), number(3, 8, 1)];

  test('no allowed split gains more than the one found', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 60 }), anyRules, (seed, count, rules) => {
        const rows = randomRows(features, count, seed);
        const gains = features.flatMap((f) => candidates(f).map((set) => gainOf(rows, f.index, set, rules)));
        const best = Math.max(...gains);
        const split = search(rows, features, rules);
        if (split === undefined) expect(best).toBeLessThan(1e-9);
        else {
          expect(split.gain).toBeGreaterThan(best - 1e-9);
          const left = leftBins(split, features[split.feature]!);
          expect(gainOf(rows, split.feature, left, rules)).toBeCloseTo(split.gain, 9);
          const inLeft = rows.filter((row) => left.has(row.bins[split.feature]!));
          expect(split.left.count).toBe(inLeft.length);
          expect(split.left.g).toBe(inLeft.reduce((sum, row) => sum + row.g, 0));
          expect(split.right.h).toBe(
            rows.reduce((sum, row) => sum + row.h, 0) - inLeft.reduce((sum, row) => sum + row.h, 0),
          );
        }
      }),
      { numRuns: 150 },
    );
  });

  test('of equal gains the first in order wins: lower feature, lower threshold', () => {
    // two copies of one feature, and an empty bin between the two that hold rows
    const twins = [number(0, 3), number(1, 3)];
    const rows = [
      { bins: [0, 0], g: -UNITS, h: UNITS / 4 },
      { bins: [2, 2], g: UNITS, h: UNITS / 4 },
    ];
    const split = search(rows, twins, RULES)!;
    expect([split.feature, split.bin]).toEqual([0, 0]);
  });

  test('missing values go where they gain more', () => {
    const row = (bin: number, g: number) => ({ bins: [bin], g: g * UNITS, h: UNITS / 4 });
    const like = (sign: number) => [row(0, -1), row(0, -1), row(1, 1), row(1, 1), row(2, sign)];
    expect(search(like(-1), [number(0, 2)], RULES)!.missingLeft).toBe(true);
    expect(search(like(1), [number(0, 2)], RULES)!.missingLeft).toBe(false);
  });

  test('where nothing is missing, a missing value later goes with the greater part', () => {
    const row = (bin: number, g: number) => ({ bins: [bin], g: g * UNITS, h: UNITS / 4 });
    const few = search([row(0, -1), row(1, 1), row(1, 1)], [number(0, 2)], RULES)!;
    const many = search([row(0, -1), row(0, -1), row(1, 1)], [number(0, 2)], RULES)!;
    expect([few.bin, few.missingLeft]).toEqual([0, false]);
    expect([many.bin, many.missingLeft]).toEqual([0, true]);
  });

  test('a special value is told apart from missing and from every number', () => {
    const row = (bin: number, g: number) => ({ bins: [bin], g: g * UNITS, h: UNITS / 4 });
    // bins 0 and 1 ordered, 2 special, 3 missing: only the special value is bad
    const rows = [row(0, 1), row(1, 1), row(2, -1), row(2, -1), row(3, 1), row(3, 1)];
    const split = search(rows, [number(0, 2, 1)], RULES)!;
    expect([split.bin, split.missingLeft]).toEqual([[2], false]);
  });
});

describe('categories', () => {
  test('without penalty no subset of the categories gains more than the prefix found (Fisher 1958)', () => {
    const feature = category(0, 5);
    const rules = { ...RULES, l2: 0 };
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 40 }), (seed, count) => {
        const rows = randomRows([feature], count, seed).filter(({ bins }) => bins[0]! < feature.bins - 1);
        if (rows.length < 2) return;
        let best = -Infinity;
        for (let subset = 1; subset < 2 ** 6; subset++) {
          const left = new Set(range(0, 6).filter((bin) => (subset >> bin) % 2 === 1));
          best = Math.max(best, gainOf(rows, 0, left, rules));
        }
        const split = search(rows, [feature], rules);
        expect(split?.gain ?? 0).toBeCloseTo(Math.max(0, best), 9);
      }),
      { numRuns: 60 },
    );
  });

  test('a rare category goes with the missing values, whatever its own gradients', () => {
    const row = (bin: number, g: number) => ({ bins: [bin], g: g * UNITS, h: UNITS / 4 });
    // categories 0 and 1 with three rows each, 2 with one; 3 is "other", 4 missing
    const rows = [...range(0, 3).flatMap(() => [row(0, -1), row(1, 1)]), row(2, 1), row(4, -1), row(4, -1)];
    const split = search(rows, [category(0, 3)], { ...RULES, minCategoryCount: 2 })!;
    expect([split.bin, split.missingLeft]).toEqual([[0, 2, 3], true]);
    const alone = search(rows, [category(0, 3)], RULES)!;
    // 3 has no rows at all
    expect([alone.bin, alone.missingLeft]).toEqual([[0, 3], true]);
  });

  test('of equal slopes the lower index comes first', () => {
    const row = (bin: number, g: number) => ({ bins: [bin], g: g * UNITS, h: UNITS / 4 });
    const split = search([row(2, -1), row(0, -1), row(1, 1)], [category(0, 3)], RULES)!;
    expect(split.bin).toEqual([0, 2, 3]); // and 3, which nobody has, with the greater part
  });

  test('one that nobody has goes where missing would, also where nothing is missing', () => {
    const row = (bin: number, g: number) => ({ bins: [bin], g: g * UNITS, h: UNITS / 4 });
    const toLeft = search([row(0, -1), row(0, -1), row(1, 1)], [category(0, 3)], RULES)!;
    expect([toLeft.bin, toLeft.missingLeft]).toEqual([[0, 2, 3], true]);
    const toRight = search([row(0, -1), row(1, 1), row(1, 1)], [category(0, 3)], RULES)!;
    expect([toRight.bin, toRight.missingLeft]).toEqual([[0], false]);
  });
});

describe('limits', () => {
  const FREELY = { ...RULES, l2: 0 };
  const features = [number(0, 10)];
  const ladder = range(0, 10).map((bin) => ({ bins: [bin], g: bin === 0 ? -UNITS : UNITS, h: UNITS / 4 }));

  test('both sides keep the least number of rows', () => {
    expect(search(ladder, features, FREELY)!.left.count).toBe(1);
    expect(search(ladder, features, { ...FREELY, minCount: 4 })!.left.count).toBe(4);
    expect(search(ladder, features, { ...FREELY, minCount: 6 })).toBeUndefined();
  });

  test('both sides keep the least sum of h', () => {
    expect(search(ladder, features, { ...FREELY, minHessian: 0.7 })!.left.count).toBe(3);
    expect(search(ladder, features, { ...FREELY, minHessian: 1.3 })).toBeUndefined();
  });

  test('a split must gain more than minGain, and rows that agree gain nothing', () => {
    const { gain } = search(ladder, features, RULES)!;
    expect(search(ladder, features, { ...RULES, minGain: gain - 1e-9 })).toBeDefined();
    expect(search(ladder, features, { ...RULES, minGain: gain })).toBeUndefined();
    // with a penalty two leaves of the same gradient cost more than one
    expect(search(ladder.slice(1), features, RULES)).toBeUndefined();
  });
});

describe('monotone features', () => {
  const rising: BinnedFeature = { ...number(0, 6, 1), monotone: 1 };
  const falling: BinnedFeature = { ...number(0, 6, 1), monotone: -1 };

  test('the side of greater values never gets the wrong weight, and bounds keep the subtrees apart', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 4, max: 50 }), (seed, count) => {
        for (const feature of [rising, falling]) {
          const rows = randomRows([feature], count, seed);
          const bounds = { low: -0.8, high: 0.5 };
          const split = search(rows, [feature], RULES, bounds);
          if (split === undefined || typeof split.bin !== 'number' || split.bin === 5) continue;
          const left = leafWeight(split.left, bounds, RULES);
          const right = leafWeight(split.right, bounds, RULES);
          expect((right - left) * feature.monotone).toBeGreaterThanOrEqual(0);
          const [below, above] =
            feature.monotone === 1
              ? [split.leftBounds, split.rightBounds]
              : [split.rightBounds, split.leftBounds];
          expect(below).toEqual({ low: -0.8, high: (left + right) / 2 });
          expect(above).toEqual({ low: (left + right) / 2, high: 0.5 });
        }
      }),
      { numRuns: 100 },
    );
  });

  test('within bounds the gain is that of the weights the leaves can have', () => {
    const bounds = { low: -0.3, high: 0.2 };
    const rules = { ...RULES, l1: 0.1 };
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const feature = number(0, 5);
        const rows = randomRows([feature], 20, seed);
        const split = search(rows, [feature], rules, bounds);
        if (split === undefined) return;
        const left = leftBins(split, feature);
        const parts = [true, false].map((side) => rows.filter((row) => left.has(row.bins[0]!) === side));
        const gain =
          gainOfLeaf(parts[0]!, rules, bounds) +
          gainOfLeaf(parts[1]!, rules, bounds) -
          gainOfLeaf(rows, rules, bounds);
        expect(split.gain).toBeCloseTo(gain, 9);
      }),
      { numRuns: 60 },
    );
  });

  test('telling missing from all values is no matter of order', () => {
    const row = (bin: number, g: number) => ({ bins: [bin], g: g * UNITS, h: UNITS / 4 });
    // the greatest values do not occur: a threshold below them would be one between values
    const rows = [row(0, -1), row(1, -1), row(6, 1), row(6, 1)];
    const split = search(rows, [rising], RULES)!;
    expect([split.bin, split.missingLeft, split.leftBounds]).toEqual([5, false, FREE]);
  });

  test('a rise that the data show is refused where PD must fall', () => {
    const rows = range(0, 6).map((bin) => ({ bins: [bin], g: (2.5 - bin) * UNITS, h: UNITS / 4 }));
    expect(search(rows, [rising], RULES)!.bin).toBe(2);
    expect(search(rows, [falling], RULES)).toBeUndefined();
  });
});

test('a leaf without curvature or penalty weighs nothing', () => {
  const rules = { ...RULES, l2: 0 };
  expect(leafWeight({ g: 5, h: 0, count: 3 }, FREE, rules)).toBe(0);
  expect(leafWeight({ g: -2 * UNITS, h: UNITS, count: 3 }, FREE, { ...rules, l1: 0.5, l2: 2 })).toBe(0.5);
  expect(leafWeight({ g: 2 * UNITS, h: UNITS, count: 3 }, { low: -0.25, high: 1 }, rules)).toBe(-0.25);
});
