import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, describe, expect, it } from 'vitest';
import { loadTable } from '#participant-agent/data/load-table.ts';
import type { DataContract, Feature } from '#shared/contract/contract.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-load-table-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

const amount: Feature = {
  name: 'amount',
  type: 'number',
  min: 0,
  max: 1000,
  scale: 'log',
  missing: 'allowed',
};
const sector: Feature = {
  name: 'sector',
  type: 'category',
  categories: ['retail', '餐饮', '7'],
  missing: 'allowed',
};

function contractOf(
  features: Feature[],
  target: DataContract['target'] = { column: 'outcome', bad: '1', good: '0' },
): DataContract {
  return { v: 1, name: 'test', target, features };
}

function values(table: Table, index: number): number[] {
  const column = table.columns[index]!;
  return Array.from(isNumberColumn(column) ? column.values : column.codes);
}

describe('cells become the typed arrays of the contract', () => {
  it('missing is NaN or 0, invalid numbers are NaN and counted, unknown categories are "other"', async () => {
    const path = write('cells.csv', [
      'outcome,extra,sector,amount',
      '1,x,retail,12.5',
      '0,x,,',
      '0,x,餐饮,"1,200"',
      '1,x,mining,1e400',
      '0,x, 7.0 ,  -3 ',
      '0,x,retail ,1_000',
      '0,x,NA,NaN',
    ]);
    const { table, report } = await loadTable(path, contractOf([amount, sector]));
    expect(values(table, 0)).toEqual([12.5, NaN, NaN, NaN, -3, NaN, NaN]);
    expect(values(table, 1)).toEqual([1, 0, 2, 4, 3, 1, 4]);
    expect(Array.from(table.bad)).toEqual([1, 0, 0, 1, 0, 0, 0]);
    expect(report.features).toMatchObject([
      {
        name: 'amount',
        missing: 1,
        invalid: 4,
        belowMin: 1,
        aboveMax: 0,
        observedMin: -3,
        observedMax: 12.5,
      },
      { name: 'sector', missing: 1, unknown: 2 },
    ]);
  });

  it('columns come in contract order, whatever their order in the file', async () => {
    const path = write('order.csv', ['sector,amount,outcome', 'retail,5,0']);
    const { table } = await loadTable(path, contractOf([amount, sector]));
    expect(table.columns.map((c) => c.feature.name)).toEqual(['amount', 'sector']);
    expect(values(table, 0)).toEqual([5]);
  });

  it('rows keep the order of the file, over many chunks', async () => {
    const rows = Array.from(
      { length: 10_000 },
      (_, i) => `${i % 3 === 0 ? '' : i % 2},${(i * 7919) % 10_007},id${i}`,
    );
    const { table, extra, report } = await loadTable(
      write('long.csv', ['outcome,amount,id', ...rows]),
      contractOf([amount]),
      {
        extraColumns: ['id'],
      },
    );
    const kept = Array.from({ length: 10_000 }, (_, i) => i).filter((i) => i % 3 !== 0);
    expect(values(table, 0)).toEqual(kept.map((i) => (i * 7919) % 10_007));
    expect(extra['id']).toEqual(kept.map((i) => `id${i}`));
    expect(report).toMatchObject({
      rowsRead: 10_000,
      rowsUsed: kept.length,
      targetMissing: 10_000 - kept.length,
    });
  });

  it('a level written "2.0" is found as "2", unless both are levels', async () => {
    const path = write('levels.csv', ['outcome,lenient,exact', '0,2.0,2.0', '1,2,2', '0,02,02']);
    const levels = (name: string, categories: string[]): Feature => ({
      name,
      type: 'category',
      categories,
      missing: 'allowed',
    });
    const { table } = await loadTable(
      path,
      contractOf([levels('lenient', ['1', '2']), levels('exact', ['2', '2.0'])]),
    );
    expect(values(table, 0)).toEqual([2, 2, 3]);
    expect(values(table, 1)).toEqual([2, 1, 3]);
  });

  it('a contract of a thousand levels', async () => {
    const categories = Array.from({ length: 1000 }, (_, i) => `it's level ${i}`);
    const path = write('many.csv', ['outcome,k', ...categories.map((c, i) => `${i % 2},${c}`), '0,none']);
    const { table } = await loadTable(
      path,
      contractOf([{ name: 'k', type: 'category', categories, missing: 'refused' }]),
    );
    expect(values(table, 0)).toEqual(Array.from({ length: 1001 }, (_, i) => i + 1));
  });

  it('a Parquet file loads to the same table as the CSV', async () => {
    const parquet = join(folder, 'same.parquet');
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const source = `(VALUES (1, 12.5::DOUBLE, 'retail'), (0, 'nan'::DOUBLE, '7'), (0, NULL, NULL)) AS t(outcome, amount, sector)`;
    await connection.run(`COPY (SELECT * FROM ${source}) TO '${parquet}' (FORMAT parquet)`);
    connection.closeSync();
    instance.closeSync();
    const csv = write('same.csv', ['outcome,amount,sector', '1,12.5,retail', '0,,7', '0,,']);
    const contract = contractOf([amount, sector]);
    expect(await loadTable(parquet, contract)).toEqual(await loadTable(csv, contract));
  });

  it('extra columns are texts of the rows used, null where empty', async () => {
    const path = write('extra.csv', ['outcome,amount,id,__proto__', '0,1, A 1 ,p', ',2,A2,p', '1,3,,p']);
    const { extra } = await loadTable(path, contractOf([amount]), { extraColumns: ['id', '__proto__'] });
    expect(Object.entries(extra)).toEqual([
      ['id', [' A 1 ', null]],
      ['__proto__', ['p', 'p']],
    ]);
  });
});

