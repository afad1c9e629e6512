/**
 * For tests: books in which many applicants say the same, so that rows tie. `fewCells` knows one category only;
 * of `thinFile` 15 % have no bureau data at all and are one row but for the outcome, every tenth of them bad.
 */
import { dataContract } from '#shared/contract/contract.ts';
import type { Column, Table } from '#shared/contract/table.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';

const target = { column: 'bad', bad: '1' };

export const fewCellsContract = dataContract.parse({
  v: 1,
  name: 'few cells',
  target,
  features: [{ name: 'class', type: 'category', categories: ['A', 'B'] }],
});

/** A: 300 bad, 1700 good; B: 100 bad, 1900 good; in no order. */
export function fewCells(): Table {
  const counts = [
    [1, 1, 300],
    [1, 0, 1700],
    [2, 1, 100],
    [2, 0, 1900],
  ] as const;
  const rows = counts.flatMap(([code, bad, n]) => Array.from({ length: n }, () => [code, bad] as const));
  const order = [...new SeededGenerator('few cells').shuffle(range(rows.length))].map((i) => rows[i]!);
  const codes = Uint16Array.from(order, ([code]) => code);
  const columns = [{ feature: fewCellsContract.features[0]!, codes }] as Column[];
  return { rowCount: rows.length, columns, bad: Uint8Array.from(order, ([, bad]) => bad) };
}

export const thinFileContract = dataContract.parse({
  v: 1,
  name: 'thin files',
  target,
  features: [
    { name: 'utilisation', type: 'number', min: 0, max: 1 },
    { name: 'age', type: 'number', min: 0, max: 240 },
    { name: 'inquiries', type: 'number', min: 0, max: 20 },
  ],
});

export function thinFile(rows: number): Table {
  const generator = new SeededGenerator('thin file');
  const u = () => generator.nextUnit();
  const cells = thinFileContract.features.map(() => new Float64Array(rows));
  const bad = new Uint8Array(rows);
  let thin = 0;
  for (let i = 0; i < rows; i++) {
    const isThin = u() < 0.15;
    const utilisation = Math.round(1000 * (u() + u() + u() + u() < 1.5 ? u() * 0.5 : u())) / 1000;
    const age = 1 + Math.floor(239 * u());
    const inquiries = Math.floor(4 * u() * u());
    const z = -2.6 + 3 * utilisation - 0.004 * age + 0.25 * inquiries;
    const isBad = isThin ? thin++ % 10 === 0 : u() < 1 / (1 + Math.exp(-z));
    bad[i] = isBad ? 1 : 0;
    [utilisation, age, inquiries].forEach((value, j) => (cells[j]![i] = isThin ? NaN : value));
  }
  const columns = thinFileContract.features.map((feature, j) => ({ feature, values: cells[j]! }) as Column);
  return { rowCount: rows, columns, bad };
}
