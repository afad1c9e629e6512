/**
 * The oracle grows the tree depth first on the rows themselves: it tries every allowed way to send a node's
 * rows left, with plain float64 sums over rows instead of histograms.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { grow, nodesAsked, startTree, treeOf, type GrowthRules } from '#models/gbdt/grow-tree.ts';
import { layoutOf, type HistogramLayout } from '#models/gbdt/histogram.ts';
import { binsLeft, type Tree } from '#models/gbdt/tree.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const UNITS = 2 ** 20;
const RULES: GrowthRules = {
  depth: 4,
  learningRate: 0.3,
  l1: 0.05,
  l2: 0.7,
  minGain: 0.01,
  minCount: 5,
  minHessian: 0.4,
  minCategoryCount: 3,
};
const FEATURES: readonly BinnedFeature[] = [
  { index: 0, orderedBins: 7, bins: 8, monotone: 0 },
  { index: 1, orderedBins: 0, bins: 6, monotone: 0 },
  { index: 2, orderedBins: 4, bins: 7, monotone: 0 },
  { index: 3, orderedBins: 9, bins: 10, monotone: 1 },
];

interface Row {
  readonly bins: readonly number[];
  readonly g: number;
  readonly h: number;
}

function randomRows(count: number, seed: number): Row[] {
  const generator = new SeededGenerator('grow-test', seed);
  return Array.from({ length: count }, () => {
    const bins = FEATURES.map(({ bins }) => Math.floor(generator.nextUnit() * bins));
    // a signal with an interaction, so that there is something to grow
    const signal = (bins[0]! > 3 ? 0.4 : -0.3) * (bins[1]! % 2 === 0 ? 1 : -1) - 0.05 * bins[3]!;
    return {
      bins,
      g: Math.floor((signal + 0.4 * (generator.nextUnit() - 0.5)) * UNITS),
      h: Math.floor((0.05 + 0.2 * generator.nextUnit()) * UNITS),
    };
  });
}

/** Grows a tree as a run does, answering from the rows. */
function growHere(rows: readonly Row[], rules: GrowthRules, features = FEATURES): Tree {
  const layout = layoutOf(features);
  let growth = startTree(layout, rules);
  for (let nodes = nodesAsked(growth); nodes.length > 0; nodes = nodesAsked(growth)) {
    growth = grow(growth, histogramsOf(rows, treeOf(growth), nodes, layout));
  }
  return treeOf(growth);
}

function histogramsOf(rows: readonly Row[], tree: Tree, nodes: readonly number[], layout: HistogramLayout) {
  const sums = () => new Float64Array(nodes.length * layout.cells);
  const histogram = { gradients: sums(), hessians: sums(), counts: sums() };
  for (const { bins, g, h } of rows) {
    nodes.forEach((node, i) => {
      if (!passes(bins, tree, node)) return;
      layout.features.forEach(({ index }, f) => {
        const cell = i * layout.cells + layout.offsets[f]! + bins[index]!;
        histogram.gradients[cell]! += g;
        histogram.hessians[cell]! += h;
        histogram.counts[cell]! += 1;
      });
    });
  }
  return histogram;
}

/** Whether a row comes through a node. */
function passes(bins: readonly number[], tree: Tree, wanted: number): boolean {
  let node = 0;
  while (node !== wanted && node >= 0 && tree.left[node] !== undefined && tree.left[node]! >= 0) {
    const feature = FEATURES[tree.feature[node]!]!;
    const left = binsLeft(tree, node, feature.orderedBins, feature.bins)[bins[feature.index]!] === 1;
    node = left ? tree.left[node]! : tree.right[node]!;
  }
  return node === wanted;
}

/** A node as the oracle sees it: the set of rows of each leaf, from left to right, with its weight. */
interface Leaf {
  readonly rows: readonly Row[];
  readonly weight: number;
}

const sumOf = (rows: readonly Row[], key: 'g' | 'h') => rows.reduce((sum, row) => sum + row[key], 0) / UNITS;

