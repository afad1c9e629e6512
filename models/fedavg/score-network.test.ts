import { describe, expect, test } from 'vitest';
import { initialWeights, parameterCount, type NetworkShape } from '#models/fedavg/network.ts';
import { createNetworkScorer } from '#models/fedavg/score-network.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

/** The textbook loop, one row at a time. */
function scoreRow(shape: NetworkShape, weights: Float32Array, row: Float32Array): number {
  let values = [...row];
  let at = 0;
  for (const [l, outputs] of [...shape.hidden, 1].entries()) {
    const inputs = values.length;
    const next: number[] = [];
    for (let o = 0; o < outputs; o++) {
      let z = weights[at + inputs * outputs + o]!;
      for (let i = 0; i < inputs; i++) z += values[i]! * weights[at + i * outputs + o]!;
      next.push(l < shape.hidden.length ? Math.max(0, z) : z);
    }
    values = next;
    at += inputs * outputs + outputs;
  }
  return values[0]!;
}

function uniform(count: number, ...seed: (string | number)[]): Float32Array {
  const generator = new SeededGenerator(...seed);
  return new Float32Array(count).map(() => 2 * generator.nextUnit() - 1);
}

describe('scoring', () => {
  const shapes = [[], [1], [5], [64, 32, 16], [3, 7, 2]].map((hidden) => ({
    inputs: 11,
    hidden,
    dropout: 0.4,
  }));

  test.each(shapes)('gives the bits of the textbook loop, hidden layers $hidden', (shape) => {
    const weights = uniform(parameterCount(shape), 'weights');
    for (const rows of [1, 3, 4, 5, 30]) {
      const features = uniform(rows * shape.inputs, 'features', rows);
      const expected = Array.from({ length: rows }, (_, r) =>
        scoreRow(shape, weights, features.subarray(r * shape.inputs, (r + 1) * shape.inputs)),
      );
      expect([...createNetworkScorer(shape, weights)(features, rows)]).toEqual(expected);
    }
  });

  test('of no rows is no scores', () => {
    const shape = { inputs: 2, hidden: [3], dropout: 0 };
    expect(createNetworkScorer(shape, initialWeights(shape, 's'))(new Float32Array(0), 0)).toHaveLength(0);
  });

  test('does not hide a missing feature behind a relu', () => {
    const shape = { inputs: 2, hidden: [4, 4], dropout: 0 };
    const score = createNetworkScorer(shape, initialWeights(shape, 's'));
    expect(score(Float32Array.of(Number.NaN, 1), 1)[0]).toBeNaN();
  });

  test('refuses weights and features of another size', () => {
    const shape = { inputs: 2, hidden: [3], dropout: 0 };
    expect(() => createNetworkScorer(shape, new Float32Array(12))).toThrow('expected 13 weights, got 12');
    const score = createNetworkScorer(shape, new Float32Array(13));
    expect(() => score(new Float32Array(5), 3)).toThrow('expected 3 × 2 features, got 5');
  });
});
