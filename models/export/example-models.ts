/**
 * For tests: models of each kind over one contract that has everything in it: missing values, special values, both
 * scales, categories. Parameters are drawn from a seed; nothing was trained.
 */
import { createArtefact, parseArtefact, type ModelArtefact, type ModelParts } from '#models/artefact.ts';
import type { CalibrationMap } from '#models/evaluation/calibration-map.ts';
import type { Link } from '#models/fedavg/losses/loss.ts';
import { initialWeights, parameterCount } from '#models/fedavg/network.ts';
import { binCount, type FeatureBins } from '#models/preprocessing/bins.ts';
import { inputNames } from '#models/preprocessing/transform.ts';
import { pointsOfGroups } from '#models/scorecard/points.ts';
import { scaling } from '#models/scoring/scaling.ts';
import { dataContract } from '#shared/contract/contract.ts';
import { toBase64 } from '#shared/crypto/base64.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

export const exampleContract = dataContract.parse({
  v: 1,
  name: 'small businesses',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'turnover', type: 'number', min: -1000, max: 1e6, scale: 'log', reason: { en: 'Low turnover' } },
    { name: 'sector', type: 'category', categories: ['trade', 'food & drink', 'transport', 'IT'] },
    {
      name: 'months',
      type: 'number',
      min: 0,
      max: 240,
      missing: 'refused',
      description: 'since it was founded',
    },
    { name: 'arrears', type: 'number', min: 0, max: 90, special: [-1, -2] },
    { name: 'owner', type: 'category', categories: ['one', 'several'], missing: 'refused' },
  ],
});

export const exampleBins: FeatureBins[] = [
  { edges: [-10, 0, 1000, 20_000], special: [] },
  { categories: 4 },
  { edges: [12, 36, 120], special: [] },
  { edges: [0, 10, 30], special: [-1, -2] },
  { categories: 2 },
];

const common = {
  contract: exampleContract,
  scaling: scaling.parse({}),
  cutoffs: { approveBelow: 0.1, declineFrom: 0.3 },
  baseline: { row: [12_000, 'trade', 60, 0, 'one'] },
  metrics: { holdoutRows: 1000, auc: 0.75 },
};
const judged = {
  table: [{ rows: 1000, bads: 80, meanPd: 0.08 }],
  hosmerLemeshow: { chiSquare: 0, degrees: 1, p: 1 },
};

export function exampleNetwork(hidden: number[] = [8, 4], link?: Link): ModelArtefact {
  const shape = { inputs: inputNames(exampleContract).length, hidden, dropout: 0.3 };
  const generator = new SeededGenerator('example network');
  const weights = initialWeights(shape, 'example').map((w) => w + 0.2 * (generator.nextUnit() - 0.5));
  if (weights.length !== parameterCount(shape)) throw new Error('not a network');
  return made<'network'>({
    ...common,
    kind: 'network',
    transform: { kind: 'standardised', means: [0.7, 0.3, 0.1], deviations: [0.1, 0.2, 0.15] },
    parameters: {
      network: shape,
      weights: toBase64(bytesOf(weights)),
      ...(link === undefined ? {} : { link }),
    },
    calibration: { ...judged, map: { method: 'platt', slope: 1.25, intercept: -1.5 } },
  });
}

