import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { wellFormedBatches, withDataSource } from '#participant-agent/data/data-source.ts';
import { inferContract } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-data-source-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Column names and all cells, row by row. */
async function readAll(path: string): Promise<{ columns: readonly string[]; rows: unknown[][] }> {
  return await withDataSource(path, async (source) => {
    const rows: unknown[][] = [];
    for await (const batch of wellFormedBatches(source, source.columns))
      rows.push(...batch.map(({ cells }) => [...cells]));
    return { columns: source.columns, rows };
  });
}

async function refusal(path: string): Promise<FederationError> {
  const error: unknown = await readAll(path).catch((e: unknown) => e);
  if (!(error instanceof FederationError))
    throw new Error(`expected a FederationError, got ${String(error)}`);
  expect(error.code).toBe('DATA_SOURCE');
  expect(error.message).toContain(path);
  return error;
}

describe('what a bank exports is read as it stands', () => {
  it('every cell is text: numbers, dates, NA and NULL are not guessed at', async () => {
    const { rows } = await readAll(write('text.csv', 'a,b,c\n01,2024-01-05,NA\n1e3,NULL,none\n'));
    expect(rows).toEqual([
      ['01', '2024-01-05', 'NA'],
      ['1e3', 'NULL', 'none'],
    ]);
  });

  it('a byte order mark, Windows line ends and Chinese headers', async () => {
    const { columns, rows } = await readAll(write('bom.csv', '\ufeff"企业名称",是否违约\r\n甲公司,否\r\n'));
    expect(columns).toEqual(['企业名称', '是否违约']);
    expect(rows).toEqual([['甲公司', '否']]);
  });

  it('any kind of line end, mixed ones too, and what copying in text mode makes of them', async () => {
    for (const ends of [['\n'], ['\r\n'], ['\r'], ['\r\r\n'], ['\r\n', '\n', '\r']]) {
      const lines = ['a,b', '1,2', '"x\ny",3', '4,'];
      const path = write('ends.csv', lines.map((line, i) => line + ends[i % ends.length]!).join(''));
      expect((await readAll(path)).rows, JSON.stringify(ends)).toEqual([
        ['1', '2'],
        ['x\ny', '3'],
        ['4', ''],
      ]);
    }
  });

  it('a first line that names the separator is none of the rows, nor the header', async () => {
    for (const [first, delimiter] of [
      ['sep=;', ';'],
      ['sep=,\r', ','],
      ['"sep=|"', '|'],
    ])
      expect(await readAll(write('sep.csv', `${first}\na${delimiter}b\n1${delimiter}2\n`))).toEqual({
        columns: ['a', 'b'],
        rows: [['1', '2']],
      });
  });

  it('a delimiter that ends every row but not the header is no cell of its own', async () => {
    expect((await readAll(write('trailing.csv', 'a,b\n1,2,\n3,4,\n'))).rows).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
  });

  it('quoted line breaks, delimiters and doubled quotes, in the header too', async () => {
    const { columns, rows } = await readAll(
      write('quoted.csv', '"a\nb","c,d"\n"x\r\ny","say ""hi"", twice"\n'),
    );
    expect(columns).toEqual(['a\nb', 'c,d']);
    expect(rows).toEqual([['x\r\ny', 'say "hi", twice']]);
  });

  it.each([
    ['comma', ','],
    ['semicolon', ';'],
    ['tab', '\t'],
    ['bar', '|'],
  ])('a file delimited by %s', async (name, delimiter) => {
    const lines = [
      ['loan amount', 'purpose'],
      ['1,5', 'car; used'],
      ['2', 'a|b'],
    ];
    const text = lines
      .map((cells) => cells.map((c) => (c.includes(delimiter) ? `"${c}"` : c)).join(delimiter))
      .join('\n');
    const { columns, rows } = await readAll(write(`${name}.csv`, text));
    expect([columns, ...rows]).toEqual(lines);
  });

  it('gzip is recognised by its bytes, whatever the file is called', async () => {
    const packed = gzipSync('a,b\n1,2\n');
    for (const name of ['packed.csv.gz', 'packed.csv']) {
      expect((await readAll(write(name, packed))).rows).toEqual([['1', '2']]);
    }
  });

  it('a path with quotes, blanks and glob characters names one file', async () => {
    mkdirSync(join(folder, "it's a=b [1]"), { recursive: true });
    write("it's a=b [1]/q1.csv", 'a\nwrong\n');
    const path = write("it's a=b [1]/q[1]* ?.csv", 'a\nright\n');
    expect(await readAll(path)).toEqual({ columns: ['a'], rows: [['right']] });
  });

  it('columns that differ in case only stay apart', async () => {
    const { columns, rows } = await readAll(write('case.csv', 'Age,age\n1,2\n'));
    expect(columns).toEqual(['Age', 'age']);
    expect(rows).toEqual([['1', '2']]);
  });

  it('well-formed cells of any content come back unchanged', async () => {
    const cell = fc.string({
      unit: fc.constantFrom(
        'a',
        '7',
        '.',
        ' ',
        '"',
        ',',
        ';',
        '\n',
        '\r',
        '\t',
        '|',
        '#',
        "'",
        '\\',
        '中',
        '😀',
      ),
    });
    const table = fc
      .integer({ min: 1, max: 4 })
      .chain((width) =>
        fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 12 }),
      );
    await fc.assert(
      fc.asyncProperty(table, async (cells) => {
        const header = cells[0]!.map((_, j) => `column ${j}`);
        const text = [header, ...cells]
          .map((row) => row.map((c) => `"${c.replaceAll('"', '""')}"`).join(','))
          .join('\n');
        const { columns, rows } = await readAll(write('any.csv', `${text}\n`));
        expect(columns).toEqual(header);
        expect(rows.map((row) => row.map((c) => c ?? ''))).toEqual(cells);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a Parquet file reads like the CSV of the same rows', () => {
  it('typed cells become text, and NaN becomes a missing cell', async () => {
    const path = join(folder, "o'ne.parquet");
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run(
      `COPY (SELECT 7::INTEGER AS i, 0.1::DOUBLE AS d, 'nan'::DOUBLE AS n, 'x''y' AS "文本", DATE '2024-01-05' AS day, true AS b,
       12.50::DECIMAL(8,2) AS m, NULL::VARCHAR AS e) TO '${path.replaceAll("'", "''")}' (FORMAT parquet)`,
    );
    connection.closeSync();
    instance.closeSync();
    expect(await readAll(path)).toEqual({
      columns: ['i', 'd', 'n', '文本', 'day', 'b', 'm', 'e'],
      rows: [['7', '0.1', null, "x'y", '2024-01-05', 'true', '12.50', null]],
    });
  });

  it('a damaged one is refused', async () => {
    expect((await refusal(write('bad.parquet', 'PAR1 not really PAR1'))).message).toMatch(/damaged Parquet/);
  });
});

describe('what cannot be read is refused, with the file, the line and what to do', () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ['an empty file', '', /empty file/],
    ['a file of blanks', ' \n\n', /empty file/],
    ['a blank first line', '\na,b\n1,2\n', /column names on line 1/],
    ['a header whose quote is never closed', '"a,b\n1,2\n', /column names on line 1/],
    ['a row with too many cells', 'a,b\n1,2\n1,2,3\n', /line 3: expected 2 cells as in the header, found 3/],
    ['a row with too few cells', 'a,b\n1,2\n1\n', /line 3: expected 2 cells as in the header, found 1/],
    [
      'a quote that is never closed',
      'a,b\n1,"2\n3,4\n',
      /line 2: .*a quote that is opened there and never closed/,
    ],
    ['text after a closing quote', 'a,b\n1,"2"3\n', /line 2: text follows the closing quote/],
    ['a row of three megabytes', `a,b\n${'x'.repeat(3_000_000)},2\n`, /line 2: .*a row longer than 2 MB/],
    ['a national code page', Uint8Array.of(97, 44, 98, 10, 49, 44, 0xd6, 0xd0, 10), /line 2: expected UTF-8/],
    [
      'a header in a national code page',
      Uint8Array.of(0xd6, 0xd0, 44, 98, 10, 49, 44, 50, 10),
      /expected UTF-8/,
    ],
    ['UTF-16', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), /UTF-16/],
    ['binary garbage', Uint8Array.from({ length: 3000 }, (_, i) => (i * 7919) % 256), /zero bytes/],
    ['an Excel workbook', 'PK\u0003\u0004…', /Excel workbook/],
  ])('%s', async (name, content, expected) => {
    expect((await refusal(write(`${name}.csv`, content))).message).toMatch(expected);
  });

  it('a missing file and a directory', async () => {
    expect((await refusal(join(folder, 'nowhere.csv'))).message).toMatch(/does not exist/);
    expect((await refusal(folder)).message).toMatch(/a directory/);
  });

  it('a gzip file cut short, though its beginning reads well', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => `${i},${(i * 7919) % 10_007}`);
    const packed = gzipSync(`a,b\n${rows.join('\n')}\n`);
    expect((await refusal(write('cut.csv.gz', packed.subarray(0, packed.length - 5000)))).message).toMatch(
      /incomplete gzip/,
    );
  });

  it('two columns of the name that is asked for', async () => {
    expect((await refusal(write('twice.csv', 'a,b,a\n1,2,3\n'))).message).toMatch(
      /one column "a", found two/,
    );
  });

  it('the refusal never repeats the row, not even in its cause', async () => {
    const secret = 'Zhang San';
    for (const row of [
      `${secret},1,2`,
      `"${secret}"x,1`,
      `"${secret},1`,
      `Expected Number of Columns: 9 Found: ${secret}`,
    ]) {
      const path = write('secret.csv', `name,b\nx,1\n${row}\n`);
      const error = await refusal(path);
      expect(error.message).not.toContain(secret);
      expect(error.message.replace(path, '')).not.toContain('9');
      expect(error.cause).toBeUndefined();
    }
  });
});

