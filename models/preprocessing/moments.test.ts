import { describe, expect, test } from 'vitest';
import {
  answerMeans,
  answerSpreads,
  meansQuestion,
  readMeans,
  readStandardisation,
  spreadsQuestion,
} from '#models/preprocessing/moments.ts';
import { unitScaler } from '#models/preprocessing/unit-range.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { Answer, Question } from '#models/program.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, selectRows, type Table } from '#shared/contract/table.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { assertNoOverflow } from '#shared/ring/field.ts';
import { addInto, createWords, RingSum } from '#shared/ring/ring-sum.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'age', type: 'number', min: 18, max: 99 },
    { name: 'home', type: 'category', categories: ['own'] },
    { name: 'income', type: 'number', min: -100, max: 1e6, scale: 'log' },
    { name: 'always', type: 'number', min: 0, max: 3 },
    { name: 'never', type: 'number', min: 0, max: 1 },
  ],
});

/** 500 applicants with missing values, outliers beyond the range, a constant and a feature nobody has. */
function makeTable(rows = 500): Table {
  const generator = new SeededGenerator('moments test');
  const column = (draw: () => number) => Float64Array.from({ length: rows }, draw);
  const values: Record<string, Float64Array> = {
    age: column(() => (generator.nextUnit() < 0.1 ? Number.NaN : 10 + 100 * generator.nextUnit())),
    income: column(() => (generator.nextUnit() < 0.05 ? -1e7 : 10 ** (8 * generator.nextUnit()))),
    always: column(() => 2),
    never: column(() => Number.NaN),
  };
  return {
    rowCount: rows,
    bad: Uint8Array.from({ length: rows }, () => (generator.nextUnit() < 0.2 ? 1 : 0)),
    columns: contract.features.map((feature) =>
      feature.type === 'number'
        ? { feature, values: values[feature.name]! }
        : { feature, codes: new Uint16Array(rows) },
    ),
  };
}

function sumOf(question: Question, answers: readonly Answer[]): RingSum {
  const length = question.fields.reduce((total, field) => total + field.length, 1);
  const sum = createWords(question.ring, length);
  for (const answer of answers) addInto(sum, encodeFields(answer, question.fields, question.ring, 's'));
  return new RingSum(sum, question.fields, answers.length);
}

/** Both rounds, as the banks and the program play them. */
function federated(banks: readonly Table[], of: DataContract = contract, participants = 5) {
  const asked = meansQuestion(of, participants);
  const { present, ...means } = readMeans(
    sumOf(
      asked,
      banks.map((table) => answerMeans(asked, table)),
    ),
    of,
    20,
  );
  const spreads = spreadsQuestion(means, of, participants);
  const sum = sumOf(
    spreads,
    banks.map((table) => answerSpreads(spreads, table)),
  );
  return { ...means, present, fit: readStandardisation(sum, means, present) };
}

/** Rows dealt out at random and unevenly: the first bank gets most of them. */
function split(table: Table, banks: number): Table[] {
  const generator = new SeededGenerator('split', banks);
  const owners = Array.from({ length: table.rowCount }, () => Math.floor(banks * generator.nextUnit() ** 2));
  return Array.from({ length: banks }, (_, b) =>
    selectRows(
      table,
      range(table.rowCount).filter((row) => owners[row] === b),
    ),
  );
}

/** Straight from the definitions, in float64. */
function directly(table: Table) {
  return table.columns.filter(isNumberColumn).map(({ feature, values }) => {
    const units = [...values].filter((value) => !Number.isNaN(value)).map(unitScaler(feature));
    const mean = units.reduce((a, b) => a + b, 0) / units.length;
    const variance = units.reduce((total, unit) => total + (unit - mean) ** 2, 0) / units.length;
    return { present: units.length, mean, deviation: Math.sqrt(variance) };
  });
}

