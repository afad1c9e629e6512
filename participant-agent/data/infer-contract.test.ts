import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { tidyOutward } from '#participant-agent/data/decide-feature.ts';
import { inferContract, type InferOptions } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { dataContract, type Feature } from '#shared/contract/contract.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-infer-contract-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of `rows` rows with an outcome, 1 in every tenth row, and one column. */
function write(column: string, cell: (i: number) => string | number, rows = 400): string {
  const path = join(folder, 'one.csv');
  const lines = Array.from(
    { length: rows },
    (_, i) => `${i % 10 === 0 ? 1 : 0},${cell(i)},${(i * 37) % 101}.5`,
  );
  writeFileSync(path, [`y,${column},other`, ...lines].join('\n'));
  return path;
}

/** What becomes of the column, and what is said about it. */
async function infer(
  column: string,
  cell: (i: number) => string | number,
  rows?: number,
): Promise<{ feature?: Feature; notes: string }> {
  const { contract, notes } = await inferContract(write(column, cell, rows), { target: 'y', bad: '1' });
  const feature = contract.features.find((f) => f.name === column);
  return { ...(feature && { feature }), notes: notes.filter((n) => n.startsWith(`${column}: `)).join(' ') };
}

describe('numbers', () => {
  it('range over the observed values, widened to two digits', async () => {
    const { feature } = await infer('balance', (i) => -943 + i * 16.77);
    expect(feature).toEqual({
      name: 'balance',
      type: 'number',
      min: -950,
      max: 5800,
      scale: 'linear',
      missing: 'allowed',
    });
  });

  it('one percent of cells may be something else, and is mentioned', async () => {
    expect(await infer('x', (i) => (i < 4 ? 'abc' : i + 0.5))).toMatchObject({
      feature: { type: 'number' },
      notes: 'x: 4 cells are not a number and will count as missing.',
    });
    expect((await infer('x', (i) => (i < 5 ? 'abc' : i + 0.5))).feature).toBeUndefined();
  });

  it('heavy-tailed amounts train on the log scale; years, codes and small counts do not', async () => {
    expect((await infer('amount', (i) => i + 1 + (i % 50 === 0 ? 900_000 : 0.5))).feature).toMatchObject({
      scale: 'log',
    });
    expect(
      (await infer('signed', (i) => (i % 2 === 0 ? -1 : 1) * (i % 60 === 7 ? 4e6 + i : i + 0.5))).feature,
    ).toMatchObject({ scale: 'log' });
    expect((await infer('delinquencies', (i) => (i % 10 === 0 ? i / 10 : 0))).feature).toMatchObject({
      scale: 'linear',
    });
    expect(await infer('approved', (i) => 1972 + (i % 35))).toMatchObject({
      feature: { min: 1970, max: 2010, scale: 'linear' },
      notes: expect.stringContaining('year') as string,
    });
    expect(await infer('zip', (i) => 501 + i * i * 3)).toMatchObject({
      feature: { scale: 'linear' },
      notes: expect.stringContaining('code') as string,
    });
    expect((await infer('industry', (i) => 110_000 + ((i * 37) % 300) * 2000)).notes).toContain(
      'looks like a code',
    );
  });

  it('seven to twelve whole numbers stay a number, with a note; six are categories', async () => {
    expect(await infer('k', (i) => i % 7)).toMatchObject({
      feature: { type: 'number' },
      notes: expect.stringContaining('7 different') as string,
    });
    expect((await infer('k', (i) => `${i % 6}.0`)).feature).toMatchObject({
      categories: ['0', '1', '2', '3', '4', '5'],
    });
  });

  it('a tidy number has two digits and lies outward of the value', () => {
    expect([5744, 0.0557, 99.1, 100, 30_000].map((x) => tidyOutward(x, 'up'))).toEqual([
      5800, 0.056, 100, 100, 30_000,
    ]);
    expect([5744, -943, -0.3, 0].map((x) => tidyOutward(x, 'down'))).toEqual([5700, -950, -0.3, 0]);
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const [low, high] = [tidyOutward(x, 'down'), tidyOutward(x, 'up')];
        expect(low <= x && x <= high).toBe(true);
        if (Math.abs(x) > 1e-300 && Math.abs(x) < 1e300)
          expect(high - low).toBeLessThanOrEqual(Math.abs(x) * 0.101);
      }),
    );
  });
});

