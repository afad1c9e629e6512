import { expect, test } from 'vitest';
import { gbdtSettings, roundsOf } from '#models/gbdt/settings.ts';
import { parseSettings } from '#models/program-settings.ts';

test('a plan need say nothing', () => {
  const settings = parseSettings(gbdtSettings, {});
  expect(settings).toMatchObject({
    trees: 300,
    depth: 4,
    learningRate: 0.1,
    l1: 0,
    l2: 1,
    bins: 64,
    minCount: 100,
    rowShare: 1,
    columnShare: 1,
    holdoutFraction: 0.2,
    calibration: 'platt',
    scaling: { score: 600, odds: 30, pdo: 60, min: 300, max: 850 },
  });
  expect(settings.patience).toBeUndefined();
  expect(roundsOf(settings)).toBe(1 + 4 + 1200 + 1);
});

test.each([
  ['trees', { trees: 2001 }],
  ['depth', { depth: 9 }],
  ['learningRate', { learningRate: 0 }],
  ['bins', { bins: 256 }],
  ['minCount', { minCount: 19 }],
  ['rowShare', { rowShare: 0 }],
  ['columnShare', { columnShare: 1.1 }],
  ['patience', { patience: 0 }],
  ['cutoffs', { cutoffs: { approveBelow: 0.2, declineFrom: 0.1 } }],
  ['trees', { trees: 2000, depth: 8 }],
])('the setting %s is refused outside its range, and named', (name, settings) => {
  expect(() => parseSettings(gbdtSettings, settings)).toThrow(expect.objectContaining({ code: 'PLAN' }));
  expect(() => parseSettings(gbdtSettings, settings)).toThrow(`program.settings.${name}`);
});

test('a setting that does not exist is refused', () => {
  expect(() => parseSettings(gbdtSettings, { maxDepth: 4 })).toThrow(
    expect.objectContaining({ code: 'PLAN' }),
  );
});
