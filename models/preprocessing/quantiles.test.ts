import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  answerQuantiles,
  equalFractions,
  nextQuantiles,
  QUANTILE_ROUNDS,
  startQuantiles,
  type FeatureQuantiles,
} from '#models/preprocessing/quantiles.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import { selectRows, type Column, type Table } from '#shared/contract/table.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { addInto, createWords, RingSum } from '#shared/ring/ring-sum.ts';
import { vectorLength } from '#shared/ring/field.ts';

function contractOf(min: number, max: number, special?: number[]): DataContract {
  return dataContract.parse({
    v: 1,
    name: 'quantiles',
    target: { column: 'default', bad: '1' },
    features: [{ name: 'x', type: 'number', min, max, ...(special === undefined ? {} : { special }) }],
  });
}

function tableOf(contract: DataContract, ...columns: number[][]): Table {
  return {
    rowCount: columns[0]!.length,
    bad: new Uint8Array(columns[0]!.length),
    columns: columns.map((values, i) => ({
      feature: contract.features[i],
      values: Float64Array.from(values),
    })) as unknown as Column[],
  };
}

function run(contract: DataContract, banks: readonly Table[], fractions: number[], kMin = 1) {
  let step = startQuantiles(contract, fractions, kMin);
  let rounds = 0;
  while (step.kind === 'ask') {
    rounds++;
    const { question, state } = step;
    const sum = createWords('u64', vectorLength(question.fields));
    for (const bank of banks) {
      addInto(sum, encodeFields(answerQuantiles(question, bank), question.fields, 'u64', 's'));
    }
    step = nextQuantiles(state, new RingSum(sum, question.fields, banks.length));
  }
  expect(rounds).toBeLessThanOrEqual(QUANTILE_ROUNDS);
  return step.quantiles;
}

/** Type 1, from the sorted values. */
function lowerQuantile(values: number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(fraction * values.length - 1e-9)) - 1]!;
}

describe('quantiles', () => {
  test('of whole numbers are exactly the lower sample quantiles', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -50, max: 900 }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 2, max: 12 }),
        (values, bins) => {
          const contract = contractOf(-50, 900);
          const [q] = run(contract, [tableOf(contract, values)], equalFractions(bins));
          expect(q!.values).toEqual(equalFractions(bins).map((f) => lowerQuantile(values, f)));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('cost nothing where one value, or a contract, has stretched the range to 10^12', () => {
    const generator = new SeededGenerator('stretched');
    const ratios = Array.from({ length: 4000 }, () => generator.nextUnit());
    const fractions = equalFractions(32);
    for (const [min, max] of [
      [0, 1e12],
      [-1e12, 1e12],
      [-1e12, 1],
      [0, 1e15],
    ] as const) {
      const values = [...ratios.slice(1), max];
      const [q] = run(contractOf(min, max), [tableOf(contractOf(min, max), values)], fractions);
      const sorted = values.toSorted((a, b) => a - b);
      fractions.forEach((f, i) => {
        const at = sorted.filter((x) => x <= q!.values[i]!).length / sorted.length;
        expect(Math.abs(at - f), `${min} … ${max}, ${f}`).toBeLessThan(0.005);
      });
    }
  });

  test('of amounts in cents over a wide range are exact to the last cell', () => {
    const generator = new SeededGenerator('amounts');
    const values = Array.from(
      { length: 2000 },
      () => Math.floor(Math.exp(3 + 14 * generator.nextUnit())) / 100,
    );
    const contract = contractOf(0, 1e6);
    const fractions = equalFractions(20);
    const [q] = run(contract, [tableOf(contract, values)], fractions);
    fractions.forEach((f, i) => {
      // half of 1024 cells equal, then 53 or more in each of at most 19 intervals, three times
      expect(Math.abs(q!.values[i]! - lowerQuantile(values, f))).toBeLessThan(1e6 / 513 / 53 ** 3 + 1e-9);
    });
  });

  test('are the same for any number of banks and any order of rows', () => {
    const generator = new SeededGenerator('spread');
    const values = Array.from({ length: 997 }, () => generator.nextUnit() ** 4 * 37);
    const contract = contractOf(0, 40);
    const table = tableOf(contract, values);
    const pooled = run(contract, [table], equalFractions(16), 20);
    const order = new SeededGenerator('order').shuffle(range(997));
    for (const banks of [2, 5, 20]) {
      const parts = Array.from({ length: banks }, (_, b) =>
        selectRows(
          table,
          order.filter((i) => i % banks === b),
        ),
      );
      expect(run(contract, parts, equalFractions(16), 20)).toEqual(pooled);
    }
  });

  test('stop at cells with fewer than kMin rows, and then miss a rank by fewer than kMin', () => {
    const values = Array.from({ length: 300 }, (_, i) => i * 0.777 + 0.123);
    const contract = contractOf(0, 1e5);
    const kMin = 20;
    const [q] = run(contract, [tableOf(contract, values)], equalFractions(10), kMin);
    equalFractions(10).forEach((f, i) => {
      const atMost = values.filter((x) => x <= q!.values[i]!).length;
      expect(Math.abs(atMost - f * 300)).toBeLessThan(kMin);
    });
    expect(q!.values.every((x) => String(x).length <= 5)).toBe(true);
  });

  test('merge where one value fills several ranks, and never cut above the highest', () => {
    const contract = contractOf(0, 10);
    const edges = (values: number[]) =>
      run(contract, [tableOf(contract, values)], equalFractions(10))[0]!.edges;
    expect(edges([...Array(70).fill(0), ...Array(30).fill(1)])).toEqual([0]);
    expect(edges([...Array(40).fill(2), ...Array(30).fill(5), ...Array(30).fill(10)])).toEqual([2, 5]);
    expect(edges(Array(50).fill(3))).toEqual([]);
  });

  test('leave out missing and special values, and clip to the contract', () => {
    const contract = contractOf(0, 100, [-1, 99]);
    const values = [NaN, -1, -1, 99, -40, 20, 30, 1e7];
    const [q] = run(contract, [tableOf(contract, values)], [0.25, 0.5, 0.75, 0.99]);
    expect(q).toEqual({ rows: 4, values: [0, 20, 30, 100], edges: [0, 20, 30] } satisfies FeatureQuantiles);
  });

  test('a feature nobody has a value of has none, and a contract without numbers asks nothing', () => {
    const contract = contractOf(0, 100);
    expect(run(contract, [tableOf(contract, [NaN, NaN])], [0.5])).toEqual([
      { rows: 0, values: [], edges: [] },
    ]);
    const categories = dataContract.parse({
      ...contract,
      features: [{ name: 'c', type: 'category', categories: ['a'] }],
    });
    expect(startQuantiles(categories, [0.5], 1)).toEqual({ kind: 'done', quantiles: [] });
  });
});
