import { describe, expect, it } from 'vitest';
import { checkTable, DATA_THRESHOLDS, type Intake } from '#participant-agent/data/check-table.ts';
import { dataReport, type DataReport, renderDataReport } from '#participant-agent/data/data-report.ts';
import { displayWidth } from '#participant-agent/data/text-columns.ts';
import type { CategoryFeature, DataContract, NumberFeature } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';

const ROWS = 200;
const number: NumberFeature = {
  name: '月均开票额',
  type: 'number',
  unit: 'CNY',
  min: 0,
  max: 1000,
  scale: 'log',
  missing: 'allowed',
};
const category: CategoryFeature = {
  name: 'sector',
  type: 'category',
  categories: ['a', 'b'],
  missing: 'allowed',
};

interface Case {
  rows?: number;
  bad?: (i: number) => boolean;
  value?: (i: number) => number;
  code?: (i: number) => number;
  invalid?: number;
  refused?: boolean;
  targetMissing?: number;
  targetInvalid?: number;
  setAside?: number;
}

/** A table with nothing to find, but for what the case changes. */
function check(c: Case): DataReport {
  const rows = c.rows ?? ROWS;
  const missing = c.refused === true ? 'refused' : 'allowed';
  const contract: DataContract = {
    v: 1,
    name: 'test',
    target: { column: 'outcome', bad: '1', good: '0' },
    features: [
      { ...number, missing },
      { ...category, missing },
    ],
  };
  const table: Table = {
    rowCount: rows,
    bad: Uint8Array.from({ length: rows }, (_, i) => Number(c.bad?.(i) ?? i % 20 === 0)),
    columns: [
      {
        feature: { ...number, missing },
        values: Float64Array.from({ length: rows }, (_, i) => c.value?.(i) ?? i),
      },
      {
        feature: { ...category, missing },
        codes: Uint16Array.from({ length: rows }, (_, i) => c.code?.(i) ?? 1 + (i % 2)),
      },
    ],
  };
  const { targetMissing = 0, targetInvalid = 0 } = c;
  const intake: Intake = {
    rowsRead: rows + targetMissing + targetInvalid,
    targetMissing,
    targetInvalid,
    unlistedOutcomes: targetInvalid > 0 ? '"x"' : '',
    setAside: c.setAside ?? 0,
    invalidNumbers: [c.invalid ?? 0, 0],
  };
  const report = checkTable(table, contract, intake);
  expect(dataReport.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  return report;
}

const first = (cells: number, changed: number) => (i: number) => (i < cells ? changed : i);
const firstCode = (cells: number, changed: number) => (i: number) => (i < cells ? changed : 1 + (i % 2));

describe('the data check', () => {
  it('finds nothing in fit data, and says what is in them', () => {
    expect(check({})).toMatchObject({
      passed: true,
      findings: [],
      rowsUsed: 200,
      badCount: 10,
      badRate: 0.05,
      features: [
        {
          missing: 0,
          invalid: 0,
          belowMin: 0,
          aboveMax: 0,
          observedMin: 0,
          observedMax: 199,
          mean: 99.5,
          constant: false,
        },
        { missing: 0, unknown: 0, constant: false },
      ],
    });
  });

  it.each<[string, Case, string, 'error' | 'warning']>([
    ['49 rows', { rows: 49 }, 'too-few-rows', 'error'],
    ['no bad row', { bad: () => false }, 'one-class', 'error'],
    ['only bad rows', { bad: () => true }, 'one-class', 'error'],
    ['61 % bad', { bad: (i) => i < 122 }, 'unusual-bad-rate', 'warning'],
    [
      'one bad row in 2,000',
      { rows: 2000, bad: (i) => i === 0, value: (i) => i / 2 },
      'unusual-bad-rate',
      'warning',
    ],
    ['rows without outcome', { targetMissing: 3 }, 'dropped-rows', 'warning'],
    ['rows of another outcome', { targetInvalid: 3 }, 'unlisted-outcomes', 'error'],
    ['total lines', { setAside: 1 }, 'set-aside', 'warning'],
    ['1 % of invalid numbers', { invalid: 2, value: first(2, NaN) }, 'invalid-numbers', 'warning'],
    ['more than 1 % of invalid numbers', { invalid: 3, value: first(3, NaN) }, 'invalid-numbers', 'error'],
    ['more than 1 % out of range', { value: first(3, -1) }, 'out-of-range', 'warning'],
    ['more than 20 % out of range', { value: first(41, 1001) }, 'out-of-range', 'error'],
    [
      'a sparse column mostly out of range',
      { value: (i) => (i < 160 ? NaN : i < 170 ? 5000 : i) },
      'out-of-range',
      'error',
    ],
    ['more than 1 % unknown categories', { code: firstCode(3, 3) }, 'unknown-categories', 'warning'],
    ['more than 20 % unknown categories', { code: firstCode(41, 3) }, 'unknown-categories', 'error'],
    ['a number missing in every row', { value: () => NaN }, 'all-missing', 'error'],
    ['a category missing in every row', { code: () => 0 }, 'all-missing', 'error'],
    ['more than half missing', { code: firstCode(101, 0) }, 'mostly-missing', 'warning'],
    [
      'a missing value where none is allowed',
      { refused: true, value: first(1, NaN) },
      'missing-refused',
      'error',
    ],
    [
      'an invalid number where none may be missing',
      { refused: true, invalid: 1, value: first(1, NaN) },
      'missing-refused',
      'error',
    ],
    ['the same number in every row', { value: () => 7 }, 'constant', 'warning'],
    ['the same category in every row', { code: () => 2 }, 'constant', 'warning'],
  ])('%s', (_, given, code, severity) => {
    const report = check(given);
    expect(report.findings.filter((f) => f.code === code)).toMatchObject([{ severity }]);
    expect(report.passed).toBe(report.findings.every((f) => f.severity === 'warning'));
    expect(report.findings.filter((f) => f.severity === 'error').length === 0).toBe(severity === 'warning');
  });

  it.each<[string, Case]>([
    ['1 % out of range', { value: first(2, -1) }],
    ['1 % unknown categories', { code: firstCode(2, 3) }],
    ['half missing', { code: firstCode(100, 0) }],
    ['60 % bad', { bad: (i) => i < 120 }],
    ['50 rows', { rows: DATA_THRESHOLDS.usableRowsMin }],
    ['a flag that is either set or missing', { code: (i) => i % 2 }],
  ])('lets %s pass without a word', (_, given) => {
    expect(check(given).findings).toEqual([]);
  });

  it('without rows only the rows are complained of', () => {
    expect(check({ rows: 0, targetMissing: 5 }).findings.map((f) => f.code)).toEqual([
      'too-few-rows',
      'dropped-rows',
    ]);
  });
});

describe('the text of the report', () => {
  const report = check({
    value: (i) => (i < 60 ? -1e9 : i),
    code: firstCode(150, 0),
    targetMissing: 1234,
  });
  const text = renderDataReport(report);
  const lines = text.split('\n');

  it('gives the verdict first, then errors before warnings, then the features', () => {
    expect(lines[0]).toBe('Data check REFUSED: 1 error, 2 warnings');
    expect(lines[1]).toBe('1,434 rows read, 200 used, 10 bad (5.0 %)');
    const places = ['error    月均开票额', 'warning  outcome', 'warning  sector', 'feature '].map((start) =>
      lines.findIndex((l) => l.startsWith(start)),
    );
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
  });

  it('stays within 110 columns and aligns Chinese names with Latin ones', () => {
    expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(110);
    const table = lines.slice(lines.findIndex((l) => l.startsWith('feature ')));
    const typeAt = table
      .slice(0, 3)
      .map((line, i) => displayWidth(line.slice(0, line.indexOf(['type', 'number', 'category'][i]!))));
    expect(new Set(typeAt).size).toBe(1);
  });

  it('does not let a column name move the cursor or break a line', () => {
    const features = [{ ...report.features[1]!, name: 'a\u001b[2Jb\nc\u202ed' }];
    const findings = [
      { severity: 'warning' as const, code: 'constant' as const, feature: 'x\u001b[31m', message: 'm' },
    ];
    const controls = /(?!\n)[\p{Cc}\u202e]/u;
    expect(controls.test('a\u001bb')).toBe(true);
    expect(renderDataReport({ ...report, features, findings })).not.toMatch(controls);
  });
});
