/**
 * For tests: rows of made-up borrowers whose true log-odds of default are known, with missing and special
 * values, ties, a value outside its range and a category nobody declared.
 */
import { dataContract } from '#shared/contract/contract.ts';
import { selectRows, type Column, type Table } from '#shared/contract/table.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';

export const lenderContract = dataContract.parse({
  v: 1,
  name: 'made-up lenders',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'utilisation', type: 'number', min: 0, max: 1.5, monotone: 'increasing' },
    { name: 'months', type: 'number', min: 0, max: 400, special: [-1] },
    { name: 'income', type: 'number', min: 0, max: 1e6, scale: 'log' },
    { name: 'sector', type: 'category', categories: ['shop', 'farm', 'factory', 'office', 'mine'] },
    { name: 'noise', type: 'number', min: -4, max: 4 },
    { name: 'constant', type: 'number', min: 0, max: 1 },
  ],
});

const SECTOR_RISK = [0, 0.2, 0.7, -0.6, 0.3, -0.2, 0.4];

export function madeUpLender(rows: number, seed: string): Table {
  const generator = new SeededGenerator('made-up lender', seed);
  const u = () => generator.nextUnit();
  const cells = lenderContract.features.map(() => [] as number[]);
  const bad = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    const utilisation = u() < 0.04 ? NaN : Math.round(u() * 130) / 100;
    const months = u() < 0.07 ? -1 : Math.floor(u() * u() * 420);
    const income = u() < 0.1 ? NaN : Math.round(Math.exp(6 + 3 * (u() + u())));
    const sector = Math.min(6, Math.floor(u() * u() * 6.3));
    const noise = u() + u() + u() - 1.5;
    const z =
      -2.4 +
      1.8 * (Number.isNaN(utilisation) ? 0.9 : utilisation) -
      (months === -1 ? -0.8 : 0.004 * months) -
      (Number.isNaN(income) ? -0.3 : 0.35 * (Math.log1p(income) - 9)) +
      SECTOR_RISK[sector]!;
    bad[i] = u() < 1 / (1 + Math.exp(-z)) ? 1 : 0;
    [utilisation, months, income, sector, noise, 0.5].forEach((value, j) => cells[j]!.push(value));
  }
  const columns = lenderContract.features.map((feature, j) =>
    feature.type === 'number'
      ? { feature, values: Float64Array.from(cells[j]!) }
      : { feature, codes: Uint16Array.from(cells[j]!) },
  ) as Column[];
  return { rowCount: rows, columns, bad };
}

/** The rows in another order, dealt out unevenly. */
export function dealtOut(table: Table, banks: number): Table[] {
  const order = new SeededGenerator('dealt out', banks).shuffle(range(table.rowCount));
  const share = (i: number) =>
    Math.floor(((i / table.rowCount) * Math.sqrt(i / table.rowCount) + 1e-9) * banks);
  return Array.from({ length: banks }, (_, b) =>
    selectRows(
      table,
      order.filter((_, i) => share(i) === b),
    ),
  );
}
