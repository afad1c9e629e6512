import { describe, expect, test } from 'vitest';
import { createRowReader, rowOf, rowOfBaseline } from '#models/scoring/row.ts';
import { dataContract } from '#shared/contract/contract.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'age', type: 'number', min: 20, max: 70, missing: 'refused' },
    { name: 'home', type: 'category', categories: ['own', '1', '02'] },
    { name: 'income', type: 'number', min: 0, max: 1e6 },
    { name: 'job', type: 'category', categories: ['x'], missing: 'refused' },
  ],
});

describe('a row from a record', () => {
  const record = { age: 30, home: 'own', income: 5.5, job: 'x', id: 'ignored' };

  test('holds numbers as they are, also beyond the range, and categories by code', () => {
    expect([...rowOf(contract, record)]).toEqual([30, 1, 5.5, 1]);
    expect([...rowOf(contract, { ...record, age: 900, home: '02', income: null })]).toEqual([900, 3, NaN, 1]);
    expect([...rowOf(contract, { ...record, home: ' own ', job: 'elsewhere' })]).toEqual([30, 1, 5.5, 2]);
    expect([...rowOf(contract, { ...record, home: null })]).toEqual([30, 0, 5.5, 1]);
  });

  test.each([
    [{ age: '30' }, /"age".*number.*a text/],
    [{ age: true }, /"age".*number.*a boolean/],
    [{ age: [30] }, /"age".*number.*a list/],
    [{ income: Infinity }, /"income".*number/],
    [{ home: 1 }, /"home".*text.*a number/],
    [{ home: {} }, /"home".*text.*an object/],
    [{ age: null }, /"age" must not be missing/],
    [{ job: ' ' }, /"job" must not be missing/],
    [{ age: undefined }, /"age" is not there.*null/],
  ])('is refused, never guessed, for %j', (changes, message) => {
    const error = expect.objectContaining({
      code: 'CONTRACT',
      message: expect.stringMatching(message) as string,
    });
    expect(() => rowOf(contract, { ...record, ...changes })).toThrow(error);
  });

  test('does not take what all objects have for a column', () => {
    const odd = dataContract.parse({
      ...contract,
      features: [{ name: 'constructor', type: 'category', categories: ['a'] }],
    });
    expect(() => rowOf(odd, {})).toThrow(expect.objectContaining({ code: 'CONTRACT' }));
  });
});

describe('a row from the cells of a file', () => {
  const { columns, readCells } = createRowReader(contract);
  const read = (...cells: (string | null)[]) => {
    const row = new Float64Array(4);
    return readCells(cells, row) ?? [...row];
  };

  test('follows the order of the contract', () => {
    expect(columns).toEqual(['age', 'home', 'income', 'job']);
    expect(read('30', 'own', '5.5', 'x')).toEqual([30, 1, 5.5, 1]);
  });

  test('is read as a training file is: blanks trimmed, empty missing, 1.0 as the level 1', () => {
    expect(read(' 3e1\u00a0', '1.0', '', ' x')).toEqual([30, 2, NaN, 1]);
    expect(read('+30.', '\u3000', null, 'NA')).toEqual([30, 0, NaN, 2]);
    expect(read('.5', '2', '-0.25', 'x')).toEqual([0.5, 4, -0.25, 1]);
  });

  test.each(['1,000', '0x10', '1_000', 'NaN', 'inf', '12 EUR', '1e999', '--1'])(
    'has a problem in the column where a number is %s, and the problem does not quote it',
    (text) => {
      const problem = read('30', 'own', text, 'x');
      expect(problem).toMatchObject({ column: 'income' });
      expect(JSON.stringify(problem)).not.toContain(text);
    },
  );

  test('has a problem in the first column where a value is needed and missing', () => {
    expect(read('', 'own', 'oops', '')).toMatchObject({ column: 'age', message: 'must not be missing' });
    expect(read('30', 'own', '1', '')).toMatchObject({ column: 'job' });
  });
});

test('a baseline is a row of levels and numbers, missing where it is null', () => {
  expect([...rowOfBaseline(contract, [45.5, '02', null, null])]).toEqual([45.5, 3, NaN, 0]);
});

describe('derived features', () => {
  const derived = dataContract.parse({
    ...contract,
    features: [
      { name: 'share', type: 'number', min: 0, max: 10, derive: { ratio: ['debt', 'income'] } },
      { name: 'income', type: 'number', min: 0, max: 1e6, special: [-1] },
      {
        name: 'slope',
        type: 'number',
        min: -10,
        max: 10,
        missing: 'refused',
        derive: { trend: ['m1', 'm2', 'm3'] },
      },
    ],
  });
  const record = { debt: 30, income: 60, m1: 1, m2: 5, m3: 3 };

  test('are computed from their columns, which are read once each', () => {
    const { columns, readCells } = createRowReader(derived);
    expect(columns.toSorted()).toEqual(['debt', 'income', 'm1', 'm2', 'm3']);
    const row = new Float64Array(3);
    const cells = columns.map((name) => String(record[name as keyof typeof record]));
    expect(readCells(cells, row)).toBeUndefined();
    expect([...row]).toEqual([0.5, 60, 1]);
    expect([...rowOf(derived, record)]).toEqual([0.5, 60, 1]);
  });

  test('are missing where an input is, or is a special value, or is 0 below the line', () => {
    expect([...rowOf(derived, { ...record, debt: null })]).toEqual([NaN, 60, 1]);
    expect([...rowOf(derived, { ...record, income: -1 })]).toEqual([NaN, -1, 1]);
    expect([...rowOf(derived, { ...record, income: 0 })]).toEqual([NaN, 0, 1]);
  });

  test('that must not be missing are a problem of theirs, not of an input', () => {
    expect(() => rowOf(derived, { ...record, m2: null })).toThrow(/column "slope" must not be missing/);
    expect(() => rowOf(derived, { ...record, debt: 'much' })).toThrow(/column "debt" expected a number/);
  });
});
