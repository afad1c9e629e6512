/** Both kinds of Shapley values against their definition: the average over all orders, by enumeration. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CompiledForest } from '#models/gbdt/compiled-forest.ts';
import { interventionalShap } from '#models/gbdt/interventional-shap.ts';
import { expectedOutput, treeShap } from '#models/gbdt/tree-shap.ts';
import type { Tree } from '#models/gbdt/tree.ts';
import type { FeatureBins } from '#models/preprocessing/bins.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

/** x0 < 0.5 [cover 100] yes → x1 < 0.5 [60] yes → 1 [40], no → 2 [20]; no → 4 [40]. */
const GOLDEN: Tree = {
  feature: [0, 1, -1, -1, -1],
  bin: [0, 0, 0, 0, 0],
  missingLeft: [false, false, false, false, false],
  left: [1, 3, -1, -1, -1],
  right: [2, 4, -1, -1, -1],
  value: [0, 0, 4, 1, 2],
  cover: [100, 60, 40, 40, 20],
};
const HALVES: FeatureBins[] = [
  { edges: [0.5], special: [] },
  { edges: [0.5], special: [] },
];

test('the golden tree has its published path-dependent values', () => {
  const forest = new CompiledForest([GOLDEN], HALVES);
  const row = forest.place(Float64Array.of(0.2, 0.8), forest.emptyRow());
  expect(expectedOutput(forest)).toBeCloseTo(2.4, 12);
  const [a, b] = treeShap(forest, row, 2);
  expect(a).toBeCloseTo(-0.9333333333, 9);
  expect(b).toBeCloseTo(0.5333333333, 9);
});

test('against one background row the golden tree shares out the difference of the two outputs', () => {
  const forest = new CompiledForest([GOLDEN], HALVES);
  const place = (...x: number[]) => forest.place(Float64Array.from(x), forest.emptyRow());
  // output 2 against 4: x0 alone takes 4 to 1, x1 alone does nothing, both together give 2
  const values = interventionalShap(forest, place(0.2, 0.8), [place(0.9, 0.1)], 2);
  expect([...values]).toEqual([-2.5, 0.5]);
});

const FEATURES = 6;
const BINS: FeatureBins[] = [
  { edges: [-1, 0, 2], special: [] },
  { edges: [10, 20], special: [-9] },
  { categories: 3 },
  { edges: [0.5], special: [] },
  { categories: 2 },
  { edges: [1, 2, 3, 4], special: [] },
];

function randomTree(generator: SeededGenerator, depth: number): Tree {
  const tree: Tree = { feature: [], bin: [], missingLeft: [], left: [], right: [], value: [], cover: [] };
  const below = (n: number) => Math.floor(generator.nextUnit() * n);
  const add = (cover: number) => {
    tree.feature.push(-1);
    tree.bin.push(0);
    tree.missingLeft.push(false);
    tree.left.push(-1);
    tree.right.push(-1);
    tree.value.push(2 * generator.nextUnit() - 1);
    tree.cover.push(cover);
    return tree.feature.length - 1;
  };
  let level = [add(1000)];
  for (let d = 0; d < depth; d++) {
    level = level.flatMap((node) => {
      if (d > 0 && generator.nextUnit() < 0.25) return [];
      const feature = below(FEATURES);
      const bins = BINS[feature]!;
      tree.feature[node] = feature;
      tree.bin[node] =
        'categories' in bins
          ? [below(bins.categories + 1)]
          : bins.special.length > 0 && below(3) === 0
            ? [bins.edges.length + 1]
            : below(bins.edges.length + 1);
      tree.missingLeft[node] = below(2) === 0;
      tree.value[node] = 0;
      const left = Math.max(1, Math.floor(tree.cover[node]! * (0.1 + 0.8 * generator.nextUnit())));
      tree.left[node] = add(left);
      tree.right[node] = add(Math.max(1, tree.cover[node]! - left));
      return [tree.left[node], tree.right[node]];
    });
  }
  return tree;
}

