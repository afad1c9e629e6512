/**
 * Trains a network on one bank's rows with TensorFlow.js: minibatch gradient descent on the mean loss (binary
 * cross-entropy of the logit, or another of `losses/`), with inverted dropout (Srivastava et al. 2014) and Adam
 * (Kingma & Ba 2015, algorithm 1) or plain SGD. What a call returns is a function of weights, data, options and seed
 * alone: no optimiser state outlives it, so an agent that was restarted in mid-round answers with the same bits
 * (same machine and back end; see `tensorflow-engine.ts`).
 *
 * Gradients are written out rather than left to `tf.grads`, for speed. With X of [128, 130] and layers
 * 64-32-16-1 on WASM, one step takes 1.0 ms; autodiff with `tf.train.adam` takes 3.7 ms, because
 *  - it multiplies by transposed matrices, for which WASM has a scalar loop only: 1015 µs for
 *    [130, 128]ᵀ·[128, 64], against 126 µs to transpose first and multiply then;
 *  - its Adam runs a dozen operations on each kernel and bias; here they run once, on one flat vector. The
 *    vector goes through JavaScript to be cut into layers (20 µs), since tf.split copies it whole for each
 *    piece (70 µs).
 * (Besides, the Node build of tfjs-core registers no gradients; only the union package does.)
 *
 * Masks and row order come from SeededGenerator: `tf.dropout` with a seed repeats one mask in every batch,
 * and without a seed it is not reproducible.
 */
import { setImmediate as pause } from 'node:timers/promises';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { lossGradient, lossOf, type Loss } from '#models/fedavg/losses/loss.ts';
import {
  activationOf,
  dropoutsOf,
  layersOf,
  parameterCount,
  type LayerLayout,
  type NetworkShape,
} from '#models/fedavg/network.ts';
import { loadTensorFlow, type TensorFlow } from '#models/fedavg/tensorflow-engine.ts';
import { clipByNorm } from '#models/fedavg/train-clipping.ts';
import { addProximalTerm } from '#models/fedavg/train-proximal.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';

/** Rows between two pauses, in which messages are sent and received and `progress` is called. */
const ROWS_BETWEEN_PAUSES = 2048;

/** Rows with their outcome. Not copied: must not change while in use. */
export interface LabelledRows {
  /** Row-major, `rows` × `shape.inputs`. */
  readonly features: Float32Array;
  /** 1 defaulted, 0 did not. */
  readonly bad: Uint8Array;
  readonly rows: number;
}

export interface TrainOptions {
  /** Where to start; flat, laid out as in `network.ts`; not changed. */
  readonly weights: Float32Array;
  readonly epochs: number;
  /** The last batch of an epoch holds what is left. */
  readonly batchSize: number;
  readonly learningRate: number;
  readonly seed: string;
  readonly optimizer: 'adam' | 'sgd';
  /** Adam's ε; see the settings of `fedavg` for why it matters there. */
  readonly epsilon: number;
  readonly loss: Loss;
  /** µ ≥ 0 of FedProx: the pull towards `weights`. */
  readonly proximal: number;
  /** Longest gradient of a batch, the proximal term included. */
  readonly gradientNorm?: number | undefined;
  /** Called with the fraction done, now and then, the last time with 1. */
  readonly progress: (fraction: number) => void;
}

export interface TrainingResult {
  readonly weights: Float32Array;
  /** Loss a row over the last epoch, each row as its batch met it: with dropout, while learning. */
  readonly meanLoss: number;
}

export interface NetworkTrainer {
  /**
   * @throws FederationError DIVERGED when weights or loss are no longer finite; SHAPE for weights of the
   *   wrong number; STOPPED when disposed of meanwhile
   */
  train(options: TrainOptions): Promise<TrainingResult>;
  /** A training under way ends at its next pause. */
  dispose(): void;
}

