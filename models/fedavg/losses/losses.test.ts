import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linkOf, lossGradient, lossOf, trueLogit, type Loss } from '#models/fedavg/losses/loss.ts';

const FOCAL = { kind: 'focal', alpha: 0.75, gamma: 2 } as const;
const WEIGHTED = { kind: 'class-weighted', badWeight: 7 } as const;
const LOSSES: Loss[] = [
  { kind: 'cross-entropy' },
  WEIGHTED,
  { kind: 'class-weighted', badWeight: 0.25 },
  FOCAL,
  { kind: 'focal', alpha: 0.3, gamma: 0.5 },
  { kind: 'focal', alpha: 0.5, gamma: 0 },
];

const logit = (p: number) => Math.log(p / (1 - p));
const probability = (z: number) => 1 / (1 + Math.exp(-z));

describe('focal loss', () => {
  test.each([
    [-2, 1, 1.2375586, -0.8075353],
    [-2, 0, 0.00045089, 0.00121774],
    [0, 1, 0.1299651, -0.2237151],
    [0, 0, 0.0433217, 0.0745717],
    [1.5, 0, 0.2843181, 0.2403562],
  ])('at z = %d of outcome %d is %d, with slope %d', (z, bad, value, slope) => {
    expect(lossOf(FOCAL, z, bad)).toBeCloseTo(value, 7);
    expect(lossGradient(FOCAL, z, bad)).toBeCloseTo(slope, 7);
  });

  test.each([
    [0.33425, 0.75, 0.05],
    [0.26088, 0.75, 0.02],
    [0.47315, 0.75, 0.2],
    [0.25021, 0.5, 0.05],
  ])('settled at σ(z) = %d with α = %d stands for a PD of %d', (p, alpha, pd) => {
    expect(probability(trueLogit({ kind: 'focal', alpha, gamma: 2 }, logit(p)))).toBeCloseTo(pd, 5);
  });

  test('without focus and with α = ½ is half the cross-entropy', () => {
    const even = { kind: 'focal', alpha: 0.5, gamma: 0 } as const;
    for (const z of [-3, 0.5, 4]) {
      for (const bad of [0, 1])
        expect(lossOf(even, z, bad)).toBeCloseTo(lossOf({ kind: 'cross-entropy' }, z, bad) / 2, 12);
      expect(trueLogit(even, z)).toBeCloseTo(z, 12);
    }
  });
});

describe('every loss', () => {
  test.each(LOSSES)('has the slope of its finite differences: %j', (of) => {
    const h = 1e-5;
    for (let z = -9; z <= 9; z += 0.37) {
      for (const bad of [0, 1]) {
        const slope = (lossOf(of, z + h, bad) - lossOf(of, z - h, bad)) / (2 * h);
        expect(lossGradient(of, z, bad)).toBeCloseTo(slope, 8);
      }
    }
  });

  test('is finite at any z, and so is its slope', () => {
    for (const of of LOSSES) {
      for (const z of [-800, -40, 40, 800]) {
        for (const bad of [0, 1]) {
          expect(lossOf(of, z, bad)).toSatisfy(Number.isFinite);
          expect(lossOf(of, z, bad)).toBeGreaterThanOrEqual(0);
          expect(lossGradient(of, z, bad)).toSatisfy(Number.isFinite);
        }
      }
    }
  });

  test('is least, over rows of one PD, at the z that is read as that PD', () => {
    // where PD · L'(z, bad) + (1 − PD) · L'(z, good) vanishes; by bisection, without the closed form
    for (const of of LOSSES) {
      for (const pd of [0.001, 0.02, 0.2, 0.5, 0.93]) {
        let [low, high] = [-30, 30];
        for (let step = 0; step < 80; step++) {
          const z = (low + high) / 2;
          if (pd * lossGradient(of, z, 1) + (1 - pd) * lossGradient(of, z, 0) > 0) high = z;
          else low = z;
        }
        expect(probability(trueLogit(linkOf(of), low))).toBeCloseTo(pd, 8);
      }
    }
  });
});

describe('the way back to log-odds', () => {
  test('of class weights is a shift by ln w', () => {
    for (const z of [-4, 0, 3]) expect(trueLogit(WEIGHTED, z)).toBeCloseTo(z - Math.log(7), 12);
  });

  test('of cross-entropy is none', () => {
    expect(linkOf({ kind: 'cross-entropy' })).toBeUndefined();
    expect(trueLogit(undefined, 1.25)).toBe(1.25);
  });

  test('of focal loss is the published quotient, where that can be computed', () => {
    const phi = (p: number, gamma: number) =>
      (1 - p) ** gamma / p - gamma * (1 - p) ** (gamma - 1) * Math.log(p);
    fc.assert(
      fc.property(
        fc.double({ min: -12, max: 12, noNaN: true }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        (z, alpha, gamma) => {
          const p = probability(z);
          const [bad, good] = [alpha * phi(p, gamma), (1 - alpha) * phi(1 - p, gamma)];
          expect(trueLogit({ kind: 'focal', alpha, gamma }, z)).toBeCloseTo(Math.log(good / bad), 8);
        },
      ),
    );
  });

  test('keeps ranks, and stays finite far out', () => {
    for (const of of LOSSES) {
      let last = -Infinity;
      for (let z = -1200; z <= 1200; z += 0.25) {
        const next = trueLogit(linkOf(of), z);
        expect(next).toBeGreaterThan(last);
        last = next;
      }
      expect(last).toBeLessThan(Infinity);
    }
  });
});
