import { describe, expect, test } from 'vitest';
import { assertKeptBack, keptBackMax } from '#models/rows/kept-back.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import { fewCells, thinFileContract } from '#models/testing/tied-rows.ts';
import type { NumberFeature } from '#shared/contract/contract.ts';
import { concatTables, countBads, selectRows, type Table } from '#shared/contract/table.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const outcomes = (table: Table) => ({ rows: table.rowCount, bads: countBads(table) });

/** Every bank has the same rows: one bad and three goods in each of so many cells. */
function copies(banks: number, cells: number): Table[] {
  const feature = thinFileContract.features[0] as NumberFeature;
  const values = Float64Array.from({ length: 4 * cells }, (_, i) => i >> 2);
  const bad = Uint8Array.from(values, (_, i) => (i % 4 === 0 ? 1 : 0));
  return Array.from({ length: banks }, () => ({
    ...{ rowCount: values.length, bad },
    columns: [{ feature, values }],
  }));
}

describe('the rows kept back', () => {
  test.each([
    ['of one bank of few cells', [fewCells()], 1],
    ['of ten banks that have copies of each other', copies(10, 300), 10],
    ['of fifty such banks with ten cells', copies(50, 10), 50],
  ])('%s are believed, whatever the seed', (_, banks, participants) => {
    const all = concatTables(banks);
    for (let i = 0; i < 100; i++) {
      const { training, holdout } = splitByKey(all, 0.2, `seed ${i}`);
      const draw = { holdoutFraction: 0.2, participants };
      expect(() => assertKeptBack(outcomes(holdout.table), outcomes(training.table), draw)).not.toThrow();
    }
  });

  test('are not believed where whole cells were kept back by their outcome', () => {
    const book = fewCells();
    const { codes } = book.columns[0] as { codes: Uint16Array };
    // all bads of A: 300 of 400
    const rows = (isHeld: boolean) =>
      selectRows(
        book,
        Uint32Array.from([...codes.keys()].filter((i) => (codes[i] === 1 && book.bad[i] === 1) === isHeld)),
      );
    const draw = { holdoutFraction: 0.2, participants: 3 };
    expect(() => assertKeptBack(outcomes(rows(true)), outcomes(rows(false)), draw)).toThrow(
      /expected 20\.0 % ± 28\.\d % of all banks' bads .* got 75\.0 %: .* same version/,
    );
  });

  test('of one bank are no more than the most there can be, though they come in pairs', () => {
    const generator = new SeededGenerator('pairs');
    for (const rows of [1, 2, 10, 100, 1000]) {
      const most = keptBackMax(rows, 0.2);
      expect(most).toBeLessThanOrEqual(rows);
      for (let i = 0; i < 2000; i++) {
        let kept = 0;
        for (let pair = 0; pair < rows / 2; pair++) if (generator.nextUnit() < 0.2) kept += 2;
        expect(Math.min(kept, rows)).toBeLessThanOrEqual(most);
      }
    }
  });
});
