import { describe, expect, test } from 'vitest';
import { gridOf, mergeSettings } from '#scripts/commands/search.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

describe('a grid', () => {
  test('is every combination of its values', () => {
    expect(gridOf('{"depth":[3,4],"learningRate":[0.05,0.1,0.2]}')).toEqual([
      { depth: 3, learningRate: 0.05 },
      { depth: 3, learningRate: 0.1 },
      { depth: 3, learningRate: 0.2 },
      { depth: 4, learningRate: 0.05 },
      { depth: 4, learningRate: 0.1 },
      { depth: 4, learningRate: 0.2 },
    ]);
  });

  test.each(['', '{}', '[]', '{"depth":3}', '{"depth":[]}', 'null', '{"depth":[3]'])(
    'is refused when it is %s',
    (text) => {
      expect(() => gridOf(text)).toThrow(FederationError);
    },
  );
});

test('values are put into settings at any depth, and leave the others alone', () => {
  const settings = '{"selection":{"max":9},"kMin":30}';
  expect(mergeSettings(settings, { 'selection.minIv': 0.05, 'newton.ridge': 1, kMin: 50 })).toEqual({
    selection: { max: 9, minIv: 0.05 },
    newton: { ridge: 1 },
    kMin: 50,
  });
  expect(mergeSettings(undefined, { depth: 3 })).toEqual({ depth: 3 });
});
