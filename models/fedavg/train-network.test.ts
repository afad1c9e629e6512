import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { initialWeights, layersOf, parameterCount, type NetworkShape } from '#models/fedavg/network.ts';
import { createNetworkScorer } from '#models/fedavg/score-network.ts';
import { loadTensorFlow } from '#models/fedavg/tensorflow-engine.ts';
import {
  backward,
  createDropoutMasks,
  createNetworkTrainer,
  forward,
  unflatten,
  type LabelledRows,
  type TrainOptions,
} from '#models/fedavg/train-network.ts';
import { lossOf, type Loss } from '#models/fedavg/losses/loss.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const { tf } = await loadTensorFlow();

/** Features uniform on ±1.5; the outcome is 1 with probability `risk` of the row. */
function makeRows(rows: number, inputs: number, risk: (x: Float32Array) => number = () => 0.3): LabelledRows {
  const generator = new SeededGenerator('test rows', rows, inputs);
  const features = new Float32Array(rows * inputs).map(() => 3 * generator.nextUnit() - 1.5);
  const bad = new Uint8Array(rows).map((_, r) =>
    generator.nextUnit() < risk(features.subarray(r * inputs, (r + 1) * inputs)) ? 1 : 0,
  );
  return { features, bad, rows };
}

/** Biases too, so that their gradients are tested away from 0. */
function someWeights(shape: NetworkShape, seed = 'test weights'): Float32Array {
  const generator = new SeededGenerator(seed);
  return initialWeights(shape, seed).map((w) => (w === 0 ? 0.4 * generator.nextUnit() - 0.2 : w));
}

const defaults = {
  epochs: 1,
  batchSize: 32,
  learningRate: 1e-3,
  epsilon: 1e-7,
  optimizer: 'adam',
  loss: { kind: 'cross-entropy' },
  proximal: 0,
  seed: 's',
} as const;

async function train(shape: NetworkShape, data: LabelledRows, options: Partial<TrainOptions> = {}) {
  const trainer = await createNetworkTrainer(shape, data);
  const weights = options.weights ?? initialWeights(shape, 'start');
  return trainer.train({ ...defaults, weights, progress: () => {}, ...options });
}

// ————— the oracle: the same mathematics in float64, one row and one weight at a time

const CROSS_ENTROPY: Loss = { kind: 'cross-entropy' };

/** Mean loss: cross-entropy straight from its definition, others from their own file, tested there. */
function referenceLoss(
  shape: NetworkShape,
  w: ArrayLike<number>,
  data: LabelledRows,
  masks: Float32Array[],
  loss: Loss = CROSS_ENTROPY,
): number {
  let sum = 0;
  for (let r = 0; r < data.rows; r++) {
    let a = Array.from(data.features.subarray(r * shape.inputs, (r + 1) * shape.inputs));
    for (const [l, { outputs, kernelAt, biasAt }] of layersOf(shape).entries()) {
      const z = Array.from({ length: outputs }, (_, o) =>
        a.reduce((total, x, i) => total + x * w[kernelAt + i * outputs + o]!, w[biasAt + o]!),
      );
      const mask = masks[l];
      const f = {
        relu: (v: number) => Math.max(0, v),
        sigmoid: (v: number) => 1 / (1 + Math.exp(-v)),
        linear: (v: number) => v,
      };
      const activation = shape.activations?.[l] ?? 'relu';
      a = l === shape.hidden.length ? z : z.map((v, o) => f[activation](v) * (mask?.[r * outputs + o] ?? 1));
    }
    const pd = 1 / (1 + Math.exp(-a[0]!));
    if (loss.kind !== 'cross-entropy') sum += lossOf(loss, a[0]!, data.bad[r]!);
    else sum -= Math.log(data.bad[r] === 1 ? pd : 1 - pd);
  }
  return sum / data.rows;
}

/** Central differences: their error is about 1e-9 here, far from the kinks of relu. */
function referenceGradient(
  shape: NetworkShape,
  w: ArrayLike<number>,
  data: LabelledRows,
  masks: Float32Array[] = [],
  loss: Loss = CROSS_ENTROPY,
) {
  const h = 1e-6;
  const at = Float64Array.from(w);
  return at.map((value, i) => {
    at[i] = value + h;
    const above = referenceLoss(shape, at, data, masks, loss);
    at[i] = value - h;
    const below = referenceLoss(shape, at, data, masks, loss);
    at[i] = value;
    return (above - below) / (2 * h);
  });
}

