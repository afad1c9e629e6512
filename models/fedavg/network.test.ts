import { describe, expect, test } from 'vitest';
import { initialWeights, layersOf, parameterCount } from '#models/fedavg/network.ts';
import { sha256, toHex } from '#shared/crypto/hash.ts';

describe('the flat layout', () => {
  test('holds each kernel, then its bias, layer after layer', () => {
    const shape = { inputs: 3, hidden: [2], dropout: 0 };
    expect(layersOf(shape)).toEqual([
      { inputs: 3, outputs: 2, kernelAt: 0, biasAt: 6, end: 8 },
      { inputs: 2, outputs: 1, kernelAt: 8, biasAt: 10, end: 11 },
    ]);
    expect(parameterCount(shape)).toBe(11);
  });

  test('of a logistic regression is the coefficients, then the intercept', () => {
    expect(parameterCount({ inputs: 7, hidden: [], dropout: 0.5 })).toBe(8);
  });
});

describe('initial weights', () => {
  const shape = { inputs: 40, hidden: [64, 5], dropout: 0.3 };
  const weights = initialWeights(shape, 'plan-seed');

  test('are the same bits on every machine', () => {
    const bytes = new Uint8Array(weights.buffer);
    expect(toHex(sha256(bytes))).toBe('1de8caa909bab05fea3453d11361880676201448c24542f590fe527a15f09449');
  });

  test('fill ±√(6 / (inputs + outputs)) evenly in each kernel, and biases are 0', () => {
    for (const layer of layersOf(shape)) {
      const limit = Math.sqrt(6 / (layer.inputs + layer.outputs));
      const kernel = weights.subarray(layer.kernelAt, layer.biasAt);
      expect(Math.max(...kernel)).toBeLessThanOrEqual(limit);
      expect(Math.min(...kernel)).toBeGreaterThanOrEqual(-limit);
      const variance = kernel.reduce((sum, w) => sum + w * w, 0) / kernel.length;
      const spread = 5 * Math.sqrt(0.8 / kernel.length); // of w² / (limit² / 3), which is 1 ± √(0.8 / n)
      expect(Math.abs(variance / (limit ** 2 / 3) - 1)).toBeLessThan(spread);
      expect([...weights.subarray(layer.biasAt, layer.end)].every((b) => b === 0)).toBe(true);
    }
  });

  test('depend on the seed', () => {
    expect(initialWeights(shape, 'another')).not.toEqual(weights);
    expect(initialWeights(shape, 'plan-seed')).toEqual(weights);
  });
});