export function exampleForest(treeCount = 12, depth = 3): ModelArtefact {
  const generator = new SeededGenerator('example forest');
  const pick = (count: number): number => Math.floor(count * generator.nextUnit());
  const trees = Array.from({ length: treeCount }, () => {
    const tree = {
      feature: [] as number[],
      bin: [] as (number | number[])[],
      missingLeft: [] as boolean[],
      left: [] as number[],
      right: [] as number[],
      value: [] as number[],
      cover: [] as number[],
    };
    const add = (): number => {
      tree.feature.push(-1);
      tree.bin.push(0);
      tree.missingLeft.push(false);
      tree.left.push(-1);
      tree.right.push(-1);
      tree.value.push(0);
      return tree.cover.push(100) - 1;
    };
    const grow = (node: number, level: number): void => {
      if (level === depth || generator.nextUnit() < 0.1) {
        tree.value[node] = generator.nextUnit() - 0.5;
        return;
      }
      const feature = pick(exampleBins.length);
      const bins = exampleBins[feature]!;
      tree.feature[node] = feature;
      tree.missingLeft[node] = generator.nextUnit() < 0.5;
      if ('categories' in bins) {
        const all = Array.from({ length: bins.categories + 1 }, (_, bin) => bin);
        tree.bin[node] = all.filter(() => generator.nextUnit() < 0.5);
      } else if (bins.special.length > 0 && generator.nextUnit() < 0.4) {
        const all = bins.special.map((_, i) => bins.edges.length + 1 + i);
        tree.bin[node] = all.filter(() => generator.nextUnit() < 0.5);
      } else tree.bin[node] = pick(bins.edges.length + 1);
      const [left, right] = [add(), add()];
      tree.left[node] = left;
      tree.right[node] = right;
      grow(left, level + 1);
      grow(right, level + 1);
    };
    grow(add(), 0);
    return tree;
  });
  return made<'gbdt'>({
    ...common,
    kind: 'gbdt',
    transform: { kind: 'bins', features: exampleBins },
    parameters: { baseLogit: -2.25, trees },
    calibration: {
      ...judged,
      map: { method: 'isotonic', logits: [-3, -2, -1.5, 0], values: [-3.5, -2.5, -1, 0.5] },
    },
  });
}

export function exampleScorecard(map: CalibrationMap = { method: 'identity' }): ModelArtefact {
  const generator = new SeededGenerator('example scorecard');
  const intercept = -2.5;
  const inputs = [0, 1, 3, 4].map((feature) => {
    const bins = exampleBins[feature]!;
    const groups = Array.from({ length: binCount(bins) }, (_, bin) => (bin < 2 ? 0 : bin % 3));
    const woe = Array.from({ length: Math.max(...groups) + 1 }, () => 2 * generator.nextUnit() - 1);
    return { feature, groups, woe, coefficient: 0.75 + 0.5 * generator.nextUnit() };
  });
  const points = pointsOfGroups(intercept, inputs, map, scaling.parse({}));
  const characteristics = inputs.map((input, i) => ({
    ...input,
    points: [...points[i]!.points],
    residual: [...points[i]!.residual],
    mean: 0.125,
    iv: 0.2,
    standardError: 0.1,
    wald: 8,
    p: 0,
    vif: 1.1,
  }));
  return made<'scorecard'>({
    ...common,
    kind: 'scorecard',
    transform: { kind: 'bins', features: exampleBins },
    parameters: { intercept, characteristics },
    calibration: { ...judged, map },
  });
}

function made<Kind extends ModelArtefact['kind']>(parts: ModelParts<Kind>): ModelArtefact {
  return parseArtefact(createArtefact(parts));
}

/** Rows with everything that can be in them: missing, special, unknown, at the edges and beyond the range. */
export function exampleRows(count: number): Float64Array[] {
  const generator = new SeededGenerator('example rows');
  const one = <Value>(of: readonly Value[]): Value => of[Math.floor(of.length * generator.nextUnit())]!;
  return Array.from({ length: count }, () =>
    Float64Array.of(
      one([
        -Infinity,
        -2000,
        -10,
        0,
        0.5,
        1000,
        1000.000001,
        20_000,
        5e5,
        2e6,
        Infinity,
        Number.NaN,
        1e6 * generator.nextUnit(),
      ]),
      one([0, 1, 2, 3, 4, 5]),
      one([-5, 0, 12, 12.5, 36, 120, 240, 300, 240 * generator.nextUnit()]),
      one([0, 10, 30, 31, -1, -2, Number.NaN, 90 * generator.nextUnit()]),
      one([1, 2, 3]),
    ),
  );
}