describe('any bytes at all', () => {
  const contract: DataContract = {
    v: 1,
    name: 'fuzz',
    target: { column: 'y', bad: '1' },
    features: [
      { name: 'a', type: 'number', min: 0, max: 1, scale: 'linear', missing: 'allowed' },
      { name: 'b', type: 'category', categories: ["it's", '1', '1.0', ' ', '\0'], missing: 'allowed' },
    ],
  };
  const text = fc
    .string({
      unit: fc.constantFrom(
        '1',
        '0',
        '.',
        '-',
        'x',
        '"',
        ',',
        ';',
        '\n',
        '\r',
        '\t',
        ' ',
        "'",
        '_',
        '1e400',
        'nan',
        '中',
        '\0',
        '\ufeff',
      ),
    })
    .map((body) => `y,a,b\n${body}`);
  const oddCell = fc.constantFrom(
    '1',
    '1.0',
    '0',
    '',
    ' ',
    'x',
    "it's",
    '-1e999',
    'nan',
    '1_0',
    '"',
    '\n',
    '\0',
    '2024-01-05',
    '中',
  );
  const regular = fc
    .array(fc.tuple(oddCell, oddCell, oddCell), { maxLength: 40 })
    .map((rows) =>
      ['y,a,b', ...rows.map((row) => row.map((c) => `"${c.replaceAll('"', '""')}"`).join(','))].join('\n'),
    );
  const bytes = fc.oneof(
    regular.map((t) => Buffer.from(t)),
    text.map((t) => Buffer.from(t)),
    text.map((t) => gzipSync(t)),
    fc.string({ unit: 'binary' }).map((t) => Buffer.from(t)),
    fc.uint8Array({ maxLength: 400 }),
    fc
      .uint8Array({ maxLength: 100 })
      .map((tail) => Buffer.concat([Buffer.from('PAR1'), tail, Buffer.from('PAR1')])),
    fc.uint8Array({ maxLength: 100 }).map((tail) => Buffer.concat([Buffer.from('y,a,b\n1,0.5,x\n0,'), tail])),
  );

  it('are loaded or refused with a FederationError, never otherwise', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        const path = write('fuzz.csv', content);
        const attempts = [
          () => loadTable(path, contract, { extraColumns: ['b'] }),
          () => inferContract(path, { target: 'y', bad: '1' }),
        ];
        for (const attempt of attempts) {
          const error: unknown = await attempt().then(
            () => undefined,
            (e: unknown) => e,
          );
          if (error !== undefined && !(error instanceof FederationError)) throw error;
        }
      }),
      { numRuns: 80 },
    );
  }, 60_000);
});
