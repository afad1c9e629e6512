/**
 * What each input adds to a network's logit on the way from one row to another: integrated gradients
 * (Sundararajan, Taly & Yan 2017), and their mean over several starting rows, which is what expected gradients
 * (Erion et al. 2021) estimate by sampling.
 *
 *   φ_i = (x_i − b_i) · ∫₀¹ ∂logit/∂x_i (b + α(x − b)) dα,   Σ φ_i = logit(x) − logit(b)
 *
 * Along a straight line a ReLU network is linear between the points where a unit turns on or off. So the integral
 * is a sum over those pieces, exact but for rounding (also behind a link from z to log-odds, `losses/`: over a
 * piece z is linear, so that the mean slope of the link is its rise by the rise of z): no sampling, no seed, the
 * same figures everywhere. (Networks of more than 100 000 weights have too many pieces, those with sigmoid units
 * have none: there it is the midpoint rule with 64 and 1024 steps.) The first layer is linear in α throughout; its
 * kernel is used three times a line, not three times a piece.
 */
import { sigmoid } from '#models/arithmetic/exp-log.ts';
import { trueLogit, type Link } from '#models/fedavg/losses/loss.ts';
import {
  activationOf,
  layersOf,
  parameterCount,
  type Activation,
  type NetworkShape,
} from '#models/fedavg/network.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Pieces taken exactly, in networks that are small enough for it; 64-32-16-1 has about a hundred a line. */
const PIECES_MAX = 2048;
const EXACT_WEIGHTS_MAX = 100_000;
/** Steps of the midpoint rule for what is left of the line; its error shows in the sum. */
const MIDPOINTS = 64;
/** Of small networks with sigmoid units: gradients jump where a relu turns, so the error is of the order of a step. */
const SMOOTH_MIDPOINTS = 1024;
/** A unit that turns this close behind the present point is taken to have turned. */
const STEP = 1e-9;
/** Least rise of z from which the slope of a link is taken, against rounding. */
const LINK_STEP = 1e-4;

interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  /** [inputs, outputs], row-major. */
  readonly kernel: Float64Array;
  readonly bias: Float64Array;
  readonly activation: Activation;
  /** Of the present point: values before activation, their slope along the line, and that of the activation. */
  readonly values: Float64Array;
  readonly slopes: Float64Array;
  readonly gain: Float64Array;
  /** ∂logit / ∂values. */
  readonly gradient: Float64Array;
}

export interface PathAttribution {
  /** The bits of `createNetworkScorer`, through the link. @param inputs as `transformTable` makes them, one row */
  logit(inputs: Float32Array): number;
  /** One figure an input; they sum to logit(x) − mean of logit(start), but for rounding. */
  attribute(x: Float32Array, starts: readonly Float32Array[]): Float64Array;
}

/**
 * @param link from the network's output to log-odds, if they are not the same
 * @throws FederationError SHAPE when the weights are not of the network's size
 */
