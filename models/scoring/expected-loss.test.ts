import { expect, test } from 'vitest';
import { breakEvenPd, expectedLoss, unitProfit } from '#models/scoring/expected-loss.ts';
import { scaling, scoreOfPd } from '#models/scoring/scaling.ts';

test('a million at PD 4 % and LGD 45 % loses 18 000 on average', () => {
  expect(expectedLoss(0.04, 0.45, 1_000_000)).toBeCloseTo(18_000, 8);
});

test('a margin of 2.5 % at LGD 45 % breaks even at PD 5.26 %, score 555.78', () => {
  const pd = breakEvenPd(0.025, 0.45);
  expect(pd).toBeCloseTo(0.0526316, 7);
  expect(scoreOfPd(pd, scaling.parse({})).score).toBeCloseTo(555.78, 2);
  expect(unitProfit(pd, 0.025, 0.45)).toBeCloseTo(0, 12);
  expect(unitProfit(0.04, 0.025, 0.45)).toBeCloseTo(0.006, 12);
});