describe('categories', () => {
  it('levels come most frequent first, then in code-unit order; rare ones become "other"', async () => {
    const { feature, notes } = await infer('sector', (i) =>
      i < 200 ? '零售' : i < 299 ? 'b' : i < 398 ? 'a' : i === 398 ? 'rare 1' : 'rare 2',
    );
    expect(feature).toEqual({
      name: 'sector',
      type: 'category',
      categories: ['零售', 'a', 'b'],
      missing: 'allowed',
    });
    expect(notes).toBe(
      'sector: taken as a category of 3 values; its cells are texts. sector: 2 rarer values become "other" (0.5 % of its cells).',
    );
  });

  it('at most sixty levels are kept, unless too many rows would be left with none', async () => {
    const { feature, notes } = await infer('branch', (i) => `branch ${i % 70}`, 1400);
    expect(feature).toMatchObject({ categories: { length: 60 } });
    expect(notes).toContain('10 rarer values become "other" (14.3 % of its cells)');
    expect((await infer('branch', (i) => `branch ${i % 80}`, 1600)).feature).toBeUndefined();
  });

  it('a flag that is either set or missing is a category of one level', async () => {
    expect((await infer('flag', (i) => (i % 3 === 0 ? 'Y' : ''))).feature).toMatchObject({
      categories: ['Y'],
    });
  });
});

describe('columns that are no features are left out with the reason', () => {
  it.each<[string, (i: number) => string | number, RegExp]>([
    ['empty', () => '', /it is empty/],
    ['constant', () => 'CNY', /same value/],
    ['loan_number', (i) => `L-${i}`, /identifier/],
    ['id', (i) => i + 1, /identifier/],
    ['account', (i) => 6_222_000_000 + i * 7919, /identifier/],
    ['phone', (i) => 13_800_000_000 + ((i * 7919) % 300) * 31, /identifier/],
    ['opened', (i) => `2019-${1 + (i % 12)}-${1 + (i % 28)}`, /date/],
    ['opened_cn', (i) => `2019年${1 + (i % 12)}月${1 + (i % 28)}日`, /date/],
    ['opened_us', (i) => `${1 + (i % 12)}/${1 + (i % 28)}/2019`, /date/],
    ['opened_sas', (i) => `${1 + (i % 28)}-Feb-${10 + (i % 9)}`, /date/],
    ['opened_compact', (i) => 20_190_100 + 1 + (i % 28), /date/],
    ['city', (i) => `city ${i % 190}`, /too few rows share a value/],
  ])('%s', async (column, cell, reason) => {
    const { feature, notes } = await infer(column, cell);
    expect(feature).toBeUndefined();
    expect(notes).toMatch(reason);
  });

  it('whole amounts that happen to be all different are not taken for an identifier', async () => {
    expect((await infer('revenue', (i) => 900 + i * i * 31)).feature).toMatchObject({ type: 'number' });
  });
});

