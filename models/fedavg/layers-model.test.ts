import { describe, expect, test } from 'vitest';
import { exampleNetwork } from '#models/export/example-models.ts';
import { exportTfjs } from '#models/export/tfjs.ts';
import { readLayersModel } from '#models/fedavg/layers-model.ts';

/**
 * As `tf.sequential` of TensorFlow.js 4.22 saves it: dense 32 relu, dropout 0.25, dense 16 sigmoid, dense 1 sigmoid.
 */
const SAVED = {
  format: 'layers-model',
  generatedBy: 'TensorFlow.js tfjs-layers v4.22.0',
  convertedBy: null,
  modelTopology: {
    class_name: 'Sequential',
    config: {
      name: 'sequential_1',
      layers: [
        {
          class_name: 'Dense',
          config: {
            units: 32,
            activation: 'relu',
            use_bias: true,
            kernel_initializer: {
              class_name: 'VarianceScaling',
              config: { scale: 1, mode: 'fan_avg', distribution: 'normal', seed: null },
            },
            bias_initializer: { class_name: 'Zeros', config: {} },
            kernel_regularizer: null,
            bias_regularizer: null,
            activity_regularizer: null,
            kernel_constraint: null,
            bias_constraint: null,
            name: 'dense_Dense1',
            trainable: true,
            batch_input_shape: [null, 23],
            dtype: 'float32',
          },
        },
        {
          class_name: 'Dropout',
          config: { rate: 0.25, noise_shape: null, seed: null, name: 'dropout_Dropout1', trainable: true },
        },
        { class_name: 'Dense', config: { units: 16, activation: 'sigmoid', use_bias: true, name: 'b' } },
        { class_name: 'Dense', config: { units: 1, activation: 'sigmoid', use_bias: true, name: 'c' } },
      ],
    },
    keras_version: 'tfjs-layers 4.22.0',
    backend: 'tensor_flow.js',
  },
  weightsManifest: [{ paths: ['./model.weights.bin'], weights: [] }],
};
const LAYERS = SAVED.modelTopology.config.layers;

const dense = (units: number, config: object = { activation: 'relu' }) => ({
  class_name: 'Dense',
  config: { units, ...config },
});
const out = dense(1, { activation: 'sigmoid' });
const dropout = (rate: number) => ({ class_name: 'Dropout', config: { rate } });

describe('a layers model', () => {
  const expected = {
    ...{ inputs: 23, hidden: [32, 16], dropout: 0 },
    ...{ activations: ['relu', 'sigmoid'], dropouts: [0.25, 0] },
  };

  test('is read from model.json, from its topology as any version nests it, and from its layers', () => {
    const { modelTopology } = SAVED;
    expect(readLayersModel(SAVED)).toEqual(expected);
    expect(readLayersModel(modelTopology)).toEqual(expected);
    expect(readLayersModel({ modelTopology: { model_config: modelTopology } })).toEqual(expected);
    expect(readLayersModel({ modelTopology: { class_name: 'Sequential', config: LAYERS } })).toEqual(
      expected,
    );
    expect(readLayersModel(LAYERS)).toEqual(expected);
  });

  test('of relu layers with one dropout is the plan’s own form', () => {
    expect(readLayersModel([dense(8), dropout(0.3), dense(4), dropout(0.3), out])).toEqual({
      hidden: [8, 4],
      dropout: 0.3,
    });
    expect(readLayersModel([dense(1, { activation: 'linear' })])).toEqual({ hidden: [], dropout: 0 });
    expect(readLayersModel([dense(1, {})])).toEqual({ hidden: [], dropout: 0 });
  });

  test('may begin with an input layer', () => {
    const input = { class_name: 'InputLayer', config: { batch_input_shape: [null, 5], name: 'in' } };
    expect(readLayersModel([input, dense(3), out])).toEqual({ inputs: 5, hidden: [3], dropout: 0 });
  });

  test('that was exported here comes back with the shape it had', () => {
    const artefact = exampleNetwork([8, 4]);
    if (artefact.kind !== 'network') throw new Error('not a network');
    const { inputs } = artefact.parameters.network;
    const { model } = exportTfjs(artefact);
    expect(readLayersModel(JSON.parse(JSON.stringify(model)))).toEqual({
      inputs,
      hidden: [8, 4],
      dropout: 0,
    });
  });

  const regularised = {
    activation: 'relu',
    kernel_regularizer: { class_name: 'L1L2', config: { l2: 0.01 } },
  };
  test.each([
    [
      'another kind of model',
      { modelTopology: { class_name: 'Model', config: { layers: [out] } } },
      /Sequential/,
    ],
    ['no model at all', 7, /Sequential/],
    ['no layers', [], /expected array/i],
    ['another kind of layer', [{ class_name: 'Conv2D', config: {} }, out], /layer 0: class_name/],
    ['another activation', [dense(4, { activation: 'tanh' }), out], /layer 0: config.activation/],
    [
      'a regulariser, which would be left out',
      [dense(4, regularised), out],
      /layer 0: config.kernel_regularizer/,
    ],
    ['a layer without bias', [dense(4, { use_bias: false }), out], /layer 0: config.use_bias/],
    ['a frozen layer', [dense(4, { trainable: false }), out], /layer 0: config.trainable/],
    ['a setting nobody here knows', [dense(4, { lora_rank: 2 }), out], /layer 0: config.*lora_rank/],
    ['dropout of the inputs', [dropout(0.1), out], /layer 0: Dropout/],
    ['two dropouts in a row', [dense(4), dropout(0.1), dropout(0.1), out], /layer 2: Dropout/],
    ['dropout of the output', [out, dropout(0.1)], /last layer/],
    ['several outputs', [dense(4), dense(2, { activation: 'sigmoid' })], /last layer/],
    ['an output that is never negative', [dense(4), dense(1)], /last layer/],
    ['too many layers', [...Array.from({ length: 9 }, () => dense(2)), out], /at most 8/],
    ['inputs in the middle', [dense(4), dense(1, { batch_input_shape: [null, 4] })], /layer 1/],
  ])('is refused with %s', (_, value, message) => {
    expect(() => readLayersModel(value)).toThrow(
      expect.objectContaining({ code: 'PLAN', message: expect.stringMatching(message) as string }),
    );
  });
});