/** @throws FederationError SHAPE when the data are not of the network's size, or there are none */
export async function createNetworkTrainer(shape: NetworkShape, data: LabelledRows): Promise<NetworkTrainer> {
  if (data.rows < 1 || data.features.length !== data.rows * shape.inputs || data.bad.length !== data.rows) {
    throw new FederationError(
      'SHAPE',
      `expected ${data.rows} ≥ 1 rows of ${shape.inputs} features and one outcome, ` +
        `got ${data.features.length} features and ${data.bad.length} outcomes`,
    );
  }
  const { tf } = await loadTensorFlow();
  const layers = layersOf(shape);
  let disposed = false;

  return {
    async train(options) {
      const { weights, epochs, batchSize, learningRate, epsilon, seed, optimizer, progress } = options;
      const { loss: objective, proximal, gradientNorm } = options;
      if (weights.length !== parameterCount(shape)) {
        throw new FederationError(
          'SHAPE',
          `expected ${parameterCount(shape)} weights, got ${weights.length}`,
        );
      }
      const size = Math.min(batchSize, data.rows);
      const nextEpoch = createBatches(data, shape.inputs, size, seed);
      const nextMasks = createDropoutMasks(shape, size, seed);
      const update =
        optimizer === 'adam'
          ? createAdam(tf, weights, learningRate, epsilon)
          : createSgd(tf, weights, learningRate);
      const received = tf.tensor1d(weights);
      let meanLoss = 0;
      let rowsDone = 0;
      let nextPause = 0;
      try {
        for (let epoch = 0; epoch < epochs; epoch++) {
          let loss = 0;
          for (const batch of nextEpoch()) {
            if (rowsDone >= nextPause) {
              nextPause = rowsDone + ROWS_BETWEEN_PAUSES;
              progress(rowsDone / (epochs * data.rows));
              await pause();
              if (disposed) throw new FederationError('STOPPED', 'the trainer was disposed of');
            }
            loss += tf.tidy(() => {
              const parameters = unflatten(tf, layers, update.weights());
              const pass = forward(tf, parameters, batch, nextMasks(batch.rows), shape);
              const slope = backward(tf, parameters, batch, pass, objective, shape);
              const whole =
                proximal === 0 ? slope : addProximalTerm(tf, slope, update.tensor(), received, proximal);
              update.apply(clipByNorm(tf, whole, gradientNorm));
              return sumOfLosses(objective, pass.logits.dataSync(), batch.bad);
            });
            if (!Number.isFinite(loss)) throw diverged(epoch, learningRate);
            rowsDone += batch.rows;
          }
          meanLoss = loss / data.rows;
        }
        const trained = update.weights().slice();
        if (!trained.every(Number.isFinite)) throw diverged(epochs - 1, learningRate);
        progress(1);
        return { weights: trained, meanLoss };
      } finally {
        received.dispose();
        update.dispose();
      }
    },
    dispose() {
      disposed = true;
    },
  };
}

function diverged(epoch: number, learningRate: number): FederationError {
  return new FederationError(
    'DIVERGED',
    `expected finite loss and weights, got others in local epoch ${epoch + 1}; ` +
      `lower the learning rate (${learningRate}) or look for extreme features`,
  );
}

// ————— one step: forward, loss, backward, update

/** A layer's parameters on the back end. */
interface Layer {
  /** [inputs, outputs] */
  readonly kernel: Tensor2D;
  /** [outputs] */
  readonly bias: Tensor1D;
}

export function unflatten(tf: TensorFlow, layers: readonly LayerLayout[], weights: Float32Array): Layer[] {
  return layers.map(({ inputs, outputs, kernelAt, biasAt, end }) => ({
    kernel: tf.tensor2d(weights.subarray(kernelAt, biasAt), [inputs, outputs]),
    bias: tf.tensor1d(weights.subarray(biasAt, end)),
  }));
}

/** What the backward pass needs of the forward pass. */
interface ForwardPass {
  /** aₗ₋₁, what layer l was given: the features, then each hidden layer's output. [rows, inputs of l] */
  readonly inputs: readonly Tensor2D[];
  /** fₗ, each hidden layer's output before dropout. [rows, outputs of l] */
  readonly outputs: readonly Tensor2D[];
  /** mₗ of each hidden layer, or none without dropout. [rows, outputs of l] */
  readonly masks: readonly Tensor2D[];
  /** [rows, 1] */
  readonly logits: Tensor2D;
}