function engineGradient(
  shape: NetworkShape,
  w: Float32Array,
  data: LabelledRows,
  masks: Float32Array[] = [],
  loss: Loss = CROSS_ENTROPY,
) {
  return tf.tidy(() => {
    const layers = unflatten(tf, layersOf(shape), w);
    return backward(
      tf,
      layers,
      data,
      forward(tf, layers, data, masks, shape),
      loss,
      shape,
    ).dataSync() as Float32Array;
  });
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
}

// —————

describe('one step', () => {
  const shapes = [[], [1], [7], [5, 3], [6, 2, 9]].map((hidden) => ({ inputs: 4, hidden, dropout: 0.4 }));

  test.each(shapes)('has the gradient of finite differences, hidden layers $hidden', (shape) => {
    const data = makeRows(13, 4);
    const weights = someWeights(shape);
    const expected = referenceGradient(shape, weights, data);
    expect(largestDifference(engineGradient(shape, weights, data), expected)).toBeLessThan(1e-6);
  });

  test('has that gradient behind every activation, with dropouts that differ', () => {
    const shape: NetworkShape = {
      ...{ inputs: 4, hidden: [6, 5, 3], dropout: 0 },
      ...{ activations: ['sigmoid', 'linear', 'relu'], dropouts: [0.3, 0, 0.5] },
    };
    const data = makeRows(13, 4);
    const weights = someWeights(shape);
    const masks = createDropoutMasks(shape, 13, 's')(13);
    expect(masks.map((mask) => new Set(mask).size)).toEqual([2, 1, 2]);
    const expected = referenceGradient(shape, weights, data, masks);
    expect(largestDifference(engineGradient(shape, weights, data, masks), expected)).toBeLessThan(1e-6);
    const logits = tf.tidy(() =>
      forward(tf, unflatten(tf, layersOf(shape), weights), data, [], shape).logits.dataSync(),
    );
    const ours = createNetworkScorer(shape, weights)(data.features, data.rows);
    expect(largestDifference(logits, ours)).toBeLessThan(1e-6);
  });

  test.each(shapes)('has that gradient behind dropout masks too, hidden layers $hidden', (shape) => {
    const data = makeRows(13, 4);
    const weights = someWeights(shape);
    const masks = createDropoutMasks(shape, 20, 's')(13);
    const expected = referenceGradient(shape, weights, data, masks);
    expect(largestDifference(engineGradient(shape, weights, data, masks), expected)).toBeLessThan(1e-6);
  });

  test.each([
    { kind: 'class-weighted', badWeight: 6 },
    { kind: 'focal', alpha: 0.75, gamma: 2 },
  ] as const)('has the gradient of finite differences, loss $kind', (loss) => {
    const shape = { inputs: 4, hidden: [5, 3], dropout: 0 };
    const data = makeRows(13, 4);
    const weights = someWeights(shape);
    const expected = referenceGradient(shape, weights, data, [], loss);
    expect(largestDifference(engineGradient(shape, weights, data, [], loss), expected)).toBeLessThan(1e-6);
    expect(largestDifference(engineGradient(shape, weights, data), expected)).toBeGreaterThan(0.01);
  });

  test('of FedProx adds µ times the way from the weights received', async () => {
    const shape = { inputs: 4, hidden: [3], dropout: 0 };
    const data = makeRows(50, 4);
    const start = someWeights(shape);
    const [learningRate, proximal] = [0.4, 0.9];
    let w = Float64Array.from(start);
    for (let step = 0; step < 4; step++) {
      const gradient = referenceGradient(shape, w, data);
      w = w.map((value, i) => value - learningRate * (gradient[i]! + proximal * (value - start[i]!)));
    }
    const options = { weights: start, batchSize: 50, epochs: 4, optimizer: 'sgd', learningRate } as const;
    const result = await train(shape, data, { ...options, proximal });
    expect(largestDifference(result.weights, w)).toBeLessThan(1e-5);
    expect(largestDifference((await train(shape, data, options)).weights, w)).toBeGreaterThan(1e-3);
  });

  test('moves no further than the longest gradient allowed, and in the same direction', async () => {
    const shape = { inputs: 4, hidden: [3], dropout: 0 };
    const data = makeRows(50, 4);
    const weights = someWeights(shape);
    const gradient = referenceGradient(shape, weights, data);
    const norm = Math.hypot(...gradient);
    for (const gradientNorm of [norm / 3, norm * 3]) {
      const result = await train(shape, data, {
        ...{ weights, batchSize: 50, optimizer: 'sgd', learningRate: 0.5, gradientNorm },
      });
      const share = Math.min(1, gradientNorm / norm);
      const expected = gradient.map((g, i) => weights[i]! - 0.5 * share * g);
      expect(largestDifference(result.weights, expected)).toBeLessThan(1e-6);
    }
  });

  test('of SGD over all rows is w − η·gradient', async () => {
    const shape = { inputs: 4, hidden: [6, 3], dropout: 0 };
    const data = makeRows(50, 4);
    const weights = someWeights(shape);
    const learningRate = 0.7;
    const gradient = referenceGradient(shape, weights, data);
    const expected = gradient.map((g, i) => weights[i]! - learningRate * g);
    const result = await train(shape, data, { weights, batchSize: 1000, optimizer: 'sgd', learningRate });
    expect(largestDifference(result.weights, expected)).toBeLessThan(1e-6);
    expect(result.meanLoss).toBeCloseTo(referenceLoss(shape, weights, data, []), 6);
  });

  test('of Adam is algorithm 1 of Kingma and Ba, several steps long', async () => {
    const shape = { inputs: 3, hidden: [4], dropout: 0 };
    const data = makeRows(40, 3);
    const start = someWeights(shape);
    const learningRate = 0.02;
    const w = Float64Array.from(start);
    const m = new Float64Array(w.length);
    const v = new Float64Array(w.length);
    for (let t = 1; t <= 5; t++) {
      const gradient = referenceGradient(shape, w, data);
      for (let i = 0; i < w.length; i++) {
        m[i] = 0.9 * m[i]! + 0.1 * gradient[i]!;
        v[i] = 0.999 * v[i]! + 0.001 * gradient[i]! ** 2;
        w[i]! -= (learningRate * (m[i]! / (1 - 0.9 ** t))) / (Math.sqrt(v[i]! / (1 - 0.999 ** t)) + 1e-7);
      }
    }
    const result = await train(shape, data, { weights: start, epochs: 5, batchSize: 40, learningRate });
    expect(largestDifference(result.weights, w)).toBeLessThan(1e-4);
    expect(largestDifference(start, w)).toBeGreaterThan(0.05);
  });

  test('goes forward as score-network does', () => {
    const shape = { inputs: 23, hidden: [64, 32, 16], dropout: 0.3 };
    const data = makeRows(101, 23);
    const weights = someWeights(shape);
    const logits = tf.tidy(() =>
      forward(tf, unflatten(tf, layersOf(shape), weights), data, [], shape).logits.dataSync(),
    );
    expect(largestDifference(logits, createNetworkScorer(shape, weights)(data.features, 101))).toBeLessThan(
      1e-5,
    );
  });
});