describe('the outcome', () => {
  const lines = ['outcome,amount', '1,1', '1.0,2', ' 1 ,3', '0,4', '2,5', ',6', 'yes,7'];

  it('numbers are compared as numbers, and the one other value is good where the contract names none', async () => {
    const contract = contractOf([amount], { column: 'outcome', bad: '1.00' });
    const two = ['outcome,amount', '1,1', '1.0,2', ' 1 ,3', '0,4', '0.0,5', ',6'];
    const { table, report } = await loadTable(write('lenient.csv', two), contract);
    expect(Array.from(table.bad)).toEqual([1, 1, 1, 0, 0]);
    expect(report).toMatchObject({
      rowsRead: 6,
      rowsUsed: 5,
      targetMissing: 1,
      targetInvalid: 0,
      badCount: 3,
    });
  });

  it('a third value is never good: its rows are not used, and the check refuses them with their counts', async () => {
    for (const good of [undefined, '0']) {
      const target = { column: 'outcome', bad: '1', ...(good === undefined ? {} : { good }) };
      const { table, report, extra } = await loadTable(
        write('third.csv', lines),
        contractOf([amount], target),
        {
          extraColumns: ['amount'],
        },
      );
      expect(Array.from(table.bad).filter((y) => y === 0)).toHaveLength(good === undefined ? 0 : 1);
      expect(extra['amount']).toHaveLength(table.rowCount);
      const finding = report.findings.find(({ code }) => code === 'unlisted-outcomes')!;
      expect(finding.severity).toBe('error');
      expect(finding.detail).toContain('"2" (1 row), "yes" (1 row)');
      expect(finding.message).not.toContain('yes'); // it may leave the bank as the reason of a refusal
    }
  });

  it('several spellings of bad, of good and of "not known" are what the contract says they are', async () => {
    const target = { column: 'outcome', bad: ['1', '2'], good: ['0', 'yes'], missing: ['NA', '?'] };
    const { table, report } = await loadTable(
      write('listed.csv', [...lines, 'NA,8', '?,9']),
      contractOf([amount], target),
    );
    expect(Array.from(table.bad)).toEqual([1, 1, 1, 0, 1, 0]);
    expect(report).toMatchObject({ targetMissing: 3, targetInvalid: 0 });
  });

  it('with `good`, what is neither is dropped and counted', async () => {
    const { table, report } = await loadTable(write('strict.csv', lines), contractOf([amount]));
    expect(Array.from(table.bad)).toEqual([1, 1, 1, 0]);
    expect(values(table, 0)).toEqual([1, 2, 3, 4]);
    expect(report).toMatchObject({ rowsRead: 7, rowsUsed: 4, targetMissing: 1, targetInvalid: 2 });
  });

  it('is compared letter by letter where it is a text', async () => {
    const contract = contractOf([amount], { column: '结果', bad: "d'été", good: '否' });
    const { table } = await loadTable(
      write('text.csv', ['结果,amount', "d'été,1", '否,2', "D'ÉTÉ,3"]),
      contract,
    );
    expect(Array.from(table.bad)).toEqual([1, 0]);
  });
});