function randomRow(generator: SeededGenerator): Float64Array {
  return Float64Array.from(BINS, (bins) => {
    const draw = generator.nextUnit();
    if ('categories' in bins) return Math.floor(draw * (bins.categories + 2));
    if (draw < 0.15) return Number.NaN;
    if (draw < 0.3 && bins.special.length > 0) return bins.special[0]!;
    const low = bins.edges[0]! - 1;
    return low + generator.nextUnit() * (bins.edges.at(-1)! + 1 - low);
  });
}

/** Σ over coalitions without f of |S|!(M−1−|S|)!/M! · (worth(S ∪ f) − worth(S)). */
function shapleyByDefinition(worth: (coalition: number) => number): number[] {
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
  const size = (s: number) => s.toString(2).replaceAll('0', '').length;
  const worths = Array.from({ length: 2 ** FEATURES }, (_, s) => worth(s));
  return Array.from({ length: FEATURES }, (_, f) => {
    let value = 0;
    for (let s = 0; s < 2 ** FEATURES; s++) {
      if ((s >> f) % 2 === 1) continue;
      const weight = (factorial(size(s)) * factorial(FEATURES - 1 - size(s))) / factorial(FEATURES);
      value += weight * (worths[s + 2 ** f]! - worths[s]!);
    }
    return value;
  });
}

const cases = fc.record({ seed: fc.nat(), depth: fc.integer({ min: 1, max: 5 }) });

describe('on random forests with missing values, special values and categories', () => {
  test('interventional values are the Shapley values of swapping features with background rows', () => {
    fc.assert(
      fc.property(cases, ({ seed, depth }) => {
        const generator = new SeededGenerator('shap', seed);
        const trees = [randomTree(generator, depth), randomTree(generator, depth)];
        const forest = new CompiledForest(trees, BINS);
        const place = (row: Float64Array) => forest.place(row, forest.emptyRow());
        const row = randomRow(generator);
        const background = [randomRow(generator), randomRow(generator), randomRow(generator)];
        const expected = shapleyByDefinition((coalition) => {
          const outputs = background.map((other) => {
            const mixed = row.map((x, f) => ((coalition >> f) % 2 === 1 ? x : other[f]!));
            return forest.sum(0, place(mixed));
          });
          return outputs.reduce((a, b) => a + b, 0) / outputs.length;
        });
        const values = interventionalShap(forest, place(row), background.map(place), FEATURES);
        values.forEach((value, f) => expect(value).toBeCloseTo(expected[f]!, 10));
      }),
      { numRuns: 60 },
    );
  });

  test('path-dependent values are the Shapley values of averaging over covers', () => {
    fc.assert(
      fc.property(cases, ({ seed, depth }) => {
        const generator = new SeededGenerator('shap', seed);
        const trees = [randomTree(generator, depth), randomTree(generator, depth)];
        const forest = new CompiledForest(trees, BINS);
        const row = forest.place(randomRow(generator), forest.emptyRow());
        const meanAt = (node: number, coalition: number): number => {
          const left = forest.left[node]!;
          if (left < 0) return forest.value[node]!;
          if ((coalition >> forest.feature[node]!) % 2 === 1)
            return meanAt(forest.childOf(node, row), coalition);
          const [a, b] = [forest.cover[left]!, forest.cover[left + 1]!];
          return (a * meanAt(left, coalition) + b * meanAt(left + 1, coalition)) / (a + b);
        };
        const worth = (s: number) => [...forest.roots].reduce((sum, root) => sum + meanAt(root, s), 0);
        const expected = shapleyByDefinition(worth);
        const values = treeShap(forest, row, FEATURES);
        values.forEach((value, f) => expect(value).toBeCloseTo(expected[f]!, 10));
        expect(expectedOutput(forest)).toBeCloseTo(worth(0), 10);
      }),
      { numRuns: 60 },
    );
  });
});
