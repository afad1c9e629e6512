import { expect, test } from 'vitest';
import { isBetter } from '#models/evaluation/stop-metrics.ts';
import { isReached } from '#models/evaluation/stopping.ts';

test.each([
  ['logLoss', 0.2, 0.3, true],
  ['logLoss', 0.3, 0.3, false],
  ['brier', 0.2, 0.1, false],
  ['auc', 0.8, 0.7, true],
  ['auc', 0.7, 0.7, false],
  ['ks', 0.3, 0.4, false],
  ['auc', undefined, 0.5, false],
  ['logLoss', 0.5, undefined, true],
  ['logLoss', Number.NaN, undefined, false],
] as const)('by %s, that %s is better than %s is %s', (by, a, b, better) => {
  expect(isBetter(by, a, b)).toBe(better);
});

test.each([
  ['auc', 0.8, { auc: 0.8 }, true],
  ['auc', 0.8, { auc: 0.79 }, false],
  ['ks', 0.4, { ks: 0.5 }, true],
  ['logLoss', 0.4, { logLoss: 0.39 }, true],
  ['brier', 0.1, { brier: 0.11 }, false],
  ['auc', 0.8, {}, false],
] as const)('the target %s %s is reached by %j: %s', (metric, value, figures, reached) => {
  expect(isReached({ metric, value }, figures)).toBe(reached);
});