function weightOf(
  rows: readonly Row[],
  { l1, l2 }: GrowthRules,
  [low, high]: readonly [number, number],
): number {
  const g = sumOf(rows, 'g');
  const free = -(Math.sign(g) * Math.max(0, Math.abs(g) - l1)) / (sumOf(rows, 'h') + l2);
  return Math.min(high, Math.max(low, free));
}

function worthOf(rows: readonly Row[], rules: GrowthRules, bounds: readonly [number, number]): number {
  const w = weightOf(rows, rules, bounds);
  return -(sumOf(rows, 'g') * w + 0.5 * (sumOf(rows, 'h') + rules.l2) * w * w + rules.l1 * Math.abs(w));
}

function oracle(
  rows: readonly Row[],
  rules: GrowthRules,
  depth: number,
  bounds: readonly [number, number],
): Leaf[] {
  let best = { gain: 1e-12, left: new Set<number>(), feature: -1, directed: false };
  if (depth > 0 && rows.length >= 2 * rules.minCount) {
    for (const { index, monotone } of FEATURES) {
      for (const { left, directed } of waysLeft(rows, index, rules)) {
        const [l, r] = [true, false].map((side) => rows.filter((row) => left.has(row.bins[index]!) === side));
        if (l!.length < rules.minCount || r!.length < rules.minCount) continue;
        if (sumOf(l!, 'h') < rules.minHessian || sumOf(r!, 'h') < rules.minHessian) continue;
        const rise = weightOf(r!, rules, bounds) - weightOf(l!, rules, bounds);
        if (directed && rise * monotone < 0) continue;
        const gain =
          worthOf(l!, rules, bounds) +
          worthOf(r!, rules, bounds) -
          worthOf(rows, rules, bounds) -
          rules.minGain;
        if (gain > best.gain + 1e-12) best = { gain, left, feature: index, directed };
      }
    }
  }
  if (best.feature < 0) return [{ rows, weight: weightOf(rows, rules, bounds) }];
  const [l, r] = [true, false].map((side) =>
    rows.filter((row) => best.left.has(row.bins[best.feature]!) === side),
  );
  const middle = (weightOf(l!, rules, bounds) + weightOf(r!, rules, bounds)) / 2;
  const rises = best.directed && FEATURES[best.feature]!.monotone === 1;
  return [
    ...oracle(l!, rules, depth - 1, rises ? [bounds[0], middle] : bounds),
    ...oracle(r!, rules, depth - 1, rises ? [middle, bounds[1]] : bounds),
  ];
}

/** In the order the program promises: ties go to the first. */
function waysLeft(rows: readonly Row[], index: number, rules: GrowthRules) {
  const { orderedBins, bins } = FEATURES[index]!;
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  const ways: { left: Set<number>; directed: boolean }[] = [];
  const offer = (left: readonly number[], directed = false) => ways.push({ left: new Set(left), directed });
  const apart = range(orderedBins, bins);
  if (orderedBins > 0) {
    for (let bin = 0; bin < orderedBins; bin++) {
      const directed = bin < orderedBins - 1;
      offer([...range(0, bin + 1), ...apart], directed);
      offer(range(0, bin + 1), directed);
    }
    for (const bin of apart) offer([bin]);
    return ways;
  }
  const inBin = (bin: number) => rows.filter((row) => row.bins[index] === bin);
  const slope = (bin: number) => sumOf(inBin(bin), 'g') / sumOf(inBin(bin), 'h');
  const placed = range(0, bins - 1).filter((bin) => inBin(bin).length >= rules.minCategoryCount);
  const others = range(0, bins).filter((bin) => !placed.includes(bin));
  placed.sort((a, b) => slope(a) - slope(b));
  placed.forEach((_, i) => {
    offer([...placed.slice(0, i + 1), ...others]);
    offer(placed.slice(0, i + 1));
  });
  return ways;
}

function leavesOf(tree: Tree, node = 0): number[] {
  return tree.left[node]! < 0
    ? [node]
    : [...leavesOf(tree, tree.left[node]), ...leavesOf(tree, tree.right[node])];
}

