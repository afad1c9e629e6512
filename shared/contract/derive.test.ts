import { describe, expect, test } from 'vitest';
import { contractColumns, dataContract, derivationInputs } from '#shared/contract/contract.ts';
import { derivation, derivedValue } from '#shared/contract/derive.ts';

const window = ['m1', 'm2', 'm3', 'm4'];

describe('a derived value', () => {
  test.each([
    [{ ratio: ['a', 'b'] }, [3, 8], 0.375],
    [{ ratio: ['a', 'b'] }, [3, 0], NaN],
    [{ ratio: ['a', 'b'] }, [0, 0], NaN],
    [{ ratio: ['a', 'b'] }, [1e300, 1e-300], NaN],
    [{ ratio: ['a', 'b'] }, [NaN, 2], NaN],
    [{ difference: ['a', 'b'] }, [3, 8], -5],
    [{ difference: ['a', 'b'] }, [3, NaN], NaN],
    [{ mean: window }, [1, 2, 4, 9], 4],
    [{ max: window }, [-7, -2, -4, -9], -2],
    [{ min: window }, [7, 2, 4, 9], 2],
    [{ min: window }, [7, NaN, 4, 9], NaN],
    // least squares by hand: mean position 1.5, Σ (i − 1.5)·x = −1.5 + −1 + 2 + 13.5 = 13, over 5
    [{ trend: window }, [1, 2, 4, 9], 2.6],
    [{ trend: ['m1', 'm2'] }, [10, 7], -3],
    [{ trend: window }, [5, 5, 5, 5], 0],
  ])('%j of %j is %d', (from, inputs, expected) => {
    const value = derivedValue(derivation.parse(from), inputs);
    if (Number.isNaN(expected)) expect(value).toBeNaN();
    else expect(value).toBeCloseTo(expected, 12);
  });
});

describe('a contract with derived features', () => {
  const input = {
    v: 1,
    name: 'derived',
    target: { column: 'default', bad: '1' },
    features: [
      { name: 'debt', type: 'number', min: 0, max: 10, special: [-1] },
      { name: 'sector', type: 'category', categories: ['a'] },
      { name: 'leverage', type: 'number', min: 0, max: 5, derive: { ratio: ['debt', 'assets'] } },
    ],
  };

  test('reads the columns they come from, each once, and not the derived one', () => {
    const contract = dataContract.parse(input);
    expect(contractColumns(contract)).toEqual(['default', 'debt', 'sector', 'assets']);
    const [, , leverage] = contract.features;
    if (leverage?.type !== 'number') throw new Error('not the contract above');
    expect(derivationInputs(contract, leverage)).toEqual([
      { name: 'debt', special: [-1] },
      { name: 'assets', special: [] },
    ]);
  });

  test.each([
    ['the outcome', { ratio: ['default', 'debt'] }],
    ['a category', { difference: ['sector', 'debt'] }],
    ['another derived feature', { mean: ['debt', 'leverage'] }],
    ['one column of a window', { mean: ['debt'] }],
    ['an unknown operation', { product: ['debt', 'assets'] }],
  ])('is refused when it derives from %s', (_what, derive) => {
    const features = [...input.features, { name: 'x', type: 'number', min: 0, max: 1, derive }];
    expect(dataContract.safeParse({ ...input, features }).success).toBe(false);
  });
});
