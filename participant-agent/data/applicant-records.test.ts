import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forEachBatch } from '#participant-agent/data/applicant-records.ts';
import type { DataRecord } from '#participant-agent/data/data-source.ts';
import { csvRecords, type FileRecord } from '#participant-agent/data/csv-records.ts';
import { readFileHead } from '#participant-agent/data/file-head.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { createRowReader } from '#models/scoring/row.ts';
import { dataContract } from '#shared/contract/contract.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'records-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function fileOf(content: string | Uint8Array, name = 'rows.csv'): Promise<string> {
  const path = join(folder, `${files++}-${name}`);
  await writeFile(path, content);
  return path;
}

async function recordsOf(path: string, columns = ['a', 'b']): Promise<DataRecord[]> {
  const records: DataRecord[] = [];
  await forEachBatch(path, columns, (batch) => {
    records.push(...batch);
    return Promise.resolve(true);
  });
  return records;
}

/** Line, then cells or the problem. */
async function read(content: string | Uint8Array, columns?: string[]): Promise<unknown[][]> {
  const records = await recordsOf(await fileOf(content), columns);
  return records.map(({ line, cells, problem }) => [line, ...(problem === undefined ? cells : [problem])]);
}

describe('the records of a CSV file', () => {
  test('come with their lines, in the order of the columns asked for', async () => {
    expect(await read('a,x,b\n1,2,3\n4,5,6\n', ['b', 'a'])).toEqual([
      [2, '3', '1'],
      [3, '6', '4'],
    ]);
  });

  test('may end in \\r\\n or with the file, be zipped, and begin with a byte order mark', async () => {
    const expected = [
      [2, '1', '2'],
      [3, '3', '4'],
    ];
    expect(await read('a;b\r\n1;2\r\n3;4')).toEqual(expected);
    expect(await read(gzipSync('a\tb\n1\t2\n3\t4\n'))).toEqual(expected);
    expect(await read('\ufeffa,b\n1,2\n3,4')).toEqual(expected);
  });

  test('hold delimiters, quotes and line ends inside quotes, and lines are still counted right', async () => {
    const content = 'a,b\n"x, ""y""","two\nlines\r\nor three"\n  "quoted",plain\n12" pipe,"" \n\n5,6\n';
    expect(await read(content)).toEqual([
      [2, 'x, "y"', 'two\nlines\r\nor three'],
      [5, 'quoted', 'plain'],
      [6, '12" pipe', ''],
      [8, '5', '6'],
    ]);
  });

  test('that are not what the header says are problems of their own line, not of the file', async () => {
    expect(await read('a,b\n1\n1,2,3\n"x"y,2\n5,6\n')).toEqual([
      [2, 'expected 2 cells as in the header, found 1'],
      [3, 'expected 2 cells as in the header, found 3'],
      [4, 'text follows the closing quote of a cell'],
      [5, '5', '6'],
    ]);
  });

  test('are the same however the file falls into pieces', async () => {
    const cell = fc.constantFrom('', 'a', '12" b', '"q"', '"x,\n""é"""', '"x"y', ' "s" ', 'é\t', '"\r\n"');
    const line = fc.tuple(
      fc.array(cell, { minLength: 1, maxLength: 3 }),
      fc.constantFrom('\n', '\r\n', '\n\n'),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 6 }),
        fc.integer({ min: 1, max: 9 }),
        async (lines, chunkBytes) => {
          const path = await fileOf(`a,b\n${lines.map(([cells, end]) => cells.join(',') + end).join('')}`);
          const head = await readFileHead(path);
          const records = async (size?: number) => {
            const all: FileRecord[] = [];
            for await (const batch of csvRecords(path, head, size)) all.push(...batch);
            return all;
          };
          expect(await records(chunkBytes)).toEqual(await records());
        },
      ),
      { numRuns: 150 },
    );
  });

  test('are read on beyond the first piece of the file', async () => {
    // longer than a megabyte, with quotes and wide characters
    const rows = Array.from({ length: 60_000 }, (_, i) => [`é"${i}\n`, `${i}`]);
    const quoted = rows.map(([a, b]) => `"${a!.replaceAll('"', '""')}",${b}`).join('\n');
    const records = await recordsOf(await fileOf(`a,b\n${quoted}\n`));
    expect(records).toHaveLength(60_000);
    expect(records.every(({ cells }, i) => cells[0] === rows[i]![0] && cells[1] === rows[i]![1])).toBe(true);
    expect(records.at(-1)!.line).toBe(2 + 2 * 59_999);
  });

  test('survive a trip through quoting whatever is in them', async () => {
    const cell = fc.string({
      unit: fc.constantFrom('a', ' ', ',', ';', '"', '\n', '\r\n', 'é', '1'),
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), async (rows) => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const content = `a,b\n${rows.map((row) => row.map(quote).join(',')).join('\n')}\n`;
        const records = await recordsOf(await fileOf(content));
        expect(records.map(({ cells }) => [...cells])).toEqual(rows);
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ['a quote that is never closed', 'a,b\n1,2\n"3,4\n5,6\n', /line 3.*never closed/],
    ['bytes that are not UTF-8', Buffer.from('a,b\n1,\xff\n', 'latin1'), /UTF-8/],
  ])('cannot be read on after %s, and the message says where', async (_what, content, message) => {
    const error = { code: 'DATA_SOURCE', message: expect.stringMatching(message) as string };
    await expect(recordsOf(await fileOf(content))).rejects.toMatchObject(error);
  });

  test('need the columns asked for, each once', async () => {
    await expect(recordsOf(await fileOf('A,b\n1,2\n'))).rejects.toMatchObject({
      code: 'CONTRACT',
      message: expect.stringContaining('"a" (nearest: "A")') as string,
    });
    await expect(recordsOf(await fileOf('a,b,a\n1,2,3\n'))).rejects.toMatchObject({ code: 'DATA_SOURCE' });
  });

  test('are not read beyond what is wanted', async () => {
    let batches = 0;
    const path = await fileOf(`a,b\n${'1,2\n'.repeat(1_000_000)}`);
    await forEachBatch(path, ['a'], () => Promise.resolve(++batches < 2));
    expect(batches).toBe(2);
  });
});

