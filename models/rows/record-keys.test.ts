import { createHash } from 'node:crypto';
import fc from 'fast-check';
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

/** Rows of one feature: `bads` and `goods` of each income, in an order that mixes them. */
function cellsOf(cells: readonly (readonly [income: number, bads: number, goods: number])[]): Table {
  const rows = cells.flatMap(([income, bads, goods]) =>
    Array.from({ length: bads + goods }, (_, i) => [income, i < bads ? 1 : 0] as const),
  );
  const order = [...new SeededGenerator('cells').shuffle(range(rows.length))].map((i) => rows[i]!);
  const purpose = order.map(() => 1);
  return tableOf(
    order.map(([income]) => income),
    purpose,
    order.map(([, bad]) => bad),
  );
}

describe('recordKeys', () => {
  test('are the first eight bytes of SHA-256 over the features as float64', () => {
    const keys = recordKeys(tableOf([12.5, NaN], [2, 0], [1, 0]));
    const expected = (bytes: Buffer) => createHash('sha256').update(bytes).digest();
    const first = Buffer.alloc(16);
    first.writeDoubleLE(12.5, 0);
    first.writeDoubleLE(2, 8);
    const second = Buffer.from(`000000000000f87f${'00'.repeat(8)}`, 'hex');
    expect([keys.high[0], keys.low[0]]).toEqual([
      expected(first).readUInt32BE(0),
      expected(first).readUInt32BE(4),
    ]);
    expect([keys.high[1], keys.low[1]]).toEqual([
      expected(second).readUInt32BE(0),
      expected(second).readUInt32BE(4),
    ]);
  });

  test('differ when any feature differs, and neither for the outcome nor for the sign of a zero', () => {
    const keys = recordKeys(tableOf([1, 2, 1, 1, 0, -0], [1, 1, 2, 1, 0, 0], [0, 0, 0, 1, 0, 0]));
    expect(new Set(keys.high).size).toBe(4);
    expect([keys.high[3], keys.low[3]]).toEqual([keys.high[0], keys.low[0]]);
    expect([keys.high[5], keys.low[5]]).toEqual([keys.high[4], keys.low[4]]);
  });

  test('count the rows of one bank that are equal in features and outcome', () => {
    const bank = tableOf([1, 1, 2, 1, 1, 1], [1, 1, 1, 1, 2, 1], [0, 1, 0, 0, 0, 0]);
    expect([...recordKeys(bank).occurrence]).toEqual([0, 0, 0, 1, 0, 2]);
    const three = concatTables([bank, tableOf([], [], []), tableOf([1, 1], [1, 1], [0, 1])]);
    expect([...recordKeys(three).occurrence]).toEqual([0, 0, 0, 1, 0, 2, 0, 0]);
    const many = cellsOf([[7, 3000, 5000]]);
    const occurrences = [...recordKeys(many).occurrence];
    expect(Math.max(...occurrences.filter((_, i) => many.bad[i] === 1))).toBe(2999);
    expect(new Set(occurrences).size).toBe(5000);
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
      { high: word, low: flat, occurrence: flat },
      { high: flat, low: word, occurrence: flat },
    ] satisfies RecordKeys[]) {
      const kept = rowsKept(half, 'draw', 'seed', 0.3).length;
      expect(Math.abs(kept - 300)).toBeLessThan(60);
    }
  });

  test('keeps of equal rows the share asked for, to a whole row, and at every bank the same of as many', () => {
    const size = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(size, size, fc.integer({ min: 0, max: 1000 }), fc.string(), (bads, goods, mille, seed) => {
        const fraction = mille / 1000;
        const banks = [cellsOf([[1, bads, goods]]), cellsOf([[1, goods, bads]])];
        const kept = banks.map((table) => {
          const rows = [...rowsKept(recordKeys(table), 'draw', seed, fraction)];
          return [1, 0].map((outcome) => rows.filter((i) => table.bad[i] === outcome).length);
        });
        for (const [i, n] of [bads, goods].entries()) {
          expect(Math.abs(kept[0]![i]! - n * fraction)).toBeLessThan(1 + 1e-9);
          expect(kept[1]![1 - i]).toBe(kept[0]![i]);
        }
      }),
    );
  });

  test('keeps each of few equal rows as often as the share says, over many cells', () => {
    const bad = Array.from({ length: 9000 }, (_, i) => (i % 9 < 2 ? 1 : 0)); // cells of 2 bads and 7 goods
    const table = tableOf(
      bad.map((_, i) => Math.floor(i / 9) / 10),
      bad.map(() => 0),
      bad,
    );
    const kept = [...rowsKept(recordKeys(table), 'draw', 'seed', 0.2)];
    const bads = kept.filter((i) => bad[i] === 1).length;
    // of 2 rows 0.4 are kept, of 7 it is 1 or 2 with 0.4 of the second: 1000 draws each
    expect(Math.abs(bads - 400)).toBeLessThan(4 * Math.sqrt(1000 * 0.4 * 0.6));
    expect(Math.abs(kept.length - bads - 1400)).toBeLessThan(4 * Math.sqrt(1000 * 0.4 * 0.6));
  });
});