describe('what the user names', () => {
  const cell = (i: number): number => (i % 40) + 0.5;

  it('unknown columns are usage errors with the nearest name', async () => {
    const path = write('loan_amount', cell);
    await expect(inferContract(path, { target: 'Y', bad: '1' })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('nearest: "y"') as string,
    });
    await expect(inferContract(path, { target: 'y', bad: '1', exclude: ['loanamount'] })).rejects.toThrow(
      /nearest: "loan_amount"\); exclude/,
    );
    await expect(inferContract(path, { target: 'y', bad: '1', exclude: ['y'] })).rejects.toMatchObject({
      code: 'USAGE',
    });
  });

  it('an outcome that never occurs is a usage error that lists the ones that do', async () => {
    const path = write('x', cell);
    await expect(inferContract(path, { target: 'y', bad: 'default' })).rejects.toThrow(
      /column "y": expected "default" in some rows, found "0" \(360 rows\), "1" \(40 rows\)/,
    );
    await expect(inferContract(path, { target: 'y', bad: '1', good: 'paid' })).rejects.toMatchObject({
      code: 'USAGE',
    });
    await expect(inferContract(path, { target: 'other', bad: '-1' })).rejects.toThrow(/many other values/);
  });

  it('a file without rows and a file without features are refused', async () => {
    const path = join(folder, 'none.csv');
    writeFileSync(path, 'y,x\n');
    await expect(inferContract(path, { target: 'y', bad: '1' })).rejects.toMatchObject({
      code: 'DATA_SOURCE',
    });
    writeFileSync(path, 'y,x\n1,\n0,\n');
    await expect(inferContract(path, { target: 'y', bad: '1' })).rejects.toMatchObject({ code: 'CONTRACT' });
  });

  it('a target whose name is too long for a contract is a usage error', async () => {
    const path = join(folder, 'long.csv');
    const target = 'y'.repeat(129);
    writeFileSync(
      path,
      `${target},x\n${Array.from({ length: 60 }, (_, i) => `${i % 2},${i}.5`).join('\n')}\n`,
    );
    await expect(inferContract(path, { target, bad: '1' })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(inferContract(path, { target, bad: '1e999' })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('protected grounds are pointed out, and the name defaults to the file name', async () => {
    const { contract, notes } = await inferContract(write('age', cell), { target: 'y', bad: '1' });
    expect(contract.name).toBe('one');
    expect(notes).toContain(
      'age: may be a protected ground; check whether the law lets it decide on credit.',
    );
  });
});

/** Public data sets, as for `npm run results`. */
const data = process.env['TALLYSTICK_DATA'];
describe.skipIf(data === undefined)('the public data sets in TALLYSTICK_DATA', () => {
  const sbaLeaks = [
    'LoanNr_ChkDgt',
    'ChgOffDate',
    'ChgOffPrinGr',
    'DisbursementDate',
    'DisbursementGross',
    'Term',
    'Bank',
  ];
  it.each<[string, InferOptions, { features: number; leftOut: string[]; rows: number; bad: number }]>([
    [
      'german_credit.csv',
      { target: 'creditability', bad: 'bad', good: 'good' },
      { features: 20, leftOut: [], rows: 1000, bad: 300 },
    ],
    [
      'sba_national_natural.csv.gz',
      { target: 'MIS_Status', bad: 'CHGOFF', exclude: sbaLeaks },
      { features: 15, leftOut: ['City', 'ApprovalDate'], rows: 22_308, bad: 4693 },
    ],
    [
      'taiwan_default.csv.gz',
      { target: 'default.payment.next.month', bad: '1' },
      { features: 23, leftOut: ['ID'], rows: 30_000, bad: 6636 },
    ],
    [
      'hmeq.csv',
      { target: 'BAD', bad: '1', good: '0' },
      { features: 12, leftOut: [], rows: 5960, bad: 1189 },
    ],
    [
      'polish_bankruptcy_1year.csv.gz',
      { target: 'class', bad: '1' },
      { features: 64, leftOut: [], rows: 7027, bad: 271 },
    ],
    [
      'cumcm2020c_firms.csv',
      { target: '是否违约', bad: '是', good: '否' },
      { features: 30, leftOut: ['企业代号', '企业名称'], rows: 123, bad: 27 },
    ],
  ])(
    '%s: the draft leaves out what is no feature, and its own file passes the check',
    async (file, options, expected) => {
      const { contract, notes } = await inferContract(join(data!, file), options);
      expect(dataContract.parse(contract)).toEqual(contract);
      expect(contract.features).toHaveLength(expected.features);
      const leftOut = notes.filter((n) => n.includes(': left out')).map((n) => n.slice(0, n.indexOf(':')));
      expect(leftOut).toEqual(expected.leftOut);
      const { report } = await loadTable(join(data!, file), contract);
      expect(report).toMatchObject({ passed: true, rowsUsed: expected.rows, badCount: expected.bad });
      for (const feature of report.features)
        if (feature.type === 'number')
          expect(feature.belowMin + feature.aboveMax).toBeLessThanOrEqual(0.01 * expected.rows);
    },
  );
});

describe('how the cells of a column are written', () => {
  const amount = (i: number): number => Math.round(100 * (900 + ((i * 7919) % 4001) * 1.37)) / 100;
  const grouped = (text: string, separator: string): string =>
    text.replaceAll(/\B(?=(\d{3})+(?!\d))/g, separator);
  const parts = (i: number): [string, string] => amount(i).toFixed(2).split('.') as [string, string];
  const quoted = (text: string): string => `"${text}"`;

  it.each<[string, (i: number) => string, object]>([
    ['decimal commas', (i) => quoted(parts(i).join(',')), { decimal: ',' }],
    [
      'commas between thousands',
      (i) => quoted(`${grouped(parts(i)[0], ',')}.${parts(i)[1]}`),
      { thousands: ',' },
    ],
    [
      'points between thousands and decimal commas',
      (i) => quoted(`${grouped(parts(i)[0], '.')},${parts(i)[1]}`),
      { decimal: ',', thousands: '.' },
    ],
    [
      'blanks between thousands',
      (i) => `${grouped(parts(i)[0], '\u00a0')}.${parts(i)[1]}`,
      { thousands: ' ' },
    ],
    [
      'apostrophes between thousands',
      (i) => `${grouped(parts(i)[0], "'")}.${parts(i)[1]}`,
      { thousands: "'" },
    ],
    [
      'a currency',
      (i) => quoted(`$${grouped(parts(i)[0], ',')}.${parts(i)[1]}`),
      { thousands: ',', affix: '$' },
    ],
    ['a unit', (i) => `${amount(i)}万元`, { affix: '万元' }],
  ])('%s are recognised, read and part of the contract', async (_, cell, notation) => {
    const path = write('amount', cell);
    const { contract } = await inferContract(path, { target: 'y', bad: '1' });
    expect(contract.features[0]).toMatchObject({ name: 'amount', type: 'number', notation });
    const { table, report } = await loadTable(path, contract);
    expect(report).toMatchObject({ passed: true });
    expect(report.features[0]).toMatchObject({ invalid: 0, missing: 0 });
    expect(Array.from((table.columns[0] as { values: Float64Array }).values)).toEqual(
      Array.from({ length: 400 }, (_unused, i) => amount(i)),
    );
  });

  it('per cents are read as they stand; some among plain numbers are not guessed at', async () => {
    const rate = (i: number): number => ((i * 37) % 211) / 10;
    expect((await infer('rate', (i) => `${rate(i)}%`)).feature).toMatchObject({ unit: '%', min: 0, max: 21 });
    const mixed = await infer('rate', (i) => (i % 2 === 0 ? `${rate(i)}%` : rate(i) / 100));
    expect(mixed).toEqual({
      notes: expect.stringMatching(/left out; some of its numbers are per cents/) as string,
    });
  });

  it('negative numbers in parentheses are negative', async () => {
    const path = write('profit', (i) => (i % 3 === 0 ? `(${amount(i)})` : amount(i)));
    const { contract } = await inferContract(path, { target: 'y', bad: '1' });
    const { table } = await loadTable(path, contract);
    const values = (table.columns[0] as { values: Float64Array }).values;
    expect([values[0], values[1]]).toEqual([-amount(0), amount(1)]);
  });

  it('whole numbers with one comma say by their neighbours what it is, or are left out with the reason', async () => {
    const comma = (x: number): string => quoted(grouped(String(x), ','));
    expect((await infer('x', (i) => comma(200 + i * 37))).feature).toMatchObject({
      notation: { thousands: ',' },
    });
    expect(await infer('x', (i) => comma(1000 + i * 37))).toEqual({
      notes: expect.stringMatching(/left out; .*may be a decimal comma or stand between thousands/) as string,
    });
    expect((await infer('x', (i) => quoted(`${i % 90},${100 + i}5`))).feature).toMatchObject({
      notation: { decimal: ',' },
    });
  });

  it('two notations in one column, or two units, are named and not read', async () => {
    for (const [cell, reason] of [
      [(i: number) => (i % 2 === 0 ? '"1,5"' : '"1,234.5"'), /decimal commas and others decimal points/],
      [(i: number) => (i % 2 === 0 ? `${amount(i)} EUR` : `${amount(i)} USD`), /several units \(EUR, USD\)/],
    ] as const)
      expect((await infer('x', cell)).notes).toMatch(reason);
  });

  it.each([
    'NA',
    'N/A',
    '#N/A',
    'NULL',
    'nan',
    '?',
    'unknown',
    'none',
    '-',
    'inf',
    '-Infinity',
    '#DIV/0!',
    '未知',
  ])('among numbers "%s" is missing, and listed in the contract', async (marker) => {
    const path = write('x', (i) => (i % 5 === 0 ? marker : amount(i)));
    const { contract } = await inferContract(path, { target: 'y', bad: '1' });
    expect(contract.missingMarkers).toEqual([marker]);
    expect((await loadTable(path, contract)).report.features[0]).toMatchObject({
      type: 'number',
      missing: 80,
      invalid: 0,
    });
  });

  it('in a category "NA" is missing, but "none" and "unknown" are levels', async () => {
    const { feature, notes } = await infer('collateral', (i) => ['NA', 'none', 'unknown', 'house'][i % 4]!);
    expect(feature).toMatchObject({ categories: ['house', 'none', 'unknown'] });
    expect(notes).toContain('"NA" read as missing');
  });

  it('names, dates and codes with digits in them are not taken for numbers', async () => {
    for (const cell of [
      (i: number) => `K${String(i).padStart(5, '0')}`,
      (i: number) => `${1 + (i % 28)}.0${1 + (i % 9)}.2019`,
      (i: number) => `139 ${1000 + i} ${2000 + i}`,
      (i: number) => `${i}-${i + 1}`,
    ])
      expect((await infer('x', cell)).notes).toMatch(/left out; it looks like/);
  });
});

describe('what tells too much is pointed out and recorded', () => {
  const isBad = (i: number): boolean => i % 10 === 0;
  const concerns = async (cell: (i: number) => string | number) => {
    const { feature, notes } = await infer('x', cell);
    return [feature?.concerns, notes];
  };

  it('columns filled for one outcome only, or that separate the outcomes', async () => {
    expect(await concerns((i) => (isBad(i) ? 1000.5 + i : ''))).toEqual([
      ['filled-after'],
      expect.stringContaining('exclude it'),
    ]);
    expect(await concerns((i) => (isBad(i) ? 100.5 + i : 0))).toEqual([
      ['separates-outcome'],
      expect.stringContaining('nearly alone'),
    ]);
    expect(await concerns((i) => (isBad(i) ? 'written off' : 'open'))).toEqual([
      ['separates-outcome'],
      expect.any(String),
    ]);
    expect((await concerns((i) => (isBad(i) && i % 40 !== 0 ? 500 : 0) + ((i * 37) % 101) / 10))[0]).toEqual([
      'strong',
    ]);
  });

  it('not columns that tell nothing', async () => {
    for (const seed of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const generator = new SeededGenerator('noise', seed);
      const noise = Array.from({ length: 400 }, () => generator.nextUnit());
      expect((await concerns((i) => noise[i]!))[0]).toBeUndefined();
      expect((await concerns((i) => `level ${Math.floor(9 * noise[i]!)}`))[0]).toBeUndefined();
    }
  });

  it.each([
    'Age',
    'customerAge',
    'sex',
    'Geschlecht',
    'Familienstand',
    'marital_status',
    'NATIONALITY',
    '性别',
    '婚姻状况',
    'personal_status',
  ])('%s by its name', async (name) => {
    const { contract } = await inferContract(
      write(name, (i) => (i % 40) + 0.5),
      { target: 'y', bad: '1' },
    );
    expect(contract.features[0]!.concerns).toEqual(['protected-ground']);
  });

  it('also by its values; "mileage" and "usage" are no ages', async () => {
    expect((await infer('x7', (i) => (i % 3 === 0 ? 'male' : 'female'))).feature?.concerns).toEqual([
      'protected-ground',
    ]);
    for (const name of ['mileage', 'usage', 'percentage', 'package'])
      expect((await infer(name, (i) => (i % 40) + 0.5)).feature?.concerns).toBeUndefined();
  });
});