export function createPathAttribution(
  shape: NetworkShape,
  weights: Float32Array,
  link?: Link,
): PathAttribution {
  if (weights.length !== parameterCount(shape))
    throw new FederationError('SHAPE', `expected ${parameterCount(shape)} weights, got ${weights.length}`);
  const layers: Layer[] = layersOf(shape).map(({ inputs, outputs, kernelAt, biasAt, end }, l, all) => ({
    inputs,
    outputs,
    kernel: Float64Array.from(weights.subarray(kernelAt, biasAt)),
    bias: Float64Array.from(weights.subarray(biasAt, end)),
    activation: l < all.length - 1 ? activationOf(shape, l) : 'linear',
    values: new Float64Array(outputs),
    slopes: new Float64Array(outputs),
    gain: new Float64Array(outputs),
    gradient: new Float64Array(outputs),
  }));
  const first = layers[0]!;
  const start = new Float64Array(first.outputs);
  const along = new Float64Array(first.outputs);
  const mass = new Float64Array(first.outputs);
  const small = weights.length <= EXACT_WEIGHTS_MAX;
  const smooth = layers.some((layer) => layer.activation === 'sigmoid');
  const exactPieces = small && !smooth ? PIECES_MAX : 0;
  const midpoints = small && smooth ? SMOOTH_MIDPOINTS : MIDPOINTS;

  function logit(inputs: Float32Array): number {
    dense(first, inputs, first.values);
    for (let l = 1; l < layers.length; l++) {
      const { values, activation } = layers[l - 1]!;
      if (activation === 'relu') for (let i = 0; i < values.length; i++) if (values[i]! < 0) values[i] = 0;
      if (activation === 'sigmoid') for (let i = 0; i < values.length; i++) values[i] = sigmoid(values[i]!);
      dense(layers[l]!, values, layers[l]!.values);
    }
    return trueLogit(link, layers.at(-1)!.values[0]!);
  }

  /** Adds the piece of the line from `from` to `to`, on which the present point, `at`, lies. */
  function addPiece(from: number, to: number, at: number): void {
    const gradient = gradientOfFirst(layers);
    const length = (to - from) * linkSlope(from - at, to - at);
    for (let o = 0; o < mass.length; o++) mass[o]! += length * gradient[o]!;
  }

  /** Mean slope of the link over a piece, its ends as seen from the present point. */
  function linkSlope(before: number, after: number): number {
    if (link === undefined) return 1;
    const last = layers.at(-1)!;
    const [z, slope] = [last.values[0]!, last.slopes[0]!];
    const [low, high] = [z + slope * before, z + slope * after];
    if (Math.abs(high - low) > LINK_STEP)
      return (trueLogit(link, high) - trueLogit(link, low)) / (high - low);
    return (trueLogit(link, z + LINK_STEP) - trueLogit(link, z - LINK_STEP)) / (2 * LINK_STEP);
  }

  /** Adds one line's attributions, times `share`, to `out`. */
  function integrate(x: Float32Array, b: Float32Array, share: number, out: Float64Array): void {
    dense(first, b, start);
    dense(first, x, along);
    for (let o = 0; o < along.length; o++) along[o]! -= start[o]!;
    mass.fill(0);
    let at = 0;
    for (let piece = 0; piece < exactPieces && at < 1; piece++) {
      const inside = Math.min(at + STEP, 1);
      const turn = followLine(layers, start, along, inside);
      const next = turn > 1 ? 1 : turn;
      addPiece(at, next, inside);
      at = next;
    }
    const steps = at < 1 ? midpoints : 0;
    const width = (1 - at) / midpoints;
    for (let step = 0; step < steps; step++) {
      const middle = at + (step + 0.5) * width;
      followLine(layers, start, along, middle);
      addPiece(middle - width / 2, middle + width / 2, middle);
    }
    for (let i = 0; i < first.inputs; i++) {
      const change = x[i]! - b[i]!;
      if (change === 0) continue;
      let slope = 0;
      for (let o = 0; o < mass.length; o++) slope += first.kernel[i * first.outputs + o]! * mass[o]!;
      out[i]! += share * change * slope;
    }
  }

  return {
    logit,
    attribute(x, starts) {
      const out = new Float64Array(first.inputs);
      for (const b of starts) integrate(x, b, 1 / starts.length, out);
      return out;
    },
  };
}

/** to = from · kernel + bias, summed from the bias in index order. */
function dense({ inputs, outputs, kernel, bias }: Layer, from: ArrayLike<number>, to: Float64Array): void {
  to.set(bias);
  for (let i = 0; i < inputs; i++) {
    const value = from[i]!;
    const at = i * outputs;
    for (let o = 0; o < outputs; o++) to[o]! += kernel[at + o]! * value;
  }
}

/**
 * Sets values, slopes and gains of all units at `alpha` of the line.
 * @returns the next point, above `alpha`, where a hidden unit turns; Infinity when none does
 */
function followLine(
  layers: readonly Layer[],
  start: Float64Array,
  along: Float64Array,
  alpha: number,
): number {
  const first = layers[0]!;
  for (let o = 0; o < first.outputs; o++) first.values[o] = start[o]! + alpha * along[o]!;
  first.slopes.set(along);
  let next = Infinity;
  for (let l = 0; l + 1 < layers.length; l++) {
    const { values, slopes, gain, outputs, activation } = layers[l]!;
    const above = layers[l + 1]!;
    above.values.set(above.bias);
    above.slopes.fill(0);
    for (let o = 0; o < outputs; o++) {
      let value = values[o]!;
      gain[o] = 1;
      if (activation === 'relu') {
        gain[o] = value > 0 ? 1 : 0;
        const turn = alpha - value / slopes[o]!;
        if (turn > alpha && turn < next) next = turn;
      } else if (activation === 'sigmoid') {
        value = sigmoid(value);
        gain[o] = value * (1 - value);
      }
      if (gain[o] === 0) continue;
      const slope = gain[o]! * slopes[o]!;
      const at = o * above.outputs;
      for (let p = 0; p < above.outputs; p++) {
        above.values[p]! += above.kernel[at + p]! * value;
        above.slopes[p]! += above.kernel[at + p]! * slope;
      }
    }
  }
  return next;
}

/** ∂logit / ∂(values of the first layer) at the present point. */
function gradientOfFirst(layers: readonly Layer[]): Float64Array {
  layers.at(-1)!.gradient.fill(1);
  for (let l = layers.length - 2; l >= 0; l--) {
    const { gradient, gain, outputs } = layers[l]!;
    const above = layers[l + 1]!;
    for (let o = 0; o < outputs; o++) {
      let sum = 0;
      if (gain[o] !== 0) {
        const at = o * above.outputs;
        for (let p = 0; p < above.outputs; p++) sum += above.kernel[at + p]! * above.gradient[p]!;
      }
      gradient[o] = gain[o]! * sum;
    }
  }
  return layers[0]!.gradient;
}