describe('rows that say the same', () => {
  const seeds = Array.from({ length: 200 }, (_, i) => `seed ${i}`);
  const outcomes = ({ table }: { table: Table }, income: number) => {
    const { values } = table.columns[0] as { values: Float64Array };
    const bads = [...table.bad].filter((_, i) => values[i] === income);
    return [bads.filter((y) => y === 1).length, bads.filter((y) => y === 0).length];
  };

  test('are kept back by a fifth in every cell, bads and goods alike, whatever the seed', () => {
    const table = cellsOf([
      [1, 300, 1700],
      [2, 100, 1900],
    ]);
    const keys = recordKeys(table);
    for (const seed of seeds) {
      const held = { table: selectRows(table, rowsKept(keys, 'holdout', seed, 0.2)) };
      expect([outcomes(held, 1), outcomes(held, 2)]).toEqual([
        [60, 340],
        [20, 380],
      ]);
    }
  });

  test('are so at banks that share a cell, to a row at each', () => {
    const banks = Array.from({ length: 10 }, (_, b) => cellsOf([[1, 25 + b, 170 + b]]));
    for (const seed of seeds.slice(0, 50)) {
      const held = banks.map((bank) => outcomes(splitByKey(bank, 0.2, seed).holdout, 1));
      const rows = held.reduce(([b, g], [x, y]) => [b! + x!, g! + y!], [0, 0]);
      // within a row at every bank; fractional parts differ, so it is nearer by far
      expect(Math.abs(rows[0]! - 59)).toBeLessThanOrEqual(5);
      expect(Math.abs(rows[1]! - 349)).toBeLessThanOrEqual(5);
    }
  });

  test('are still even after a second draw among those kept back', () => {
    for (const fraction of [0.1, 0.25, 0.5]) {
      const { holdout } = splitByKey(cellsOf([[1, 320, 1680]]), fraction, 'seed');
      const half = rowsKept(holdout.keys, 'calibration', 'seed', 0.5);
      const bads = half.filter((i) => holdout.table.bad[i] === 1).length;
      expect(Math.abs(half.length - 1000 * fraction)).toBeLessThanOrEqual(2);
      expect(Math.abs(bads - 160 * fraction)).toBeLessThanOrEqual(1);
    }
  });

  test('a copy of a single row at another bank is kept back with it, even when it turned out otherwise there', () => {
    const incomes = Array.from({ length: 500 }, (_, i) => i / 8);
    const [one, other] = [0, 1].map((bad) => {
      const values = bad === 0 ? incomes : incomes.toReversed();
      return tableOf(
        values,
        values.map(() => 1),
        values.map(() => bad),
      );
    });
    const held = [one!, other!].map((table) =>
      [
        ...(splitByKey(table, 0.2, 'seed').holdout.table.columns[0] as { values: Float64Array }).values,
      ].sort(),
    );
    expect(held[0]!.length).toBeGreaterThan(60);
    expect(held[1]).toEqual(held[0]);
  });
});

describe('splitByKey', () => {
  // a third of the rows is there twice or more
  const single = randomTable(2000);
  const twice = selectRows(
    single,
    range(600).map((i) => i % 250),
  );
  const table = { ...concatTables([single, twice]), bankRows: [2600] };
  const { training, holdout } = splitByKey(table, 0.25, 'seed');

  test('divides the rows in two without losing or doubling one', () => {
    expect(Math.abs(holdout.table.rowCount - 650)).toBeLessThan(100);
    expect(contents(concatTables([training.table, holdout.table]))).toEqual(contents(table));
    expect(training.keys).toEqual(recordKeys(training.table));
    expect(holdout.keys).toEqual(recordKeys(holdout.table));
  });

  test('holds out the same rows of a bank in whatever order, there and where all rows are in one place', () => {
    const order = [...new SeededGenerator('order').shuffle(range(2600))];
    const dealt = [order.slice(0, 100), order.slice(100, 1800), order.slice(1800)];
    const banks = dealt.map((rows) => selectRows(table, Uint32Array.from(rows)));
    const shuffled = dealt.map((rows) => selectRows(table, Uint32Array.from(rows.toReversed())));
    const heldOf = (parts: Table[]) => parts.map((part) => splitByKey(part, 0.25, 'seed').holdout.table);
    const held = contents(concatTables(heldOf(banks)));
    expect(contents(concatTables(heldOf(shuffled)))).toEqual(held);
    expect(contents(heldOf([concatTables(banks.toReversed())])[0]!)).toEqual(held);
  });
});

test('otherRows are the complement', () => {
  expect([...otherRows(Uint32Array.of(0, 3, 4), 6)]).toEqual([1, 2, 5]);
  expect([...otherRows(new Uint32Array(0), 2)]).toEqual([0, 1]);
});