test('records of a Parquet file are its rows, as texts', async () => {
  const path = join(folder, 'rows.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(
    `COPY (SELECT i::DOUBLE / 2 AS a, CASE WHEN i = 1 THEN NULL ELSE 'b' || i END AS b FROM range(3000) t(i)) TO '${path}' (FORMAT parquet)`,
  );
  connection.closeSync();
  instance.closeSync();
  const records = await recordsOf(path);
  expect(records).toHaveLength(3000);
  expect(records.slice(0, 3).map(({ line, cells }) => [line, ...cells])).toEqual([
    [1, '0.0', 'b0'],
    [2, '0.5', null],
    [3, '1.0', 'b2'],
  ]);
  expect(records.at(-1)).toMatchObject({ line: 3000, cells: ['1499.5', 'b2999'] });
});

test('scoring reads a cell as training does', async () => {
  const contract = dataContract.parse({
    v: 1,
    name: 'same',
    target: { column: 'bad', bad: '1' },
    features: [
      { name: 'number', type: 'number', min: 0, max: 1 },
      { name: 'level', type: 'category', categories: ['1', '02', 'x y', '3.0', ' p'] },
      { name: 'ratio', type: 'number', min: 0, max: 9, derive: { ratio: ['number', 'divisor'] } },
    ],
  });
  const numbers = [
    '1',
    ' 2.5 ',
    '-3e2',
    '+4',
    '.5',
    '6.',
    '',
    '  ',
    '\u00a07',
    '0x10',
    '1_0',
    '1,5',
    'inf',
    'nan',
    '1e999',
    'NA',
    '1e-400',
  ];
  const levels = [
    '1',
    '1.0',
    '01',
    '02',
    '2',
    'x y',
    ' x y\u3000',
    'X Y',
    '3',
    '3.0',
    '3.00',
    'p',
    '',
    ' ',
    'NULL',
    '-1',
    '1.',
  ];
  const quote = (text: string) => `"${text}"`;
  const lines = numbers.map((text, i) =>
    [quote(text), quote(levels[i]!), i % 2, i % 3 === 2 ? '' : i % 3].join(','),
  );
  const path = await fileOf(`number,level,bad,divisor\n${lines.join('\n')}\n`);
  const { table } = await loadTable(path, contract);
  const { columns, readCells } = createRowReader(contract);
  expect(columns).toEqual(['number', 'level', 'divisor']);
  const records = await recordsOf(path, [...columns]);
  const [number, level, ratio] = table.columns as unknown as [
    { values: Float64Array },
    { codes: Uint16Array },
    { values: Float64Array },
  ];
  expect(table.rowCount).toBe(numbers.length);
  let read = 0;
  records.forEach(({ cells }, i) => {
    const row = new Float64Array(3);
    // what training counts as invalid and takes for missing is a problem here
    if (readCells(cells, row) === undefined) {
      expect([row[0], row[2]], numbers[i]).toEqual([number.values[i], ratio.values[i]]);
      read++;
    } else expect(number.values[i]).toBeNaN();
    readCells(['1', cells[1]!, '1'], row);
    expect(row[1], levels[i]).toBe(level.codes[i]);
  });
  expect(read).toBe(10);
});