describe('what does not fit the contract', () => {
  it('missing columns are listed, each with the nearest name the file has', async () => {
    const path = write('names.csv', ['Outcome,loan_amount,branch', '1,2,3']);
    const features: Feature[] = [
      { ...amount, name: 'Loan Amount' },
      { ...amount, name: 'branch' },
      { ...amount, name: '行业' },
    ];
    const error = loadTable(path, contractOf(features));
    await expect(error).rejects.toMatchObject({ name: 'FederationError', code: 'CONTRACT' });
    await expect(error).rejects.toThrow(
      /lacks 3 of the 4 columns.*"outcome" \(nearest: "Outcome"\), "Loan Amount" \(nearest: "loan_amount"\), "行业";/,
    );
  });

  it('an extra column the file lacks is a usage error with a suggestion', async () => {
    const path = write('extra-name.csv', ['outcome,amount,application_no', '1,2,3']);
    const error = loadTable(path, contractOf([amount]), { extraColumns: ['applicationno'] });
    await expect(error).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('"application_no"') as string,
    });
  });

  it('a file without rows loads, and its report refuses it', async () => {
    const { table, report } = await loadTable(write('none.csv', ['outcome,amount']), contractOf([amount]));
    expect(table.rowCount).toBe(0);
    expect(report).toMatchObject({
      passed: false,
      rowsRead: 0,
      findings: [{ severity: 'error', code: 'too-few-rows' }],
    });
  });
});

// The clock of a busy machine may fail once; a slow loader fails every time.
describe('speed', { retry: 2 }, () => {
  it('of 100,000 rows and 20 columns all are loaded', async () => {
    const numbers = Array.from({ length: 14 }, (_, j): Feature => ({ ...amount, name: `n${j}` }));
    const categories = ['level 0', 'level 1', 'level 2', 'level 3'];
    const texts = Array.from({ length: 5 }, (_, j): Feature => ({
      name: `k${j}`,
      type: 'category',
      categories,
      missing: 'allowed',
    }));
    const header = ['outcome', ...numbers.map((f) => f.name), ...texts.map((f) => f.name)].join(',');
    const rows = Array.from({ length: 100_000 }, (_, i) => {
      const cells = numbers.map((_, j) => ((i * (7919 + j)) % 99_991) / 100);
      return [i % 10 === 0 ? 1 : 0, ...cells, ...texts.map((_, j) => `level ${(i + j) % 5}`)].join(',');
    });
    const path = write('large.csv', [header, ...rows]);
    const { table } = await loadTable(path, contractOf([...numbers, ...texts]));
    expect(table.rowCount).toBe(100_000);
  });
});

describe('derived features', () => {
  const leverage: Feature = {
    name: 'leverage',
    type: 'number',
    min: 0,
    max: 5,
    scale: 'linear',
    missing: 'allowed',
    derive: { ratio: ['amount', 'assets'] },
  };

  it('are computed from columns of the file, in the feature list or not', async () => {
    const path = write('derived.csv', [
      'outcome,assets,amount',
      '1,8,2',
      '0,0,2',
      '0,,3',
      '0,big,3',
      '1,4,-9',
      '0,4,10',
    ]);
    const debt: Feature = { ...amount, special: [-9] };
    const { table, report } = await loadTable(path, contractOf([debt, leverage]));
    expect(values(table, 0)).toEqual([2, 2, 3, 3, -9, 10]);
    expect(values(table, 1)).toEqual([0.25, NaN, NaN, NaN, NaN, 2.5]);
    expect(report.features[1]).toMatchObject({ invalid: 1, missing: 3 });
  });

  it('need the columns they are computed from, not one of their own name', async () => {
    const path = write('underived.csv', ['outcome,amount,leverage', '1,8,2']);
    await expect(loadTable(path, contractOf([leverage]))).rejects.toMatchObject({
      code: 'CONTRACT',
      message: expect.stringContaining('"assets"'),
    });
  });
});
