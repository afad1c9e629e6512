import { describe, expect, test } from 'vitest';
import { fromUnit, unitScaler } from '#models/preprocessing/unit-range.ts';
import type { NumberFeature } from '#shared/contract/contract.ts';

const NAN = Number.NaN;

function number(changes: Partial<NumberFeature>): NumberFeature {
  return { name: 'x', type: 'number', min: 0, max: 1, scale: 'linear', missing: 'allowed', ...changes };
}

describe('unitScaler', () => {
  test('maps the range to [0, 1] and clips what lies beyond', () => {
    const toUnit = unitScaler(number({ min: 20, max: 70 }));
    expect([20, 45, 70, 32.5].map(toUnit)).toEqual([0, 0.5, 1, 0.25]);
    expect([19.9, -1e9, -Infinity, 70.1, 1e308, Infinity].map(toUnit)).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test('on the log scale maps sign(x)·ln(1 + |x|): from −3 to 7 that is five times ln 2', () => {
    const toUnit = unitScaler(number({ min: -3, max: 7, scale: 'log' }));
    const expected: [number, number][] = [
      [-3, 0],
      [-1, 0.2],
      [0, 0.4],
      [1, 0.6],
      [3, 0.8],
      [7, 1],
      [-50, 0],
      [50, 1],
    ];
    for (const [value, unit] of expected) expect(toUnit(value)).toBeCloseTo(unit, 14);
  });

  test('on the log scale keeps small amounts apart', () => {
    const toUnit = unitScaler(number({ min: 0, max: 1e9, scale: 'log' }));
    expect(toUnit(1e-12)).toBeGreaterThan(0);
    expect(toUnit(2e-12) / toUnit(1e-12)).toBeCloseTo(2, 9);
  });

  test('leaves a missing value missing', () => {
    expect(unitScaler(number({}))(NAN)).toBeNaN();
    expect(unitScaler(number({ scale: 'log' }))(NAN)).toBeNaN();
  });
});

describe('fromUnit', () => {
  test.each([
    ['linear', { min: 20, max: 70 }],
    ['log', { min: -3, max: 7, scale: 'log' }],
    ['log, heavy-tailed', { min: 0, max: 1e9, scale: 'log' }],
  ] as const)('undoes unitScaler: %s', (_name, changes) => {
    const feature = number(changes);
    const toUnit = unitScaler(feature);
    for (const unit of [0, 0.01, 0.3, 0.5, 0.99, 1])
      expect(toUnit(fromUnit(feature, unit))).toBeCloseTo(unit, 12);
    expect(
      [fromUnit(feature, 0), fromUnit(feature, 1)].map((x, i) => x - [feature.min, feature.max][i]!),
    ).toEqual([expect.closeTo(0, 5), expect.closeTo(0, 5)]);
    expect(fromUnit(feature, 1)).toBeLessThanOrEqual(feature.max);
  });
});