/** aₗ = mₗ ∘ f(aₗ₋₁·Wₗ + bₗ); logits = aₗ₋₁·Wₗ + bₗ in the last layer. */
export function forward(
  tf: TensorFlow,
  layers: readonly Layer[],
  batch: LabelledRows,
  masks: readonly Float32Array[],
  shape: NetworkShape,
): ForwardPass {
  const hidden = layers.slice(0, -1);
  const output = layers.at(-1)!;
  const maskTensors = masks.map((mask, l) => tf.tensor2d(mask, [batch.rows, hidden[l]!.bias.size]));
  let a = tf.tensor2d(batch.features, [batch.rows, layers[0]!.kernel.shape[0]]);
  const inputs = [a];
  const outputs: Tensor2D[] = [];
  for (const [l, { kernel, bias }] of hidden.entries()) {
    const activation = activationOf(shape, l);
    a = tf.fused.matMul({
      a,
      b: kernel,
      bias,
      activation: activation === 'relu' ? 'relu' : 'linear',
    }) as Tensor2D;
    if (activation === 'sigmoid') a = tf.sigmoid(a);
    outputs.push(a);
    const mask = maskTensors[l];
    if (mask !== undefined) a = tf.mul(a, mask);
    inputs.push(a);
  }
  const logits = tf.fused.matMul({ a, b: output.kernel, bias: output.bias }) as Tensor2D;
  return { inputs, outputs, masks: maskTensors, logits };
}

/** Outside TensorFlow: it is for people to see, no gradient passes through it. */
function sumOfLosses(objective: Loss, logits: ArrayLike<number>, bad: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += lossOf(objective, logits[i]!, bad[i]!);
  return sum;
}

/**
 * The gradient of the mean loss, flat. With δₗ its derivative by what layer l gives before f:
 *   δ of the last = dL/dz / rows, for cross-entropy (σ(z) − y) / rows,  δₗ₋₁ = (δₗ·Wₗᵀ) ∘ mₗ₋₁ ∘ f′,
 *   ∂Wₗ = aₗ₋₁ᵀ·δₗ,  ∂bₗ = Σ δₗ over rows
 * where f′ is [aₗ₋₁ > 0] of relu (a unit that dropout left out has a = 0, and its mask is 0 as well), f(1 − f) of
 * sigmoid.
 */
export function backward(
  tf: TensorFlow,
  layers: readonly Layer[],
  batch: LabelledRows,
  { inputs, outputs, masks, logits }: ForwardPass,
  objective: Loss,
  shape: NetworkShape,
): Tensor1D {
  let delta = lossSlopes(tf, logits, batch, objective);
  const gradients: Tensor[] = [];
  for (let l = layers.length - 1; l >= 0; l--) {
    const a = inputs[l]!;
    gradients.unshift(tf.matMul(tf.transpose(a), delta), tf.sum(delta, 0));
    if (l === 0) break;
    delta = tf.matMul(delta, tf.transpose(layers[l]!.kernel));
    const mask = masks[l - 1];
    if (mask !== undefined) delta = tf.mul(delta, mask);
    const activation = activationOf(shape, l - 1);
    if (activation === 'relu') delta = tf.mul(delta, tf.step(a));
    if (activation === 'sigmoid') {
      const f = outputs[l - 1]!;
      delta = tf.mul(delta, tf.mul(f, tf.sub(1, f)));
    }
  }
  return tf.concat1d(gradients.map((gradient) => tf.reshape(gradient, [-1])));
}

/** dL/dz / rows of each row. [rows, 1] */
function lossSlopes(
  tf: TensorFlow,
  logits: Tensor2D,
  { bad, rows }: LabelledRows,
  objective: Loss,
): Tensor2D {
  if (objective.kind === 'cross-entropy')
    return tf.div(tf.sub(tf.sigmoid(logits), tf.tensor2d(Float32Array.from(bad), [rows, 1])), rows);
  const z = logits.dataSync();
  return tf.tensor2d(
    Float32Array.from(bad, (y, i) => lossGradient(objective, z[i]!, y) / rows),
    [rows, 1],
  );
}

interface Update {
  /** The weights now. Valid until the next `apply`. */
  weights(): Float32Array;
  /** The same, on the back end. */
  tensor(): Tensor1D;
  apply(gradient: Tensor1D): void;
  dispose(): void;
}

