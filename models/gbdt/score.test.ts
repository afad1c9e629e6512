import { describe, expect, test } from 'vitest';
import { applyTree } from '#models/gbdt/apply-tree.ts';
import { binnedFeatures } from '#models/gbdt/binned-feature.ts';
import { createCoverAttribution, createGbdtScorer } from '#models/gbdt/score.ts';
import type { Tree } from '#models/gbdt/tree.ts';
import { binOf, type FeatureBins } from '#models/preprocessing/bins.ts';
import { dataContract } from '#shared/contract/contract.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'firms',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'turnover', type: 'number', min: 0, max: 100, special: [-1, -2] },
    { name: 'sector', type: 'category', categories: ['mining', 'retail', 'farming'] },
  ],
});
const bins: FeatureBins[] = [{ edges: [10, 20.5, 70], special: [-1, -2] }, { categories: 3 }];

function leafAfter(feature: number, bin: number | number[], missingLeft: boolean): Tree {
  return {
    feature: [feature, -1, -1],
    bin: [bin, 0, 0],
    missingLeft: [missingLeft, false, false],
    left: [1, -1, -1],
    right: [2, -1, -1],
    value: [0, 1, -1],
    cover: [10, 5, 5],
  };
}

const TREES: readonly Tree[] = [
  ...[0, 1, 2, 3].flatMap((bin) => [leafAfter(0, bin, true), leafAfter(0, bin, false)]),
  leafAfter(0, [4], false),
  leafAfter(0, [5], false),
  leafAfter(0, [], true),
  leafAfter(1, [0, 2], false),
  leafAfter(1, [1], true),
  leafAfter(1, [3], false),
];

function scorerOf(trees: readonly Tree[], baseLogit = 0) {
  return createGbdtScorer({ baseLogit, trees }, { features: bins }, contract, Float64Array.of(15, 2));
}

describe('a score', () => {
  test('follows raw values where their bins went in training', () => {
    const numbers = [-5, 0, 9.999, 10, 10.001, 20.5, 20.6, 70, 70.1, 1e9, -1, -2, Number.NaN];
    const codes = [0, 1, 2, 3, 4];
    for (const tree of TREES) {
      const scorer = scorerOf([tree]);
      for (const x of numbers) {
        for (const code of codes) {
          const expected = new Float64Array(1);
          const columns = [binOf(bins[0]!, x), binOf(bins[1]!, code)].map((bin) => Uint16Array.of(bin));
          applyTree(tree, binnedFeatures(contract, bins), columns, expected);
          expect(scorer.logit(Float64Array.of(x, code)), `${x}, ${code}`).toBe(expected[0]);
        }
      }
    }
  });

  test('of a value on an edge is that of the bin below it', () => {
    const scorer = scorerOf([leafAfter(0, 1, false)]);
    expect(scorer.logit(Float64Array.of(20.5, 1))).toBe(1);
    expect(scorer.logit(Float64Array.of(20.500000000000004, 1))).toBe(-1);
  });

  test('is the base and one leaf of each tree', () => {
    const row = Float64Array.of(12, 3);
    const each = TREES.map((tree) => scorerOf([tree]).logit(row));
    expect(scorerOf(TREES, -1.25).logit(row)).toBe(-1.25 + each.reduce((a, b) => a + b, 0));
    expect(scorerOf([], -1.25).logit(row)).toBe(-1.25);
  });
});

describe('contributions', () => {
  test('sum to the distance from the baseline', () => {
    const scorer = scorerOf(TREES, 0.5);
    const baseline = scorer.logit(Float64Array.of(15, 2));
    for (const row of [Float64Array.of(Number.NaN, 0), Float64Array.of(-1, 4), Float64Array.of(80, 3)]) {
      const parts = scorer.contributions(row);
      expect(parts.length).toBe(2);
      expect(parts[0]! + parts[1]!).toBeCloseTo(scorer.logit(row) - baseline, 12);
    }
  });

  test('are nothing where the applicant is the baseline, or does not differ in what the trees ask', () => {
    const scorer = scorerOf([leafAfter(0, 1, false)]);
    expect([...scorer.contributions(Float64Array.of(15, 2))]).toEqual([0, 0]);
    expect([...scorer.contributions(Float64Array.of(20, 3))]).toEqual([0, 0]);
    expect([...scorer.contributions(Float64Array.of(21, 3))]).toEqual([-2, 0]);
  });
});

test('bins and baseline of another contract are refused', () => {
  const make = (features: FeatureBins[], baseline: Float64Array) =>
    createGbdtScorer({ baseLogit: 0, trees: [] }, { features }, contract, baseline);
  expect(() => make(bins.slice(1), Float64Array.of(1, 1))).toThrow(
    expect.objectContaining({ code: 'SHAPE' }),
  );
  expect(() => make(bins, Float64Array.of(1))).toThrow(expect.objectContaining({ code: 'SHAPE' }));
});

describe('against the mean of the training rows', () => {
  const transform = { features: bins };

  test('contributions start from the mean that the covers tell and add up to the score', () => {
    const uneven = { ...leafAfter(0, 1, false), cover: [10, 8, 2] };
    const parameters = { baseLogit: -2, trees: [uneven, leafAfter(1, [0, 2], false)] };
    const { from, contributions } = createCoverAttribution(parameters, transform, contract);
    expect(from).toBeCloseTo(-2 + (0.8 - 0.2) + 0, 12);
    // turnover 50 is in the right leaf, −1, sector 1 in the left one, 1
    const [turnover, sector] = contributions(Float64Array.of(50, 1));
    expect(turnover).toBeCloseTo(-1 - 0.6, 12);
    expect(sector).toBeCloseTo(1, 12);
  });

  test('need rows that came through every node', () => {
    const empty = { ...leafAfter(0, 1, false), cover: [5, 5, 0] };
    expect(() => createCoverAttribution({ baseLogit: 0, trees: [empty] }, transform, contract)).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });
});
