import { describe, expect, test } from 'vitest';
import { advanceFit, assertRoundsLeft, FIT_ROUNDS, startFit, type Fit } from '#models/newton/fit.ts';
import type { ReadSums } from '#models/newton/likelihood-sums.ts';
import { newtonStep } from '#models/newton/newton.ts';

interface Cell {
  readonly x: number;
  readonly good: number;
  readonly bad: number;
}

/** Few bads, and a rare input far out: a full step from zero is much too long. */
const RARE: Cell[] = [
  { x: -0.3, good: 5000, bad: 10 },
  { x: 3.5, good: 100, bad: 50 },
];

function sumsAt(cells: readonly Cell[], [a, b]: readonly number[]): ReadSums {
  const gradient = new Float64Array(2);
  const information = new Float64Array(3);
  let logLoss = 0;
  for (const { x, good, bad } of cells) {
    const n = good + bad;
    const z = a! + b! * x;
    const p = 1 / (1 + Math.exp(-z));
    gradient[0]! += bad - n * p;
    gradient[1]! += (bad - n * p) * x;
    information[0]! += n * p * (1 - p);
    information[1]! += n * p * (1 - p) * x;
    information[2]! += n * p * (1 - p) * x * x;
    logLoss += bad * Math.log1p(Math.exp(-z)) + good * Math.log1p(Math.exp(z));
  }
  return { gradient, information, logLoss, logLossGrain: 1e-9 };
}

function run(cells: readonly Cell[], ridge = 0): { fit: Fit; steps: number[]; converged: boolean } {
  let fit = startFit([-4.44, 0]);
  const steps: number[] = [];
  for (;;) {
    const moved = advanceFit(fit, sumsAt(cells, fit.coefficients), ridge);
    if (moved.kind === 'collinear') throw new Error('collinear');
    steps.push(moved.step);
    ({ fit } = moved);
    if (moved.converged || fit.rounds === FIT_ROUNDS) return { fit, steps, converged: moved.converged };
  }
}

describe('a fit', () => {
  test('reaches the exact answer of two cells: their observed log-odds', () => {
    const { fit, converged } = run(RARE);
    expect(converged).toBe(true);
    const [a, b] = fit.coefficients;
    expect(a! - 0.3 * b!).toBeCloseTo(Math.log(10 / 5000), 9);
    expect(a! + 3.5 * b!).toBeCloseTo(Math.log(50 / 100), 9);
  });

  test('cuts back a step that makes things worse, where full steps would', () => {
    const start = [-4.44, 0];
    const first = newtonStep(sumsAt(RARE, start), start, 0);
    if (first.kind !== 'step') throw new Error('collinear');
    const full = start.map((c, j) => c + first.step[j]!);
    expect(sumsAt(RARE, full).logLoss).toBeGreaterThan(sumsAt(RARE, start).logLoss);
    expect(run(RARE).steps).toContain(Infinity);
  });

  test('with a ridge ends where gradient and penalty are equal', () => {
    const { fit, converged } = run(RARE, 7);
    expect(converged).toBe(true);
    const { gradient } = sumsAt(RARE, fit.coefficients);
    expect(gradient[0]).toBeCloseTo(0, 6);
    expect(gradient[1]! - 7 * fit.coefficients[1]!).toBeCloseTo(0, 6);
  });

  test('that cannot end is an error which says what to do', () => {
    const separable = [
      { x: -1, good: 50, bad: 0 },
      { x: 1, good: 0, bad: 50 },
    ];
    const { fit, converged } = run(separable);
    expect(converged).toBe(false);
    expect(() => assertRoundsLeft(fit, 0, 100)).toThrow(/newton.ridge/);
    expect(() => assertRoundsLeft({ ...fit, rounds: 4 }, 16, 20)).toThrow(/newton.rounds/);
    expect(() => assertRoundsLeft({ ...fit, rounds: 4 }, 15, 20)).not.toThrow();
    expect(run(separable, 1).converged).toBe(true);
  });
});
