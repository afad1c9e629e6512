import { describe, expect, test } from 'vitest';
import {
  answerRowCounts,
  assertEnough,
  modeOf,
  readRowCounts,
  rowCountFields,
} from '#models/preprocessing/row-counts.ts';
import { dealtOut, lenderContract, madeUpLender } from '#models/testing/made-up-lenders.ts';
import type { Table } from '#shared/contract/table.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { vectorLength } from '#shared/ring/field.ts';
import { addInto, createWords, RingSum } from '#shared/ring/ring-sum.ts';

const fields = rowCountFields(lenderContract);

function countsOf(tables: readonly Table[], kMin = 20) {
  const sum = createWords('u64', vectorLength(fields));
  for (const table of tables) addInto(sum, encodeFields(answerRowCounts(table), fields, 'u64', 's'));
  return readRowCounts(new RingSum(sum, fields, tables.length), lenderContract, kMin);
}

describe('rows, bads and the most frequent category', () => {
  const table = madeUpLender(900, 'row counts');
  const sectors = lenderContract.features[3]!;
  const codes = [...(table.columns[3] as { codes: Uint16Array }).codes];

  test('are those of all rows, however they are spread', () => {
    const byHand = new Map([1, 2, 3, 4, 5].map((code) => [code, codes.filter((c) => c === code).length]));
    const [most] = [...byHand].toSorted((a, b) => b[1] - a[1])[0]!;
    const expected = {
      rows: 900,
      bads: [...table.bad].filter((y) => y === 1).length,
      modes: [sectors.type === 'category' ? sectors.categories[most - 1] : ''],
    };
    for (const banks of [1, 2, 7]) expect(countsOf(dealtOut(table, banks))).toEqual(expected);
  });

  test('name no category that fewer than kMin rows have', () => {
    expect(countsOf([table], 899).modes).toEqual([null]);
  });
});

test('of categories that are equally frequent the first is the mode; what is beyond the vocabulary is none', () => {
  expect(modeOf(['a', 'b', 'c'], [3, 9, 9, 40], 5)).toBe('b');
  expect(modeOf(['a'], [4], 5)).toBeNull();
});

test('too few rows and too few bads are told apart', () => {
  const least = { rows: 50, each: 10 };
  expect(() => assertEnough({ rows: 50, bads: 10 }, least, 'a model')).not.toThrow();
  expect(() => assertEnough({ rows: 49, bads: 20 }, least, 'a model')).toThrow(/50 training rows/);
  expect(() => assertEnough({ rows: 60, bads: 9 }, least, 'a model')).toThrow(/10 bads and 10 goods/);
  expect(() => assertEnough({ rows: 60, bads: 51 }, least, 'a model')).toThrow(/10 bads and 10 goods/);
});
