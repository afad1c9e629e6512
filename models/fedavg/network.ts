/**
 * A multilayer perceptron as numbers: its shape, how its parameters lie in one flat vector, and what they
 * are before the first round. Pure, and the same bits on every machine, so that the coordinator, every bank
 * and every auditor start from one network. Neither an engine nor data is needed here; `train-network.ts`
 * trains it, `score-network.ts` runs it.
 *
 *   z₁ = x·W₁ + b₁,  aₗ = dropout(f(zₗ)),  zₗ₊₁ = aₗ·Wₗ₊₁ + bₗ₊₁,  logit = z of the last layer
 *
 * f is relu, max(0, z), unless the shape says sigmoid or linear (no f at all) of a layer.
 *
 * The flat vector holds the layers in order; of each the kernel [inputs, outputs], row-major, then the bias
 * [outputs]. The last layer has one output, the logit of default. 3 inputs and hidden [2] make 11 numbers:
 * W₁ (3×2), b₁ (2), W₂ (2×1), b₂ (1). Dropout has no parameters.
 */
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

export const ACTIVATIONS = ['relu', 'sigmoid', 'linear'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export interface NetworkShape {
  /** Number of features. */
  readonly inputs: number;
  /** Width of each hidden layer; none makes it a logistic regression. */
  readonly hidden: readonly number[];
  /** Probability that a hidden unit is left out of a training step, in [0, 1). */
  readonly dropout: number;
  /** Of each hidden layer; relu where not given. */
  readonly activations?: readonly Activation[] | undefined;
  /** Of each hidden layer, where `dropout` is not that of all. */
  readonly dropouts?: readonly number[] | undefined;
}

/** @param layer hidden layers from 0 */
export function activationOf({ activations }: NetworkShape, layer: number): Activation {
  return activations?.[layer] ?? 'relu';
}

/** The dropout of each hidden layer. */
export function dropoutsOf({ hidden, dropout, dropouts }: NetworkShape): number[] {
  return hidden.map((_, layer) => dropouts?.[layer] ?? dropout);
}

/** Where one layer lies in the flat vector. */
export interface LayerLayout {
  readonly inputs: number;
  readonly outputs: number;
  /** Index of the first kernel entry; kernel[i][o] is at `kernelAt + i * outputs + o`. */
  readonly kernelAt: number;
  /** Index of the first bias entry; also where the kernel ends. */
  readonly biasAt: number;
  /** Index after the last bias entry. */
  readonly end: number;
}

export function layersOf(shape: NetworkShape): LayerLayout[] {
  const layers: LayerLayout[] = [];
  let inputs = shape.inputs;
  let at = 0;
  for (const outputs of [...shape.hidden, 1]) {
    const biasAt = at + inputs * outputs;
    layers.push({ inputs, outputs, kernelAt: at, biasAt, end: biasAt + outputs });
    at = biasAt + outputs;
    inputs = outputs;
  }
  return layers;
}

export function parameterCount(shape: NetworkShape): number {
  return layersOf(shape).at(-1)!.end;
}

/**
 * Glorot & Bengio (2010), eq. 16: kernel entries uniform on ±√(6 / (inputs + outputs)), biases 0, drawn in
 * the order of the flat vector.
 */
export function initialWeights(shape: NetworkShape, seed: string): Float32Array {
  const weights = new Float32Array(parameterCount(shape));
  const generator = new SeededGenerator('initial-weights', seed);
  for (const layer of layersOf(shape)) {
    const limit = Math.sqrt(6 / (layer.inputs + layer.outputs));
    for (let i = layer.kernelAt; i < layer.biasAt; i++) {
      weights[i] = Math.fround((2 * generator.nextUnit() - 1) * limit);
    }
  }
  return weights;
}