describe('dropout', () => {
  const shape = { inputs: 2, hidden: [30, 20], dropout: 0.3 };

  test('leaves out 30 % of the units and scales the others up, so that a unit keeps its mean', () => {
    const nextMasks = createDropoutMasks(shape, 100, 's');
    let sum = 0;
    for (let batch = 0; batch < 50; batch++) {
      const masks = nextMasks(100);
      expect(masks.map((mask) => mask.length)).toEqual([3000, 2000]);
      for (const mask of masks) for (const m of mask) sum += m;
      expect(new Set(masks.flatMap((mask) => [...mask]))).toEqual(new Set([0, Math.fround(1 / 0.7)]));
    }
    const standardError = Math.sqrt(0.3 / 0.7 / 250_000);
    expect(Math.abs(sum / 250_000 - 1)).toBeLessThan(4 * standardError);
  });

  test('draws another mask for every batch, layer and seed, and the same for the same seed', () => {
    const draw = (seed: string): string[] => {
      const nextMasks = createDropoutMasks(shape, 4, seed);
      const cut = (): string[] => nextMasks(4).map((mask) => mask.slice(0, 80).join());
      return [...cut(), ...cut()];
    };
    expect(new Set([...draw('a'), ...draw('b')]).size).toBe(8);
    expect(draw('a')).toEqual(draw('a'));
  });

  test('takes part in training', async () => {
    const data = makeRows(64, 2);
    const without = await train({ ...shape, dropout: 0 }, data);
    expect((await train(shape, data)).weights).not.toEqual(without.weights);
  });
});

