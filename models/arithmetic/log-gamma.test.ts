import { describe, expect, test } from 'vitest';
import { logGamma } from '#models/arithmetic/log-gamma.ts';

describe('logGamma', () => {
  test('is the logarithm of the factorial, and of √π at one half', () => {
    let factorial = 0;
    for (let n = 1; n <= 60; n++) {
      expect(logGamma(n)).toBeCloseTo(factorial, 10);
      factorial += Math.log(n);
    }
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 12);
    expect(logGamma(0.25)).toBeCloseTo(1.2880225246980774, 12);
  });
});