describe('federated means and deviations', () => {
  const table = makeTable();
  const pooled = federated([table]);

  test('are those of the definitions, to the resolution of the ring', () => {
    const [age, income] = directly(table) as [ReturnType<typeof directly>[0], ReturnType<typeof directly>[0]];
    expect(pooled.rows).toBe(500);
    expect(pooled.badRate).toBe([...table.bad].filter((bad) => bad === 1).length / 500);
    expect(pooled.present).toEqual([age.present, income.present, 500, 0]);
    expect(age.present).toBeLessThan(500);
    for (const [j, expected] of [age, income].entries()) {
      expect(Math.abs(pooled.fit.means[j]! - expected.mean)).toBeLessThan(2 ** -30);
      expect(Math.abs(pooled.fit.deviations[j]! - expected.deviation)).toBeLessThan(2 ** -28);
      expect(expected.deviation).toBeGreaterThan(0.1);
    }
  });

  test.each([2, 3, 5])('over %i banks are bit for bit those of the pooled rows', (banks) => {
    const parts = split(table, banks);
    expect(parts[0]!.rowCount).toBeGreaterThan(parts[1]!.rowCount);
    expect(federated(parts)).toEqual(pooled);
    expect(federated(parts.toReversed())).toEqual(pooled);
  });

  test('do not depend on the order of rows', () => {
    const order = new SeededGenerator('order').shuffle(range(table.rowCount));
    expect(federated([selectRows(table, order)])).toEqual(pooled);
  });

  test('are not moved by a bank without rows', () => {
    const none = selectRows(table, new Uint32Array(0));
    expect(federated([none, table, none])).toEqual(pooled);
  });

  test('of a feature that never varies are its value and 1', () => {
    expect(pooled.fit.means[2]).toBeCloseTo(2 / 3, 8);
    expect(pooled.fit.deviations[2]).toBe(1);
  });

  test('of a feature nobody has are the middle and 1', () => {
    expect(pooled.fit.means[3]).toBe(0.5);
    expect(pooled.fit.deviations[3]).toBe(1);
  });

  test('count values beyond the range as the ends of the range', () => {
    const clipped = makeTable();
    for (const { feature, values } of clipped.columns.filter(isNumberColumn)) {
      values.forEach((value, i) => (values[i] = Math.min(feature.max, Math.max(feature.min, value))));
    }
    expect(federated([clipped])).toEqual(pooled);
  });

  test('come out the same when one bank has all the bads and another all the goods', () => {
    const [one, other] = [1, 0].map((label) =>
      selectRows(
        table,
        range(500).filter((row) => table.bad[row] === label),
      ),
    ) as [Table, Table];
    expect([federated([one]).badRate, federated([other]).badRate]).toEqual([1, 0]);
    expect(federated([one, other])).toEqual(pooled);
  });
});

describe('the questions', () => {
  test('ask nothing about numbers where the contract has none', () => {
    const categories = dataContract.parse({ ...contract, features: [contract.features[1]] });
    const asked = meansQuestion(categories, 3);
    expect(asked.fields.map(({ name }) => name)).toEqual(['rows', 'bads', 'categories']);
    const table = { ...makeTable(20), columns: [makeTable(20).columns[1]!] };
    const answer = answerMeans(asked, table);
    expect(Object.keys(answer)).toEqual(['rows', 'bads', 'categories']);
    const read = readMeans(sumOf(asked, [answer, answer]), categories, 20);
    expect(read).toMatchObject({ rows: 40, means: [], present: [] });
  });

  test('count rows one by one, and sum units as finely as the ring allows', () => {
    const count = { scale: 1, clip: 2 ** 20, rounding: 'nearest' };
    const units = { scale: 2 ** 30, clip: 2 ** 20, rounding: 'nearest' }; // 5 · 2^50 < 2^53 < 10 · 2^50
    expect(meansQuestion(contract, 5)).toEqual({
      kind: 'means',
      ring: 'u64',
      fields: [
        { name: 'rows', length: 1, ...count },
        { name: 'bads', length: 1, ...count },
        { name: 'categories', length: 1, ...count },
        { name: 'present', length: 4, ...count },
        { name: 'totals', length: 4, ...units },
      ],
      settings: {},
      tensors: {},
    });
  });

  test('say what they need: the second carries the means of the first', () => {
    const asked = spreadsQuestion({ means: [0.1, 0.2, 0.3, 0.4] }, contract, 3);
    expect(asked.settings).toEqual({ means: [0.1, 0.2, 0.3, 0.4] });
    expect(asked.fields.map(({ name, length }) => [name, length])).toEqual([['squares', 4]]);
  });

  test('fit their ring for any number of banks', () => {
    for (let participants = 1; participants <= 1024; participants++) {
      for (const { fields, ring } of [
        meansQuestion(contract, participants),
        spreadsQuestion({ means: [0, 0, 0, 0] }, contract, participants),
      ]) {
        expect(() => assertNoOverflow(fields, ring, participants)).not.toThrow();
      }
    }
  });
});

describe('limits', () => {
  test('a sum without rows is refused: there is nothing to train on', () => {
    const asked = meansQuestion(contract, 2);
    const none = answerMeans(asked, makeTable(0));
    expect(() => readMeans(sumOf(asked, [none, none]), contract, 20)).toThrow(
      expect.objectContaining({ code: 'DATA_SOURCE' }),
    );
  });

  test('a book of the largest size is summed exactly, one row more is refused', () => {
    const ones = dataContract.parse({
      ...contract,
      features: [{ name: 'x', type: 'number', min: 0, max: 1 }],
    });
    const values = new Float64Array(ROWS_MAX + 1).fill(1);
    const bad = new Uint8Array(ROWS_MAX + 1).fill(1);
    const feature = ones.features[0]!;
    if (feature.type !== 'number') throw new Error('the contract above has a number');
    const whole = (rows: number): Table => ({
      rowCount: rows,
      bad: bad.subarray(0, rows),
      columns: [{ feature, values: values.subarray(0, rows) }],
    });
    const { rows, badRate, fit } = federated([whole(ROWS_MAX)], ones, 1);
    expect([rows, badRate, ...fit.means, ...fit.deviations]).toEqual([ROWS_MAX, 1, 1, 1]);
    expect(() => answerMeans(meansQuestion(ones, 1), whole(ROWS_MAX + 1))).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    );
  });
});
