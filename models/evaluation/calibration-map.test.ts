import { describe, expect, test } from 'vitest';
import {
  calibratedLogit,
  calibrationMap,
  fitIsotonic,
  fitPlatt,
  groupBins,
  type ScoreBins,
} from '#models/evaluation/calibration-map.ts';

/** Bins at the given log-odds with expected counts under a known truth, rounded. */
function binsOf(truth: (z: number) => number, zs: number[], rows: (z: number) => number): ScoreBins {
  const bad = zs.map((z) => Math.round(rows(z) * truth(z)));
  return {
    bad: Float64Array.from(bad),
    good: Float64Array.from(zs, (z, i) => rows(z) - bad[i]!),
    logits: Float64Array.from(zs, (z) => rows(z) * z),
  };
}

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const zs = Array.from({ length: 60 }, (_, i) => -5 + i * 0.1);

describe('Platt', () => {
  test('finds the slope and intercept behind the counts', () => {
    const map = fitPlatt(
      binsOf(
        (z) => sigmoid(0.6 * z - 0.8),
        zs,
        () => 1_000_000,
      ),
    );
    expect(map).toMatchObject({ method: 'platt' });
    if (map?.method !== 'platt') return;
    expect(map.slope).toBeCloseTo(0.6, 4);
    expect(map.intercept).toBeCloseTo(-0.8, 4);
    expect(calibratedLogit(map, 2)).toBeCloseTo(0.4, 3);
  });

  test('is where no neighbour is more likely', () => {
    const { bad, good, logits } = binsOf(
      (z) => 0.1 + 0.5 * sigmoid(3 * z + 6),
      zs,
      (z) => 200 + Math.round(9 * z),
    );
    const likelihood = (slope: number, intercept: number) =>
      bad.reduce((sum, b, i) => {
        const z = (slope * logits[i]!) / (b + good[i]!) + intercept;
        return sum - b * Math.log1p(Math.exp(-z)) - good[i]! * Math.log1p(Math.exp(z));
      }, 0);
    const map = fitPlatt({ bad, good, logits });
    if (map?.method !== 'platt') throw new Error('expected a line');
    const best = likelihood(map.slope, map.intercept);
    for (const [a, b] of [
      [1e-3, 0],
      [-1e-3, 0],
      [0, 1e-3],
      [0, -1e-3],
    ] as const) {
      expect(likelihood(map.slope + a, map.intercept + b)).toBeLessThan(best);
    }
  });

  test('declines where there is no most likely rising line', () => {
    const separated: ScoreBins = {
      bad: Float64Array.of(0, 50),
      good: Float64Array.of(50, 0),
      logits: Float64Array.of(-50, 50),
    };
    expect(fitPlatt(separated)).toBeUndefined();
    expect(fitPlatt({ ...separated, bad: separated.good, good: separated.bad })).toBeUndefined();
    expect(
      fitPlatt(
        binsOf(
          (z) => sigmoid(-z),
          zs,
          () => 1000,
        ),
      ),
    ).toBeUndefined();
    expect(
      fitPlatt(
        binsOf(
          () => 0.001,
          zs.slice(0, 3),
          () => 1000,
        ),
      ),
    ).toBeUndefined();
    const oneScore: ScoreBins = {
      bad: Float64Array.of(20),
      good: Float64Array.of(80),
      logits: Float64Array.of(100),
    };
    expect(fitPlatt(oneScore)).toBeUndefined();
  });
});

describe('isotonic', () => {
  test('follows the bad rates upwards and pools what falls', () => {
    // log-odds of the three plateaus after pooling: 100/900, (150 + 50)/1800, 500/500
    const bins: ScoreBins = {
      bad: Float64Array.of(50, 150, 100, 2000),
      good: Float64Array.of(950, 850, 900, 2000),
      logits: Float64Array.of(-3000, -2000, -1000, 4000),
    };
    const map = fitIsotonic(bins, 20);
    if (map?.method !== 'isotonic') throw new Error('expected steps');
    expect(map.logits).toEqual([-3, -1.5, 1]);
    [Math.log(50 / 950), Math.log(250 / 1750), 0].forEach((v, i) => expect(map.values[i]).toBeCloseTo(v, 12));
    expect(calibrationMap.safeParse(map).success).toBe(true);
    expect(calibratedLogit(map, -9)).toBe(map.values[0]);
    expect(calibratedLogit(map, -3)).toBe(map.values[0]);
    expect(calibratedLogit(map, -0.25)).toBeCloseTo(map.values[1]! / 2, 12);
    expect(calibratedLogit(map, 7)).toBe(0);
  });

  test('needs a thousand bads', () => {
    expect(
      fitIsotonic(
        binsOf(sigmoid, zs, () => 50),
        20,
      ),
    ).toBeUndefined();
    expect(
      fitIsotonic(
        binsOf(sigmoid, zs, () => 1000),
        20,
      ),
    ).toBeDefined();
  });
});

test('groups are as large as asked, and no bin is lost', () => {
  const bins: ScoreBins = {
    bad: Float64Array.of(1, 0, 2, 0, 3, 1),
    good: Float64Array.of(9, 0, 20, 4, 30, 3),
    logits: new Float64Array(6),
  };
  const groups = groupBins(bins, (g) => g.rows >= 20);
  expect(groups.map(({ rows, bads, from, to }) => [rows, bads, from, to])).toEqual([
    [32, 3, 0, 3],
    [41, 4, 3, 6],
  ]);
  expect(groupBins(bins, () => false)).toEqual([]);
});
