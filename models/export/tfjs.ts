/**
 * A network as TensorFlow.js Layers model: `model.json` and its weights, for `tf.loadLayersModel`. It takes the
 * inputs of the network, not raw applicants, and gives the PD before calibration: what is done before and after is in
 * `userDefinedMetadata` (contract, transform, names of the inputs, calibration), and in the ONNX export it is part of
 * the model.
 */
import type { ModelArtefact } from '#models/artefact.ts';
import { trueLogit } from '#models/fedavg/losses/loss.ts';
import { activationOf, layersOf } from '#models/fedavg/network.ts';
import { networkWeights } from '#models/fedavg/network-weights.ts';
import { inputNames } from '#models/preprocessing/transform.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { VERSION } from '#shared/protocol/version.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

export const TFJS_WEIGHTS_FILE = 'weights.bin';

export interface TfjsModel {
  /** Contents of `model.json`. */
  readonly model: object;
  /** Contents of the weights file beside it: float32, little-endian, kernel then bias, layer by layer. */
  readonly weights: Uint8Array;
}

/**
 * What a class weight did to the log-odds is taken out of the last bias, so that the file gives the PD.
 * @throws FederationError USAGE when the model is not a network, or was trained on focal loss: no dense layer undoes that
 */
export function exportTfjs(artefact: ModelArtefact): TfjsModel {
  if (artefact.kind !== 'network')
    throw new FederationError(
      'USAGE',
      `expected a network to export for TensorFlow.js, got a ${artefact.kind}; use --to onnx`,
    );
  const { network, link } = artefact.parameters;
  if (link?.kind === 'focal')
    throw new FederationError(
      'USAGE',
      'a network trained on focal loss gives a PD only after its output is turned back, which layers cannot; use --to onnx',
    );
  const weights = networkWeights(artefact.parameters);
  weights[weights.length - 1]! += trueLogit(link, 0);
  const layout = layersOf(network);
  const names = layout.map((_, l) => (l === layout.length - 1 ? 'pd' : `hidden_${l + 1}`));
  const layers = layout.map(({ outputs }, l) => ({
    class_name: 'Dense',
    config: {
      name: names[l],
      units: outputs,
      activation: l === layout.length - 1 ? 'sigmoid' : activationOf(network, l),
      use_bias: true,
      dtype: 'float32',
      trainable: true,
      ...(l === 0 ? { batch_input_shape: [null, network.inputs] } : {}),
    },
  }));
  return {
    model: {
      format: 'layers-model',
      generatedBy: `tallystick ${VERSION}`,
      convertedBy: null,
      modelTopology: {
        class_name: 'Sequential',
        config: { name: 'tallystick', layers },
        keras_version: 'tfjs-layers 4.22.0',
        backend: 'tensor_flow.js',
      },
      weightsManifest: [
        {
          paths: [TFJS_WEIGHTS_FILE],
          weights: layout.flatMap(({ inputs, outputs }, l) => [
            { name: `${names[l]}/kernel`, shape: [inputs, outputs], dtype: 'float32' },
            { name: `${names[l]}/bias`, shape: [outputs], dtype: 'float32' },
          ]),
        },
      ],
      userDefinedMetadata: {
        contract: artefact.contract,
        transform: artefact.transform,
        inputs: inputNames(artefact.contract),
        calibration: artefact.calibration.map,
        scaling: artefact.scaling,
      },
    },
    weights: bytesOf(weights),
  };
}