describe('a grown tree', () => {
  test('is the one that exact search on the rows grows, leaf by leaf', () => {
    let splits = 0;
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 20, max: 120 }), (seed, count) => {
        const rows = randomRows(count, seed);
        const tree = growHere(rows, RULES);
        const expected = oracle(rows, RULES, RULES.depth, [-Infinity, Infinity]);
        const leaves = leavesOf(tree);
        splits += leaves.length - 1;
        expect(leaves.map((leaf) => tree.cover[leaf])).toEqual(expected.map((leaf) => leaf.rows.length));
        leaves.forEach((leaf, i) => {
          expect(tree.value[leaf]).toBeCloseTo(0.3 * expected[i]!.weight, 10);
          expect(rows.filter((row) => passes(row.bins, tree, leaf))).toEqual(expected[i]!.rows);
        });
      }),
      { numRuns: 25, seed: 7 },
    );
    expect(splits).toBeGreaterThan(100);
  });

  test('lists children after their parents, in pairs, with covers that add up and values in leaves only', () => {
    const tree = growHere(randomRows(200, 3), RULES);
    expect(tree.feature.length).toBeGreaterThan(6);
    tree.feature.forEach((feature, node) => {
      if (feature < 0) {
        expect([tree.left[node], tree.right[node]]).toEqual([-1, -1]);
        return;
      }
      const left = tree.left[node]!;
      expect(left).toBeGreaterThan(node);
      expect(tree.right[node]).toBe(left + 1);
      expect(tree.cover[left]! + tree.cover[left + 1]!).toBe(tree.cover[node]);
      expect(tree.value[node]).toBe(0);
    });
    expect(tree.cover[0]).toBe(200);
  });

  test('rises with a feature that PD may only rise with, whatever the other features are', () => {
    for (let seed = 0; seed < 20; seed++) {
      const tree = growHere(randomRows(150, seed), { ...RULES, minGain: 0 });
      for (const other of randomRows(40, seed + 1000)) {
        const outputs = Array.from({ length: 9 }, (_, bin) => {
          const bins = [...other.bins.slice(0, 3), bin];
          return tree.value[leavesOf(tree).find((leaf) => passes(bins, tree, leaf))!]!;
        });
        for (let bin = 1; bin < 9; bin++) expect(outputs[bin]).toBeGreaterThanOrEqual(outputs[bin - 1]!);
      }
    }
  });

  test('asks for left children only, and for none that cannot be split', () => {
    const rows = randomRows(120, 5);
    const layout = layoutOf(FEATURES);
    let growth = startTree(layout, RULES);
    expect(nodesAsked(growth)).toEqual([0]);
    for (let level = 1; nodesAsked(growth).length > 0; level++) {
      growth = grow(growth, histogramsOf(rows, treeOf(growth), nodesAsked(growth), layout));
      const tree = treeOf(growth);
      expect(growth.level).toBe(level);
      for (const node of nodesAsked(growth)) {
        expect(tree.left).toContain(node);
        expect(Math.max(tree.cover[node]!, tree.cover[node + 1]!)).toBeGreaterThanOrEqual(2 * RULES.minCount);
      }
    }
    expect(growth.level).toBeLessThanOrEqual(RULES.depth);
  });

  test('of depth 1 takes one question', () => {
    const layout = layoutOf(FEATURES);
    const rules = { ...RULES, depth: 1 };
    const rows = randomRows(100, 1);
    const growth = grow(
      startTree(layout, rules),
      histogramsOf(rows, treeOf(startTree(layout, rules)), [0], layout),
    );
    expect(nodesAsked(growth)).toEqual([]);
    expect(treeOf(growth).feature.length).toBe(3);
  });

  test('splits on the features it was given only', () => {
    const some = FEATURES.filter(({ index }) => index !== 0 && index !== 3);
    const tree = growHere(randomRows(300, 9), { ...RULES, minGain: 0 }, some);
    expect(new Set(tree.feature)).toEqual(new Set([-1, 1, 2]));
  });
});