describe('training', () => {
  const shape = { inputs: 6, hidden: [16, 5], dropout: 0.2 };
  const data = makeRows(333, 6, (x) => (x[0]! > 0.5 ? 0.8 : 0.1));

  test('gives the same bits for the same seed, and the trainer remembers nothing', async () => {
    const weights = initialWeights(shape, 'start');
    const trainer = await createNetworkTrainer(shape, data);
    const options = { ...defaults, weights, epochs: 3, progress: () => {} };
    const first = await trainer.train(options);
    await trainer.train({ ...options, seed: 'in between', optimizer: 'sgd' });
    expect(await trainer.train(options)).toEqual(first);
    expect(await train(shape, data, { epochs: 3 })).toEqual(first);
    expect(weights).toEqual(initialWeights(shape, 'start'));
  });

  test('two at a time do not disturb each other', async () => {
    const alone = await train(shape, data, { epochs: 40 });
    const trainer = await createNetworkTrainer(shape, data);
    const options = { ...defaults, weights: initialWeights(shape, 'start'), epochs: 40, progress: () => {} };
    const [first] = await Promise.all([trainer.train(options), trainer.train({ ...options, seed: 'other' })]);
    expect(first).toEqual(alone);
  });

  test('gives other weights for another seed', async () => {
    const noDropout = { ...shape, dropout: 0 };
    const first = await train(noDropout, data);
    expect((await train(noDropout, data, { seed: 'other' })).weights).not.toEqual(first.weights);
  });

  test('gives the same bits in a worker thread', async () => {
    const { weights, meanLoss } = await train(shape, data, { epochs: 2 });
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      import('tsx/esm/api').then(async ({ register }) => {
        register(); // on Node 20 neither the parent's loader nor --import reaches a worker
        const { createNetworkTrainer } = await import(workerData.module);
        const trainer = await createNetworkTrainer(workerData.shape, workerData.data);
        parentPort.postMessage(await trainer.train({ ...workerData.options, progress() {} }));
      });`;
    const options = { ...defaults, weights: initialWeights(shape, 'start'), epochs: 2 };
    const module = new URL('train-network.ts', import.meta.url).href;
    const worker = new Worker(code, { eval: true, workerData: { module, shape, data, options } });
    const [answer] = await once(worker, 'message');
    await worker.terminate();
    expect(answer).toEqual({ weights, meanLoss });
  });

  test('learns what no linear model can', async () => {
    const xor = (x: Float32Array): number => (x[0]! * x[1]! > 0 ? 0.97 : 0.03);
    const [learn, judge] = [makeRows(1500, 2, xor), makeRows(1000, 2, (x) => (x[0]! * x[1]! > 0 ? 1 : 0))];
    const deep = { inputs: 2, hidden: [24, 12], dropout: 0.1 };
    const { weights } = await train(deep, learn, { epochs: 30, learningRate: 5e-3 });
    expect(auc(createNetworkScorer(deep, weights)(judge.features, judge.rows), judge.bad)).toBeGreaterThan(
      0.95,
    );
    const flat = { inputs: 2, hidden: [], dropout: 0 };
    const linear = await train(flat, learn, { epochs: 30, learningRate: 5e-3 });
    expect(
      auc(createNetworkScorer(flat, linear.weights)(judge.features, judge.rows), judge.bad),
    ).toBeLessThan(0.6);
  });

  test('without hidden layers ends at the maximum-likelihood coefficients', async () => {
    const logistic = { inputs: 3, hidden: [], dropout: 0 };
    const sample = makeRows(400, 3, (x) => 1 / (1 + Math.exp(1 - 1.5 * x[0]! + 0.7 * x[1]!)));
    const options = { epochs: 3000, batchSize: 400, optimizer: 'sgd', learningRate: 1 } as const;
    const { weights } = await train(logistic, sample, options);
    // there the gradient vanishes, which is how one knows it without solving for it
    expect(Math.max(...referenceGradient(logistic, weights, sample).map(Math.abs))).toBeLessThan(1e-5);
    expect(weights[0]).toBeGreaterThan(1);
  });

  test('reports the loss of its last epoch, which falls', async () => {
    const once = await train(shape, data, { learningRate: 0.01 });
    const often = await train(shape, data, { learningRate: 0.01, epochs: 10 });
    expect(often.meanLoss).toBeLessThan(once.meanLoss);
    expect(once.meanLoss).toBeLessThan(1);
  });

  test('lets others run, and tells how far it is', async () => {
    const large = makeRows(6000, 6);
    const heard: number[] = [];
    let turns = 0;
    const ticking = setInterval(() => turns++, 0);
    await train(shape, large, { epochs: 4, progress: (fraction) => heard.push(fraction) });
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(3);
    expect(heard.length).toBeGreaterThan(8);
    expect(heard).toEqual(heard.toSorted((a, b) => a - b));
    expect(heard.at(-1)).toBe(1);
  });

  test('ends when the trainer is disposed of', async () => {
    const trainer = await createNetworkTrainer(shape, data);
    const options = {
      ...defaults,
      weights: initialWeights(shape, 'start'),
      epochs: 10_000,
      progress: () => {},
    };
    const training = trainer.train(options);
    trainer.dispose();
    await expect(training).rejects.toMatchObject({ code: 'STOPPED' });
    await expect(trainer.train(options)).rejects.toMatchObject({ code: 'STOPPED' });
  });
});

describe('whatever happens', () => {
  const shape = { inputs: 5, hidden: [8], dropout: 0.5 };
  const data = makeRows(200, 5);

  test('no tensor stays behind', async () => {
    const before = tf.memory();
    for (const optimizer of ['adam', 'sgd'] as const) {
      await train(shape, data, { optimizer, epochs: 3 });
      await train(shape, data, { optimizer, proximal: 0.1, gradientNorm: 0.1 });
      await expect(train(shape, data, { optimizer, learningRate: 1e30 })).rejects.toThrow();
    }
    expect(tf.memory()).toEqual(before);
  });

  test.each(['adam', 'sgd'] as const)(
    'weights that are no numbers are an error, with %s',
    async (optimizer) => {
      const diverging = train(shape, data, { optimizer, learningRate: 1e30, epochs: 5 });
      await expect(diverging).rejects.toMatchObject({ name: 'FederationError', code: 'DIVERGED' });
      const poisoned = { ...data, features: data.features.map((x, i) => (i === 77 ? Number.NaN : x)) };
      await expect(train(shape, poisoned, { optimizer })).rejects.toMatchObject({ code: 'DIVERGED' });
      const weights = initialWeights(shape, 'start').fill(Number.NaN, 3, 4);
      await expect(train(shape, data, { optimizer, weights })).rejects.toMatchObject({ code: 'DIVERGED' });
    },
  );

  test('data and weights of another size are refused', async () => {
    await expect(createNetworkTrainer({ ...shape, inputs: 4 }, data)).rejects.toMatchObject({
      code: 'SHAPE',
    });
    await expect(createNetworkTrainer(shape, makeRows(0, 5))).rejects.toMatchObject({ code: 'SHAPE' });
    const weights = new Float32Array(parameterCount(shape) + 1);
    await expect(train(shape, data, { weights })).rejects.toMatchObject({ code: 'SHAPE' });
  });
});

/** Share of (bad, good) pairs that are in order. */
function auc(scores: Float64Array, bad: Uint8Array): number {
  const bads = [...scores].filter((_, i) => bad[i] === 1);
  const goods = [...scores].filter((_, i) => bad[i] === 0);
  const ordered = bads.reduce(
    (sum, b) => sum + goods.reduce((s, g) => s + (b > g ? 1 : b === g ? 0.5 : 0), 0),
    0,
  );
  return ordered / (bads.length * goods.length);
}
