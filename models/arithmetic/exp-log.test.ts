import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exp, log, log1p, logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';

/** Distance in units of the last place: adjacent float64 of one sign have adjacent bits. */
function ulps(a: number, b: number): number {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  const bits = new BigInt64Array(Float64Array.of(a, b).buffer);
  return Math.abs(Number(bits[0]! - bits[1]!));
}

describe('exp, log and log1p', () => {
  // correctly rounded values, computed with 60 digits by Python's decimal module
  test.each<['exp' | 'log' | 'log1p', number, number]>([
    ['exp', 1, 2.718281828459045],
    ['exp', -3.25, 0.03877420783172201],
    ['exp', 0.1, 1.1051709180756477],
    ['exp', 20.7, 977_002_725.8269073],
    ['exp', -745, 5e-324],
    ['exp', -708.5, 2.006132305331306e-308],
    ['exp', 709.5, 1.3549863193146328e308],
    ['log', 2, 0.6931471805599453],
    ['log', 0.03, -3.506557897319982],
    ['log', 30, 3.4011973816621555],
    ['log', 1e-310, -713.8013788281542],
    ['log', 1.0000001, 9.999999505838704e-8],
    ['log1p', 1e-10, 9.999999999500001e-11],
    ['log1p', -0.9, -2.302585092994046],
    ['log1p', 3, 1.3862943611198906],
    ['log1p', 1e16, 36.841361487904734],
  ])('%s of %d is within one unit of the last place of the true value', (name, x, expected) => {
    const f = { exp, log, log1p }[name];
    expect(ulps(f(x), expected)).toBeLessThanOrEqual(1);
  });

  test('agree with the engine to one unit of the last place over the whole range', () => {
    fc.assert(
      fc.property(fc.double({ min: -745, max: 710, noNaN: true }), (x) => ulps(exp(x), Math.exp(x)) <= 1),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.double({ min: 5e-324, noNaN: true }), (x) => ulps(log(x), Math.log(x)) <= 1),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.double({ min: -1, max: 1e6, noNaN: true }), (x) => ulps(log1p(x), Math.log1p(x)) <= 1),
      { numRuns: 3000 },
    );
  });

  test('end in infinities, zero and NaN where the functions do', () => {
    expect([exp(710), exp(-746), exp(Infinity), exp(-Infinity), exp(NaN)]).toEqual([
      Infinity,
      0,
      Infinity,
      0,
      NaN,
    ]);
    expect([log(0), log(-1), log(Infinity), log(NaN)]).toEqual([-Infinity, NaN, Infinity, NaN]);
    expect([log1p(-1), log1p(-2), log1p(Infinity), log1p(NaN)]).toEqual([-Infinity, NaN, Infinity, NaN]);
    expect([exp(0), exp(-0), log(1), log1p(0)]).toEqual([1, 1, 0, 0]);
  });
});

describe('sigmoid and log-loss', () => {
  test('of z and −z add up to one, and keep their digits far out', () => {
    for (const z of [0, 0.3, 4, 30, 700]) {
      expect(sigmoid(z) + sigmoid(-z)).toBeCloseTo(1, 15);
      expect(Math.log(sigmoid(-z)) / -(z + Math.log1p(Math.exp(-z)))).toBeCloseTo(1, 12);
    }
    expect([sigmoid(800), sigmoid(-800)]).toEqual([1, 0]);
  });

  test('log-loss is −ln of the probability given to what happened', () => {
    for (const z of [-6, -1.5, 0, 0.2, 5]) {
      expect(logLossOf(z, 1)).toBeCloseTo(-Math.log(sigmoid(z)), 12);
      expect(logLossOf(z, 0)).toBeCloseTo(-Math.log(1 - sigmoid(z)), 12);
    }
    expect(logLossOf(900, 0)).toBe(900);
  });
});
