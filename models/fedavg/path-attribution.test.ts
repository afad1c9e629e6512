import { describe, expect, test } from 'vitest';
import { trueLogit } from '#models/fedavg/losses/loss.ts';
import { initialWeights, parameterCount, type NetworkShape } from '#models/fedavg/network.ts';
import { createPathAttribution } from '#models/fedavg/path-attribution.ts';
import { createNetworkScorer } from '#models/fedavg/score-network.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

function uniform(count: number, ...seed: (string | number)[]): Float32Array {
  const generator = new SeededGenerator('path', ...seed);
  return new Float32Array(count).map(() => 4 * generator.nextUnit() - 2);
}

/** Weights with biases, so that units turn at many places. */
function networkOf(inputs: number, hidden: number[]): { shape: NetworkShape; weights: Float32Array } {
  const shape = { inputs, hidden, dropout: 0.2 };
  const noise = uniform(parameterCount(shape), 'noise', inputs);
  return { shape, weights: initialWeights(shape, 's').map((w, i) => w + 0.1 * noise[i]!) };
}

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);

describe('integrated gradients', () => {
  test.each([[[]], [[1]], [[5]], [[64, 32, 16]], [[3, 7, 2]]])(
    'of a network with hidden layers %j sum to the change of the logit',
    (hidden) => {
      const { shape, weights } = networkOf(11, hidden);
      const { attribute, logit } = createPathAttribution(shape, weights);
      for (let draw = 0; draw < 20; draw++) {
        const x = uniform(11, 'x', draw);
        const b = uniform(11, 'b', draw);
        expect(sum(attribute(x, [b]))).toBeCloseTo(logit(x) - logit(b), 7);
      }
    },
  );

  test.each([[['linear', 'relu']], [['sigmoid', 'relu']], [['relu', 'sigmoid']]] as const)(
    'behind activations %j sum to the change of the logit, and that is the scorer’s',
    (activations) => {
      const { shape: plain, weights } = networkOf(7, [9, 4]);
      const shape = { ...plain, activations };
      const { attribute, logit } = createPathAttribution(shape, weights);
      const score = createNetworkScorer(shape, weights);
      // pieces are exact; through a sigmoid it is the midpoint rule
      const tolerance = activations.includes('sigmoid' as never) ? 2e-3 : 1e-7;
      for (let draw = 0; draw < 20; draw++) {
        const x = uniform(7, 'f x', draw);
        const b = uniform(7, 'f b', draw);
        expect(logit(x)).toBe(score(x, 1)[0]);
        expect(Math.abs(sum(attribute(x, [b])) - (logit(x) - logit(b)))).toBeLessThan(tolerance);
      }
    },
  );

  test.each([
    [{ kind: 'focal', alpha: 0.75, gamma: 2 } as const],
    [{ kind: 'class-weighted', badWeight: 19 } as const],
  ])('behind the link %j are those of the log-odds it leads to', (link) => {
    const { shape, weights } = networkOf(6, [9, 4]);
    const bent = createPathAttribution(shape, weights, link);
    const { logit } = createPathAttribution(shape, weights);
    const x = uniform(6, 'link x');
    const b = uniform(6, 'link b');
    expect(bent.logit(x)).toBe(trueLogit(link, logit(x)));
    const parts = bent.attribute(x, [b]);
    expect(sum(parts)).toBeCloseTo(bent.logit(x) - bent.logit(b), 7);
    // by small differences along the line, input by input
    const expected = new Float64Array(6);
    const steps = 4000;
    const at = (alpha: number, shifted: number, by: number) =>
      bent.logit(b.map((value, i) => value + alpha * (x[i]! - value) + (i === shifted ? by : 0)));
    for (let step = 0; step < steps; step++) {
      const alpha = (step + 0.5) / steps;
      for (let i = 0; i < 6; i++)
        expected[i]! += ((x[i]! - b[i]!) * (at(alpha, i, 1e-3) - at(alpha, i, -1e-3))) / 2e-3 / steps;
    }
    parts.forEach((part, i) => expect(Math.abs(part - expected[i]!)).toBeLessThan(2e-3));
  });

  test('are weight times change where the network is a logistic regression', () => {
    const weights = Float32Array.of(0.8, -1.2, 0.5, -2);
    const { attribute, logit } = createPathAttribution({ inputs: 3, hidden: [], dropout: 0 }, weights);
    const x = Float32Array.of(1.1, -0.4, 0.6);
    const mean = Float32Array.of(0.3, 0.1, -0.2);
    const parts = attribute(x, [mean]);
    [0.64, 0.6, 0.4].forEach((expected, i) => expect(parts[i]).toBeCloseTo(expected, 6));
    expect(logit(mean)).toBeCloseTo(-1.98, 6);
    expect(logit(x)).toBeCloseTo(-0.34, 6);
  });

  test('are what a fine sum of finite differences gives, input by input', () => {
    const { shape, weights } = networkOf(5, [8, 4]);
    const { attribute } = createPathAttribution(shape, weights);
    const x = uniform(5, 'fine x');
    const b = uniform(5, 'fine b');
    // independent: central differences in float64 along the path, by the textbook loop
    const at = (point: number[]) => {
      let values = point;
      let offset = 0;
      for (const [l, outputs] of [8, 4, 1].entries()) {
        const next: number[] = [];
        for (let o = 0; o < outputs; o++) {
          let z: number = weights[offset + values.length * outputs + o]!;
          for (let i = 0; i < values.length; i++) z += values[i]! * weights[offset + i * outputs + o]!;
          next.push(l < 2 ? Math.max(0, z) : z);
        }
        offset += values.length * outputs + outputs;
        values = next;
      }
      return values[0]!;
    };
    const steps = 4000;
    const parts = attribute(x, [b]);
    for (let i = 0; i < 5; i++) {
      let total = 0;
      for (let s = 0; s < steps; s++) {
        const point = Array.from(b, (from, j) => from + ((s + 0.5) / steps) * (x[j]! - from));
        const up = at(point.with(i, point[i]! + 1e-5));
        const down = at(point.with(i, point[i]! - 1e-5));
        total += (up - down) / 2e-5 / steps;
      }
      expect(parts[i]).toBeCloseTo((x[i]! - b[i]!) * total, 3);
    }
  });

  test('of a network too large for exactness still nearly sum to the change of the logit', () => {
    const { shape, weights } = networkOf(10, [400, 300]);
    expect(weights.length).toBeGreaterThan(100_000);
    const { attribute, logit } = createPathAttribution(shape, weights);
    const [x, b] = [uniform(10, 'large x'), uniform(10, 'large b')];
    const change = logit(x) - logit(b);
    const gap = change - sum(attribute(x, [b]));
    expect(Math.abs(change)).toBeGreaterThan(0.1);
    expect(Math.abs(gap)).toBeLessThan(0.01 * Math.abs(change));
    expect(gap).not.toBe(0);
  });

  test('from several rows are the mean of those from each', () => {
    const { shape, weights } = networkOf(6, [9, 5]);
    const { attribute } = createPathAttribution(shape, weights);
    const x = uniform(6, 'x');
    const starts = [uniform(6, 1), uniform(6, 2), uniform(6, 3)];
    const each = starts.map((b) => attribute(x, [b]));
    attribute(x, starts).forEach((part, i) => {
      expect(part).toBeCloseTo((each[0]![i]! + each[1]![i]! + each[2]![i]!) / 3, 12);
    });
  });

  test('give nothing to an input that is the same in both rows, and nothing at all to the start itself', () => {
    const { shape, weights } = networkOf(4, [6]);
    const { attribute } = createPathAttribution(shape, weights);
    const b = uniform(4, 'b');
    expect([...attribute(b, [b])]).toEqual([0, 0, 0, 0]);
    const x = b.slice();
    x[2] = 1.5;
    const parts = attribute(x, [b]);
    expect([parts[0], parts[1], parts[3]]).toEqual([0, 0, 0]);
    expect(parts[2]).not.toBe(0);
  });
});

test('the logit of a row has the bits of the scorer of whole tables', () => {
  const { shape, weights } = networkOf(7, [12, 5]);
  const { logit } = createPathAttribution(shape, weights);
  const rows = uniform(7 * 9, 'rows');
  const expected = createNetworkScorer(shape, weights)(rows, 9);
  for (let r = 0; r < 9; r++) expect(logit(rows.slice(7 * r, 7 * r + 7))).toBe(expected[r]);
});

test('weights of another network are refused', () => {
  expect(() => createPathAttribution({ inputs: 2, hidden: [3], dropout: 0 }, new Float32Array(12))).toThrow(
    'expected 13 weights, got 12',
  );
});
