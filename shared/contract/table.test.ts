import { describe, expect, test } from 'vitest';
import type { CategoryFeature, NumberFeature } from '#shared/contract/contract.ts';
import { concatTables, isNumberColumn, rowAt, selectRows, type Table } from '#shared/contract/table.ts';

const age: NumberFeature = {
  name: 'age',
  type: 'number',
  min: 0,
  max: 99,
  scale: 'linear',
  missing: 'allowed',
};
const job: CategoryFeature = { name: 'job', type: 'category', categories: ['a', 'b'], missing: 'allowed' };

function table(ages: number[], jobs: number[], bad: number[]): Table {
  return {
    rowCount: bad.length,
    columns: [
      { feature: age, values: Float64Array.from(ages) },
      { feature: job, codes: Uint16Array.from(jobs) },
    ],
    bad: Uint8Array.from(bad),
  };
}

describe('selectRows', () => {
  const whole = table([30, 40, Number.NaN, 60], [1, 0, 3, 2], [0, 1, 1, 0]);

  test('takes rows in the order asked for, missing values and repeats included', () => {
    expect(selectRows(whole, Uint32Array.of(2, 0, 2))).toEqual(
      table([Number.NaN, 30, Number.NaN], [3, 1, 3], [1, 0, 1]),
    );
  });

  test('of none is an empty table of the same columns', () => {
    expect(selectRows(whole, new Uint32Array(0))).toEqual(table([], [], []));
  });

  test('copies: what happens to the part does not happen to the whole', () => {
    const part = selectRows(whole, Uint32Array.of(1));
    part.bad[0] = 0;
    expect(whole.bad[1]).toBe(1);
  });
});

describe('concatTables', () => {
  test('puts the rows of all tables one after the other, empty ones included, and says which are whose', () => {
    const joined = concatTables([
      table([1, 2], [1, 2], [0, 1]),
      table([], [], []),
      table([Number.NaN], [0], [1]),
    ]);
    const bankRows = [2, 0, 1];
    expect(joined).toEqual({ ...table([1, 2, Number.NaN], [1, 2, 0], [0, 1, 1]), bankRows });
    expect(concatTables([table([9], [1], [0]), joined]).bankRows).toEqual([1, ...bankRows]);
  });

  test('undoes a split of the rows', () => {
    const whole = table([3, 1, 4, 1, 5], [0, 1, 2, 3, 1], [1, 0, 0, 1, 0]);
    const parts = [Uint32Array.of(0, 1), Uint32Array.of(2), Uint32Array.of(3, 4)];
    const joined = concatTables(parts.map((rows) => selectRows(whole, rows)));
    expect(joined).toEqual({ ...whole, bankRows: [2, 1, 2] });
  });

  test('refuses columns of another type, and no tables at all', () => {
    const swapped = table([1], [1], [0]);
    expect(() => concatTables([swapped, { ...swapped, columns: swapped.columns.toReversed() }])).toThrow(
      TypeError,
    );
    expect(() => concatTables([])).toThrow(RangeError);
  });
});

test('isNumberColumn goes by the type of the feature', () => {
  expect(table([1], [1], [0]).columns.map(isNumberColumn)).toEqual([true, false]);
});

test('rowAt takes one row across the columns: numbers as they are, categories by code', () => {
  const whole = table([30, Number.NaN], [2, 0], [0, 1]);
  const row = new Float64Array(2);
  expect([...rowAt(whole, 0, row)]).toEqual([30, 2]);
  expect([...rowAt(whole, 1, row)]).toEqual([Number.NaN, 0]);
});
