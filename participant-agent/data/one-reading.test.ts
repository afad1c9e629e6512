/** Training and scoring read a file through the same code: odd files must give both the same cells, or be refused by both. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { forEachBatch } from '#participant-agent/data/applicant-records.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { createRowReader } from '#models/scoring/row.ts';
import { dataContract } from '#shared/contract/contract.ts';
import { rowAt } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-one-reading-'));
afterAll(() => rmSync(folder, { recursive: true }));

const contract = dataContract.parse({
  v: 1,
  name: 'odd',
  target: { column: 'y', bad: '1', good: '0' },
  missingMarkers: ['NA', '?'],
  features: [
    { name: 'a', type: 'number', min: 0, max: 1 },
    { name: 'b', type: 'category', categories: ['x', '?', '1', "it's", '3" pipe', 'two\nlines'] },
    { name: 'c', type: 'number', min: 0, max: 9, notation: { decimal: ',', affix: '€' } },
    { name: 'd', type: 'number', min: 0, max: 9, derive: { difference: ['a', 'c'] } },
  ],
});

const number = fc.constantFrom(
  '1',
  '0.5',
  ' 2 ',
  '',
  'NA',
  '?',
  '1,5',
  '"1,5"',
  '1_0',
  '1e2',
  '+.5',
  '-0',
  '2 €',
  '"2,5 €"',
  'inf',
);
const level = fc.constantFrom(
  'x',
  '1',
  '1.0',
  '?',
  'NA',
  '',
  ' x',
  'X',
  "it's",
  '3" pipe',
  '"3"" pipe"',
  '"two\nlines"',
  'Total',
);
const outcome = fc.constantFrom('1', '0', '1.0', '0', '', '2');
const broken = fc.constantFrom('"', '"x"y', '"x');
const mostly = (cell: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 60, arbitrary: cell }, { weight: 1, arbitrary: broken });
const row = fc.tuple(outcome, mostly(number), mostly(level), mostly(number)).map((cells) => [...cells]);
const file = fc.record({
  rows: fc.array(row, { maxLength: 8 }),
  ends: fc.constantFrom(['\n'], ['\r\n'], ['\r'], ['\r\r\n'], ['\n', '\r\n'], ['\n\n'], ['\r', '\n']),
  delimiter: fc.constantFrom(',', ';', '\t', '|'),
  separatorLine: fc.boolean(),
  mark: fc.constantFrom('', '\ufeff'),
  trailing: fc.constantFrom('', 'rows', 'all'),
  footer: fc.constantFrom(undefined, 'Total', '(8 rows)', ';;;', ',,,'),
  lastEnd: fc.boolean(),
  zipped: fc.boolean(),
});

function textOf(f: typeof file extends fc.Arbitrary<infer F> ? F : never): string {
  const line = (cells: readonly string[], isHeader: boolean): string =>
    cells.join(f.delimiter) +
    (f.trailing === 'all' || (f.trailing === 'rows' && !isHeader) ? f.delimiter : '');
  const lines = [
    ...(f.separatorLine ? [`sep=${f.delimiter}`] : []),
    line(['y', 'a', 'b', 'c'], true),
    ...f.rows.map((cells) => line(cells, false)),
    ...(f.footer === undefined ? [] : [f.footer]),
  ];
  const text = lines
    .map((l, i) => l + (i < lines.length - 1 || f.lastEnd ? f.ends[i % f.ends.length]! : ''))
    .join('');
  return f.mark + text;
}

const attempt = async <T>(work: () => Promise<T>): Promise<T | FederationError> =>
  work().catch((error: unknown) => {
    if (error instanceof FederationError) return error;
    throw error;
  });

it('odd files are read alike in training and in scoring', async () => {
  let rows = 0;
  await fc.assert(
    fc.asyncProperty(file, async (given) => {
      const path = join(folder, 'odd.csv');
      writeFileSync(path, given.zipped ? gzipSync(textOf(given)) : textOf(given));
      const trained = await attempt(() => loadTable(path, contract, { extraColumns: ['a', 'b', 'c'] }));
      const reader = createRowReader(contract);
      const scored: { cells: readonly (string | null)[]; problem?: string | undefined }[] = [];
      const refused = await attempt(() =>
        forEachBatch(path, ['y', ...reader.columns], (batch) => {
          scored.push(...batch.filter(({ aside }) => aside === undefined));
          return Promise.resolve(true);
        }),
      );
      if (refused instanceof FederationError) {
        expect(trained).toBeInstanceOf(FederationError);
        return;
      }
      if (trained instanceof FederationError) {
        // training refuses the file at the first record that scoring keeps out
        expect(scored.some(({ problem }) => problem !== undefined)).toBe(true);
        return;
      }
      const used = scored.filter(({ cells }) => /^[01](\.0)?$/.test(cells[0] ?? ''));
      expect(trained.table.rowCount).toBe(used.length);
      expect(trained.report.rowsRead).toBe(scored.length);
      used.forEach(({ cells: [, ...cells] }, i) => {
        rows++;
        const inTraining = rowAt(trained.table, i, new Float64Array(4));
        const inScoring = new Float64Array(4);
        for (const [at, name] of ['a', 'b', 'c'].entries())
          expect(cells[at] || null).toBe(trained.extra[name]![i]);
        const problem = reader.readCells(cells, inScoring);
        if (problem === undefined) expect(inScoring).toEqual(inTraining);
        else expect(inTraining[['a', 'b', 'c', 'd'].indexOf(problem.column)]).toBeNaN();
      });
    }),
    { numRuns: 500 },
  );
  expect(rows).toBeGreaterThan(500);
}, 60_000);
