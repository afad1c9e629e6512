import { expect, test } from 'vitest';
import { rateText } from '#scripts/commands/rate-text.ts';

test('a low default rate never reads as none', () => {
  expect([0, 0.00002, 0.00098, 0.001, 0.02345, 1].map(rateText)).toEqual([
    '0.0000',
    '0.0000200',
    '0.000980',
    '0.0010',
    '0.0234',
    '1.0000',
  ]);
});