/** w ← w − η·g */
function createSgd(tf: TensorFlow, initial: Float32Array, learningRate: number): Update {
  return keepState(tf, [tf.tensor1d(initial)], ([w], g) => [tf.sub(w!, tf.mul(g, learningRate))]);
}

/**
 * m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²,  w ← w − η·m̂ / (√v̂ + ε), where m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ).
 * The state holds m/(1−β₁) and v/(1−β₂); these factors and both corrections go into two scalars a step.
 */
function createAdam(tf: TensorFlow, initial: Float32Array, learningRate: number, epsilon: number): Update {
  const [beta1, beta2] = [0.9, 0.999];
  const zeros = new Float32Array(initial.length);
  let t = 0;
  return keepState(tf, [tf.tensor1d(initial), tf.tensor1d(zeros), tf.tensor1d(zeros)], ([w, m, v], g) => {
    t++;
    const scaleM = (1 - beta1) / (1 - beta1 ** t);
    const scaleRootV = Math.sqrt((1 - beta2) / (1 - beta2 ** t));
    const nextM: Tensor1D = tf.add(tf.mul(m!, beta1), g);
    const nextV: Tensor1D = tf.add(tf.mul(v!, beta2), tf.square(g));
    const direction = tf.div(nextM, tf.add(tf.sqrt(nextV), epsilon / scaleRootV));
    return [tf.sub(w!, tf.mul(direction, (learningRate * scaleM) / scaleRootV)), nextM, nextV];
  });
}

/** Keeps tensors from one step to the next; the first are the weights. */
function keepState(
  tf: TensorFlow,
  initial: Tensor1D[],
  step: (state: readonly Tensor1D[], gradient: Tensor1D) => Tensor1D[],
): Update {
  let state = initial;
  return {
    weights: () => state[0]!.dataSync() as Float32Array,
    tensor: () => state[0]!,
    apply(gradient) {
      const next = step(state, gradient).map((tensor) => tf.keep(tensor));
      tf.dispose(state);
      state = next;
    },
    dispose: () => tf.dispose(state),
  };
}

// ————— what varies from step to step, all of it from the seed

/** @returns deals out the rows of one epoch, freshly shuffled; each batch is valid until the next */
function createBatches(
  data: LabelledRows,
  inputs: number,
  batchSize: number,
  seed: string,
): () => Generator<LabelledRows> {
  const generator = new SeededGenerator('row-order', seed);
  const order = range(data.rows);
  const features = new Float32Array(batchSize * inputs);
  const bad = new Uint8Array(batchSize);
  return function* () {
    generator.shuffle(order);
    for (let start = 0; start < data.rows; start += batchSize) {
      const rows = Math.min(batchSize, data.rows - start);
      for (let i = 0; i < rows; i++) {
        const row = order[start + i]!;
        features.set(data.features.subarray(row * inputs, (row + 1) * inputs), i * inputs);
        bad[i] = data.bad[row]!;
      }
      yield { features: features.subarray(0, rows * inputs), bad: bad.subarray(0, rows), rows };
    }
  };
}

/**
 * @returns draws one mask [rows, outputs] for each hidden layer (none without dropout): 0 with probability
 *   p, else 1/(1−p), so that the expected output is the output without dropout. Valid until the next draw.
 */
export function createDropoutMasks(
  shape: NetworkShape,
  batchSize: number,
  seed: string,
): (rows: number) => Float32Array[] {
  const { hidden } = shape;
  const dropouts = dropoutsOf(shape);
  if (dropouts.every((dropout) => dropout === 0)) return () => [];
  const generator = new SeededGenerator('dropout', seed);
  const buffers = hidden.map((outputs) => new Float32Array(batchSize * outputs));
  const draws = new Uint32Array(batchSize * Math.max(0, ...hidden));
  return (rows) =>
    hidden.map((outputs, l) => {
      const mask = buffers[l]!.subarray(0, rows * outputs);
      const drawn = draws.subarray(0, mask.length);
      const threshold = dropouts[l]! * 4_294_967_296;
      const kept = 1 / (1 - dropouts[l]!);
      generator.fill(drawn);
      // not `? :`, whose mispredicted branches cost more than the draws: 76 µs for 14 336 units, against 27
      for (let i = 0; i < mask.length; i++) mask[i] = kept * Number(drawn[i]! >= threshold);
      return mask;
    });
}
