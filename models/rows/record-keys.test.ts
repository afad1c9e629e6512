import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { otherRows, recordKeys, rowsKept, splitByKey, type RecordKeys } from '#models/rows/record-keys.ts';
import { dataContract } from '#shared/contract/contract.ts';
import { concatTables, isNumberColumn, selectRows, type Column, type Table } from '#shared/contract/table.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'keys',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'income', type: 'number', min: 0, max: 100 },
    { name: 'purpose', type: 'category', categories: ['car', 'house'] },
  ],
});

function tableOf(income: number[], purpose: number[], bad: number[]): Table {
  const columns = [
    { feature: contract.features[0]!, values: Float64Array.from(income) },
    { feature: contract.features[1]!, codes: Uint16Array.from(purpose) },
  ] as unknown as Column[];
  return { rowCount: bad.length, columns, bad: Uint8Array.from(bad) };
}

function randomTable(rows: number): Table {
  const generator = new SeededGenerator('record keys test');
  const draw = (below: number) =>
    Array.from({ length: rows }, () => Math.floor(generator.nextUnit() * below));
  return tableOf(
    draw(1e6).map((x) => x / 1e4),
    draw(4),
    draw(2),
  );
}

const contents = (table: Table) =>
  Array.from({ length: table.rowCount }, (_, i) =>
    [...table.columns.map((c) => (isNumberColumn(c) ? c.values[i] : c.codes[i])), table.bad[i]].join(' '),
  ).sort();

describe('recordKeys', () => {
  test('are the first eight bytes of SHA-256 over the row as float64', () => {
    const keys = recordKeys(tableOf([12.5, NaN], [2, 0], [1, 0]));
    const expected = (bytes: Buffer) => createHash('sha256').update(bytes).digest();
    const first = Buffer.alloc(24);
    first.writeDoubleLE(12.5, 0);
    first.writeDoubleLE(2, 8);
    first.writeDoubleLE(1, 16);
    const second = Buffer.from(`000000000000f87f${'00'.repeat(16)}`, 'hex');
    expect([keys.high[0], keys.low[0]]).toEqual([
      expected(first).readUInt32BE(0),
      expected(first).readUInt32BE(4),
    ]);
    expect([keys.high[1], keys.low[1]]).toEqual([
      expected(second).readUInt32BE(0),
      expected(second).readUInt32BE(4),
    ]);
  });

  test('differ when any cell or the outcome differs, and not for the sign of a zero', () => {
    const keys = recordKeys(tableOf([1, 2, 1, 1, 0, -0], [1, 1, 2, 1, 0, 0], [0, 0, 0, 1, 0, 0]));
    expect(new Set(keys.high).size).toBe(5);
    expect(keys.high[4]).toBe(keys.high[5]);
    expect(keys.low[4]).toBe(keys.low[5]);
  });
});

describe('rowsKept', () => {
  const keys = recordKeys(randomTable(20_000));

  test('keeps about the fraction asked for, all at one and none at zero', () => {
    for (const fraction of [0.05, 0.2, 0.5]) {
      const share = rowsKept(keys, 'draw', 'seed', fraction).length / 20_000;
      expect(Math.abs(share - fraction)).toBeLessThan(4 * Math.sqrt((fraction * (1 - fraction)) / 20_000));
    }
    expect(rowsKept(keys, 'draw', 'seed', 1)).toHaveLength(20_000);
    expect(rowsKept(keys, 'draw', 'seed', 0)).toHaveLength(0);
  });

  test('draws of different labels or seeds are independent', () => {
    const first = new Set(rowsKept(keys, 'tree 1', 'seed', 0.5));
    for (const other of [rowsKept(keys, 'tree 2', 'seed', 0.5), rowsKept(keys, 'tree 1', 'other', 0.5)]) {
      const both = other.filter((i) => first.has(i)).length / other.length;
      expect(Math.abs(both - 0.5)).toBeLessThan(0.02);
    }
  });

  test('uses both words of a key', () => {
    const word = Uint32Array.from({ length: 1000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 0);
    const flat = new Uint32Array(1000);
    for (const half of [
      { high: word, low: flat },
      { high: flat, low: word },
    ] satisfies RecordKeys[]) {
      const kept = rowsKept(half, 'draw', 'seed', 0.3).length;
      expect(Math.abs(kept - 300)).toBeLessThan(60);
    }
  });
});

describe('splitByKey', () => {
  const table = randomTable(3000);
  const { training, holdout } = splitByKey(table, 0.25, 'seed');

  test('divides the rows in two without losing or doubling one', () => {
    expect(Math.abs(holdout.table.rowCount - 750)).toBeLessThan(100);
    expect(contents(concatTables([training.table, holdout.table]))).toEqual(contents(table));
    expect(training.keys).toEqual(recordKeys(training.table));
    expect(holdout.keys).toEqual(recordKeys(holdout.table));
  });

  test('holds out the same rows wherever they are and in whatever order', () => {
    const order = new SeededGenerator('order').shuffle(range(3000));
    const banks = [order.slice(0, 100), order.slice(100, 2000), order.slice(2000)].map((rows) =>
      splitByKey(selectRows(table, rows), 0.25, 'seed'),
    );
    expect(contents(concatTables(banks.map((b) => b.holdout.table)))).toEqual(contents(holdout.table));
  });
});

test('otherRows are the complement', () => {
  expect([...otherRows(Uint32Array.of(0, 3, 4), 6)]).toEqual([1, 2, 5]);
  expect([...otherRows(new Uint32Array(0), 2)]).toEqual([0, 1]);
});
