import { describe, expect, test } from 'vitest';
import { calibratedLogit, fitPlatt, type CalibrationMap } from '#models/evaluation/calibration-map.ts';
import { chooseMap, together, type Halves } from '#models/evaluation/choose-map.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const BINS = 40;
const logitOf = (bin: number) => -4 + 0.125 * bin;
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));

/** Two halves of so many rows of all scores, bad as `truth` says. */
function halvesOf(rows: number, truth: (logit: number) => number, seed: string): Halves {
  const generator = new SeededGenerator('choose map', seed);
  const half = () => {
    const [bad, good, logits] = [0, 1, 2].map(() => new Float64Array(BINS)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    for (let i = 0; i < rows; i++) {
      const bin = i % BINS;
      (generator.nextUnit() < sigmoid(truth(logitOf(bin))) ? bad : good)[bin]! += 1;
      logits[bin]! += logitOf(bin);
    }
    return { bad, good, logits };
  };
  return [half(), half()];
}

/** Expected log-loss of a row under the truth, above that under identity. */
function costOf(map: CalibrationMap, truth: (logit: number) => number): number {
  let cost = 0;
  for (let bin = 0; bin < BINS; bin++) {
    const z = logitOf(bin);
    const pd = sigmoid(truth(z));
    const loss = (l: number) => pd * Math.log1p(Math.exp(-l)) + (1 - pd) * Math.log1p(Math.exp(l));
    cost += (loss(calibratedLogit(map, z)) - loss(z)) / BINS;
  }
  return cost;
}

const seeds = Array.from({ length: 400 }, (_, i) => `${i}`);
const kept = (maps: readonly CalibrationMap[]) => maps.filter(({ method }) => method !== 'identity');

describe('the calibration map', () => {
  // a quarter of the rows is bad: some 20, 50 and 200 bads in a half
  test.each([80, 200, 800])('of a model that needs none is none, from %d rows in each half', (rows) => {
    const maps = seeds.map(
      (seed) =>
        chooseMap(
          'platt',
          halvesOf(rows, (z) => z, seed),
          20,
        ).map,
    );
    expect(kept(maps).length).toBeLessThanOrEqual(3);
    const cost = maps.reduce((sum, map) => sum + costOf(map, (z) => z), 0) / seeds.length;
    expect(cost).toBeLessThan(0.01 / rows);
  });

  test.each([
    ['a little too sure', (z: number) => 0.85 * z],
    ['too sure by a third', (z: number) => 0.66 * z],
    ['too optimistic', (z: number) => z + 0.4],
  ])('of a model that is %s makes its PDs better, over all draws', (_, truth) => {
    for (const rows of [200, 800]) {
      const maps = seeds.map((seed) => chooseMap('platt', halvesOf(rows, truth, seed), 20).map);
      expect(maps.reduce((sum, map) => sum + costOf(map, truth), 0)).toBeLessThanOrEqual(0);
    }
    const many = chooseMap('platt', halvesOf(20_000, truth, 'many'), 20).map;
    expect(costOf(many, truth)).toBeLessThan(0);
    expect(many.method).toBe('platt');
  });

  test('lies between none and the line of greatest likelihood through all rows', () => {
    const halves = halvesOf(1000, (z) => 0.5 * z - 1, 'between');
    const { map } = chooseMap('platt', halves, 20);
    const line = fitPlatt(together(...halves));
    if (map.method !== 'platt' || line?.method !== 'platt') throw new Error('expected lines');
    const way = (map.slope - 1) / (line.slope - 1);
    expect(way).toBeGreaterThan(0.9);
    expect(way).toBeLessThan(1);
    expect(map.intercept).toBeCloseTo(way * line.intercept, 12);
  });

  test('that judges a half has not seen it', () => {
    const [first, second] = halvesOf(1000, (z) => 0.5 * z - 1, 'apart');
    const [other] = halvesOf(1000, (z) => 0.5 * z - 1, 'another');
    const fitted = (half: typeof first) => {
      const line = fitPlatt(half);
      return line?.method === 'platt' ? (line.slope - 1) / line.intercept : NaN;
    };
    const direction = (map: CalibrationMap) =>
      map.method === 'platt' ? (map.slope - 1) / map.intercept : NaN;
    for (const half of [first, other]) {
      const { ofHalf } = chooseMap('platt', [half, second], 20);
      expect(direction(ofHalf[0])).toBeCloseTo(fitted(second), 9);
      expect(direction(ofHalf[1])).toBeCloseTo(fitted(half), 9);
    }
  });

  test('of steps gives way to a line where a half has fewer than 1000 bads, and to none where none is needed', () => {
    const methodOf = (rows: number, truth: (z: number) => number) =>
      chooseMap('isotonic', halvesOf(rows, truth, 'steps'), 20).map.method;
    expect(methodOf(8000, (z) => 0.5 * z - 1)).toBe('isotonic');
    expect(methodOf(2000, (z) => 0.5 * z - 1)).toBe('platt');
    expect(methodOf(8000, (z) => z)).toBe('identity');
    expect(
      chooseMap(
        'identity',
        halvesOf(8000, (z) => z + 1, 'steps'),
        20,
      ).map.method,
    ).toBe('identity');
  });
});
