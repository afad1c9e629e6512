/** The exported files are run by ONNX Runtime, and must give what the definition of each model gives. */
import { InferenceSession, Tensor } from 'onnxruntime-web';
import { describe, expect, test } from 'vitest';
import { parseArtefact, type GbdtParameters, type ModelArtefact } from '#models/artefact.ts';
import { calibratedLogit } from '#models/evaluation/calibration-map.ts';
import { exportOnnx } from '#models/export/onnx.ts';
import { networkWeights } from '#models/fedavg/network-weights.ts';
import { binCount, binOf, type FeatureBins } from '#models/preprocessing/bins.ts';
import { scorerOf } from '#models/scorer.ts';
import { toBase64 } from '#shared/crypto/base64.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';
import {
  exampleForest,
  exampleNetwork,
  exampleRows,
  exampleScorecard,
} from '#models/export/example-models.ts';

async function run(artefact: ModelArtefact, rows: readonly Float64Array[]) {
  const session = await InferenceSession.create(exportOnnx(artefact));
  const width = artefact.contract.features.length;
  const flat = Float64Array.from(rows.flatMap((row) => [...row]));
  const { logit, pd } = await session.run({
    applicants: new Tensor('float64', flat, [rows.length, width]),
  });
  expect([logit!.dims, pd!.type]).toEqual([[rows.length, 1], 'float64']);
  return { logits: [...(logit!.data as Float64Array)], pds: [...(pd!.data as Float64Array)] };
}

/** By the definition in the artefact, bin by bin. */
function forestLogit(
  { baseLogit, trees }: GbdtParameters,
  features: readonly FeatureBins[],
  row: Float64Array,
): number {
  return trees.reduce((sum, tree) => {
    let node = 0;
    while (tree.feature[node] !== -1) {
      const bins = features[tree.feature[node]!]!;
      const bin = binOf(bins, row[tree.feature[node]!]!);
      const split = tree.bin[node]!;
      const missing = bin === binCount(bins) - 1;
      const special = 'edges' in bins && bin > bins.edges.length;
      const left = missing
        ? tree.missingLeft[node]!
        : typeof split !== 'number'
          ? split.includes(bin)
          : special
            ? tree.missingLeft[node]!
            : bin <= split;
      node = left ? tree.left[node]! : tree.right[node]!;
    }
    return sum + tree.value[node]!;
  }, baseLogit);
}

const rows = exampleRows(400);

function expectAll(actual: readonly number[], expected: readonly number[], digits: number): void {
  actual.forEach((value, i) =>
    expect(value, `row ${i}: ${[...rows[i]!].join(' ')}`).toBeCloseTo(expected[i]!, digits),
  );
}

describe('an exported network', () => {
  test.each([[[8, 4]], [[]], [[3]]])(
    'with hidden layers %j scores raw applicants as ours, calibration included',
    async (hidden) => {
      const artefact = exampleNetwork(hidden);
      const scorer = scorerOf(artefact);
      const expected = rows.map((row) => calibratedLogit(artefact.calibration.map, scorer.logit(row)));
      const { logits, pds } = await run(artefact, rows);
      expectAll(logits, expected, 9);
      expectAll(
        pds,
        expected.map((z) => 1 / (1 + Math.exp(-z))),
        9,
      );
      expect(new Set(logits).size).toBeGreaterThan(200);
    },
  );

  test.each([
    { kind: 'focal', alpha: 0.75, gamma: 2 },
    { kind: 'focal', alpha: 0.2, gamma: 0.5 },
    { kind: 'class-weighted', badWeight: 19 },
  ] as const)('trained on the loss %j scores as ours', async (link) => {
    const artefact = exampleNetwork([8, 4], link);
    const scorer = scorerOf(artefact);
    const expected = rows.map((row) => calibratedLogit(artefact.calibration.map, scorer.logit(row)));
    expectAll((await run(artefact, rows)).logits, expected, 9);
    const plain = scorerOf(exampleNetwork([8, 4]));
    expect(Math.abs(scorer.logit(rows[0]!) - plain.logit(rows[0]!))).toBeGreaterThan(0.5);
  });

  test('with other activations than relu scores as ours', async () => {
    const plain = exampleNetwork([8, 4]);
    if (plain.kind !== 'network') throw new Error('not a network');
    const network = { ...plain.parameters.network, activations: ['sigmoid', 'linear'] as const };
    const artefact = parseArtefact({ ...plain, parameters: { ...plain.parameters, network } });
    const scorer = scorerOf(artefact);
    const expected = rows.map((row) => calibratedLogit(artefact.calibration.map, scorer.logit(row)));
    expectAll((await run(artefact, rows)).logits, expected, 9);
  });

  test('trained on focal loss scores as ours where its output is far from 0', async () => {
    const artefact = exampleNetwork([], { kind: 'focal', alpha: 0.6, gamma: 2 });
    if (artefact.kind !== 'network') throw new Error('not a network');
    const steep = Float32Array.from(networkWeights(artefact.parameters), (w) => 20 * w);
    const parameters = { ...artefact.parameters, weights: toBase64(bytesOf(steep)) };
    const far = { ...artefact, parameters };
    const scorer = scorerOf(far);
    const expected = rows.map((row) => calibratedLogit(far.calibration.map, scorer.logit(row)));
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(100);
    expectAll((await run(far, rows)).logits, expected, 8);
  });
});

describe('an exported forest', () => {
  test.each([
    [12, 3],
    [40, 5],
    [1, 0],
    [0, 0],
  ])('of %d trees of depth %d scores raw applicants as the artefact says', async (trees, depth) => {
    const artefact = exampleForest(trees, depth);
    if (artefact.kind !== 'gbdt') throw new Error('not a forest');
    const expected = rows.map((row) =>
      calibratedLogit(
        artefact.calibration.map,
        forestLogit(artefact.parameters, artefact.transform.features, row),
      ),
    );
    expectAll((await run(artefact, rows)).logits, expected, 5);
    const scorer = scorerOf(artefact);
    expectAll(
      rows.map((row) => calibratedLogit(artefact.calibration.map, scorer.logit(row))),
      expected,
      12,
    );
  });
});

describe('an exported scorecard', () => {
  test('scores raw applicants as the artefact says', async () => {
    const artefact = exampleScorecard();
    if (artefact.kind !== 'scorecard') throw new Error('not a scorecard');
    const { intercept, characteristics } = artefact.parameters;
    const expected = rows.map((row) =>
      characteristics.reduce((sum, { feature, groups, woe, coefficient }) => {
        return sum + coefficient * woe[groups[binOf(artefact.transform.features[feature]!, row[feature]!)]!]!;
      }, intercept),
    );
    const { logits } = await run(artefact, rows);
    expectAll(logits, expected, 5);
    const scorer = scorerOf(artefact);
    expectAll(
      rows.map((row) => scorer.logit(row)),
      expected,
      12,
    );
    expect(new Set(logits.map((z) => z.toFixed(5))).size).toBeGreaterThan(20);
  });
});
