import type { io } from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import {
  exampleContract,
  exampleNetwork,
  exampleRows,
  exampleScorecard,
} from '#models/export/example-models.ts';
import { exportTfjs } from '#models/export/tfjs.ts';
import { loadTensorFlow } from '#models/fedavg/tensorflow-engine.ts';
import { createRowTransform } from '#models/preprocessing/transform.ts';
import { scorerOf } from '#models/scorer.ts';

interface Topology {
  modelTopology: { config: { layers: { class_name: string; config: Record<string, unknown> }[] } };
  weightsManifest: { paths: string[]; weights: io.WeightsManifestEntry[] }[];
  userDefinedMetadata: { inputs: string[] };
}

describe('a network exported for TensorFlow.js', () => {
  const model = JSON.parse(JSON.stringify(exportTfjs(exampleNetwork([8, 4])).model)) as Topology;

  test.each([
    ['cross-entropy', undefined],
    ['class weights', { kind: 'class-weighted', badWeight: 19 } as const],
  ])('on %s computes our PDs, with weights as TensorFlow.js itself decodes them', async (_, link) => {
    const { tf } = await loadTensorFlow();
    const artefact = exampleNetwork([8, 4], link);
    const exported = exportTfjs(artefact);
    if (artefact.kind !== 'network') throw new Error('not a network');
    const [group] = model.weightsManifest;
    const buffer = exported.weights.slice().buffer;
    const tensors = tf.io.decodeWeights(buffer, group!.weights);
    const { layers } = model.modelTopology.config;
    const toInputs = createRowTransform(exampleContract, artefact.transform);
    const scorer = scorerOf(artefact);
    for (const row of exampleRows(50)) {
      const inputs = new Float32Array(model.userDefinedMetadata.inputs.length);
      toInputs(row, inputs);
      let values = [...inputs];
      for (const { config } of layers) {
        const kernel = tensors[`${config['name'] as string}/kernel`]!;
        const bias = tensors[`${config['name'] as string}/bias`]!.dataSync();
        expect(kernel.shape).toEqual([values.length, config['units']]);
        const weights = kernel.dataSync();
        values = Array.from(bias, (b, o) => {
          const z = values.reduce((sum, value, i) => sum + value * weights[i * bias.length + o]!, b);
          return config['activation'] === 'relu' ? Math.max(0, z) : 1 / (1 + Math.exp(-z));
        });
      }
      expect(values[0]).toBeCloseTo(1 / (1 + Math.exp(-scorer.logit(row))), 6);
    }
  });

  test('has the topology that a Sequential model of dense layers has', () => {
    const { layers } = model.modelTopology.config;
    expect(
      layers.map((layer) => [layer.class_name, layer.config['units'], layer.config['activation']]),
    ).toEqual([
      ['Dense', 8, 'relu'],
      ['Dense', 4, 'relu'],
      ['Dense', 1, 'sigmoid'],
    ]);
    expect(layers[0]!.config['batch_input_shape']).toEqual([null, model.userDefinedMetadata.inputs.length]);
    expect(model.weightsManifest[0]!.paths).toEqual(['weights.bin']);
  });

  test('is refused where layers cannot undo its loss', () => {
    const artefact = exampleNetwork([8, 4], { kind: 'focal', alpha: 0.75, gamma: 2 });
    expect(() => exportTfjs(artefact)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  test('is refused for other kinds of model', () => {
    expect(() => exportTfjs(exampleScorecard())).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
