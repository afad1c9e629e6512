import { describe, expect, test } from 'vitest';
import {
  createRowTransform,
  inputNames,
  inputRanges,
  standardisation,
  transformTable,
} from '#models/preprocessing/transform.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, rowAt, type Table } from '#shared/contract/table.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'age', type: 'number', min: 20, max: 70 },
    { name: 'home', type: 'category', categories: ['own', 'rent', 'other'] },
    { name: 'balance', type: 'number', min: -3, max: 7, scale: 'log', missing: 'refused' },
    { name: 'job', type: 'category', categories: ['yes'], missing: 'refused' },
  ],
});
const FIT = { means: [0.5, 0.4], deviations: [0.25, 0.1] };
const NAN = Number.NaN;

function tableOf(of: DataContract, bad: number[], ...columns: number[][]): Table {
  return {
    rowCount: bad.length,
    bad: Uint8Array.from(bad),
    columns: of.features.map((feature, i) =>
      feature.type === 'number'
        ? { feature, values: Float64Array.from(columns[i]!) }
        : { feature, codes: Uint16Array.from(columns[i]!) },
    ),
  };
}

describe('the inputs', () => {
  test('are named in the order of the contract: vocabulary, other, then missing where it is allowed', () => {
    expect(inputNames(contract)).toEqual([
      'age',
      'age is missing',
      'home = own',
      'home = rent',
      'home = other',
      'home = other',
      'home is missing',
      'balance',
      'job = yes',
      'job = other',
    ]);
  });

  test('of a number with special values are the number, one for each of these, then missing', () => {
    const arrears = dataContract.parse({
      ...contract,
      features: [{ name: 'arrears', type: 'number', min: 0, max: 100, special: [999, -1] }],
    });
    expect(inputNames(arrears)).toEqual(['arrears', 'arrears = 999', 'arrears = -1', 'arrears is missing']);
    const table = tableOf(arrears, [0, 0, 0, 0, 0], [50, 999, -1, NAN, 998]);
    const fit = { means: [0.25], deviations: [0.5] };
    // 998 is no special value: it is clipped to 100 like any other
    const rows = [
      [0.5, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
      [1.5, 0, 0, 0],
    ];
    expect(Array.from(transformTable(arrears, fit, table))).toEqual(rows.flat());
    const one = createRowTransform(arrears, fit);
    const inputs = new Float32Array(4);
    rows.forEach((expected, i) => {
      one(rowAt(table, i, new Float64Array(1)), inputs);
      expect(Array.from(inputs)).toEqual(expected);
    });
  });

  test('of each feature lie side by side', () => {
    expect(inputRanges(contract)).toEqual([
      { start: 0, end: 2 },
      { start: 2, end: 7 },
      { start: 7, end: 8 },
      { start: 8, end: 10 },
    ]);
  });
});

describe('createRowTransform', () => {
  test('gives the bits of transformTable, row by row, whatever was in the array before', () => {
    const table = tableOf(
      contract,
      [0, 1, 0, 0, 1],
      [45, NAN, 20, 1e9, 33.3],
      [1, 0, 2, 3, 4],
      [-3, 7, 0, NAN, 2.2],
      [1, 2, 0, 1, 2],
    );
    const matrix = transformTable(contract, FIT, table);
    const toInputs = createRowTransform(contract, FIT);
    const inputs = new Float32Array(10).fill(7);
    for (let i = 0; i < 5; i++) {
      toInputs(rowAt(table, i, new Float64Array(4)), inputs);
      expect([...inputs]).toEqual([...matrix.subarray(10 * i, 10 * i + 10)]);
    }
  });
});

describe('transformTable', () => {
  test('gives rows worked out by hand', () => {
    const table = tableOf(
      contract,
      [0, 1, 0, 1, 0],
      [45, 70, NAN, 1000, 57.5], // units 0.5, 1, missing, 1, 0.75
      [1, 0, 2, 4, 3], // own, missing, rent, outside the vocabulary, the word "other"
      [0, -50, 1, 7, -1], // units 0.4, 0, 0.6, 1, 0.2
      [1, 2, 0, 1, 1], // yes, other, missing although refused, yes, yes
    );
    const rows = [
      [0, 0, 1, 0, 0, 0, 0, 0, 1, 0],
      [2, 0, 0, 0, 0, 0, 1, -4, 0, 1],
      [0, 1, 0, 1, 0, 0, 0, 2, 0, 0],
      [2, 0, 0, 0, 0, 1, 0, 5, 1, 0],
      [1, 0, 0, 0, 1, 0, 0, -2, 1, 0],
    ];
    const matrix = transformTable(contract, FIT, table);
    expect(matrix).toBeInstanceOf(Float32Array);
    expect(matrix).toHaveLength(50);
    rows.flat().forEach((expected, i) => expect(matrix[i], `element ${i}`).toBeCloseTo(expected, 6));
  });

  test('limits a standardised value to five deviations on either side', () => {
    const one = dataContract.parse({
      ...contract,
      features: [{ name: 'x', type: 'number', min: 0, max: 1, missing: 'refused' }],
    });
    const fit = { means: [0.5], deviations: [0.01] };
    const table = tableOf(one, [0, 0, 0, 0], [0, 1, 0.54, 0.4]);
    const matrix = transformTable(one, fit, table);
    expect(matrix[0]).toBe(-5);
    expect(matrix[1]).toBe(5);
    expect(matrix[2]).toBeCloseTo(4, 5);
    expect(matrix[3]).toBe(-5);
  });

  test('never sets more than one input of a category, nor an indicator without its value being 0', () => {
    const codes = [0, 1, 2, 3, 4];
    const numbers = [NAN, 20, 30, NAN, 70];
    const table = tableOf(contract, [0, 0, 0, 0, 0], numbers, codes, [0, 0, 0, 0, 0], [0, 1, 2, 1, 2]);
    const matrix = transformTable(contract, FIT, table);
    for (let row = 0; row < 5; row++) {
      const inputs = matrix.subarray(row * 10, row * 10 + 10);
      expect(inputs.subarray(2, 7).reduce((a, b) => a + b, 0)).toBe(1);
      if (inputs[1] === 1) expect(inputs[0]).toBe(0);
      expect(inputs[1]).toBe(Number.isNaN(numbers[row]) ? 1 : 0);
    }
  });

  test('of no rows is empty', () => {
    expect(transformTable(contract, FIT, tableOf(contract, [], [], [], [], []))).toHaveLength(0);
  });

  test('does not change the table', () => {
    const table = tableOf(contract, [0], [1000], [1], [50], [1]);
    transformTable(contract, FIT, table);
    expect(table.columns.filter(isNumberColumn).map(({ values }) => values[0])).toEqual([1000, 50]);
  });
});

test('a standardisation has positive deviations and finite numbers', () => {
  expect(standardisation.safeParse(FIT).success).toBe(true);
  for (const bad of [
    { ...FIT, deviations: [0.25, 0] },
    { ...FIT, deviations: [0.25, -1] },
    { ...FIT, means: [NAN, 0] },
    { ...FIT, extra: 1 },
    { means: [] },
  ]) {
    expect(standardisation.safeParse(bad).success).toBe(false);
  }
});
