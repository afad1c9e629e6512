import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { inferContract } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-infer-outcome-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file with so many rows of each spelling of the outcome. */
function write(rows: Readonly<Record<string, number>>): string {
  const path = join(folder, 'outcomes.csv');
  const outcomes = Object.entries(rows).flatMap(([text, count]) => Array.from({ length: count }, () => text));
  writeFileSync(path, ['y,x', ...outcomes.map((text, i) => `"${text}",${(i * 37) % 101}.5`)].join('\n'));
  return path;
}

async function infer(
  rows: Readonly<Record<string, number>>,
  bad: string | string[],
  good?: string | string[],
) {
  const path = write(rows);
  const { contract, notes } = await inferContract(path, { target: 'y', bad, good });
  return { target: contract.target, notes, report: (await loadTable(path, contract)).report };
}

describe('the outcomes of a file', () => {
  it('of two spellings need the bad one only, in whatever way numbers are written', async () => {
    for (const [bad, good] of [
      ['Y', 'N'],
      ['True', 'False'],
      ['违约', '正常'],
      ['BAD', 'GOOD'],
      ['1.0', '0.0'],
      ['P I F', 'CHG OFF'],
    ] as const)
      expect((await infer({ [bad]: 91, [good]: 209 }, bad)).report).toMatchObject({
        passed: true,
        badCount: 91,
        rowsUsed: 300,
      });
    const mixed = await infer({ '0': 135, '0.00': 74, '1': 45, '1.0': 46 }, '1');
    expect(mixed.report).toMatchObject({ badCount: 91, rowsUsed: 300 });
    expect(mixed.target).toEqual({ column: 'y', bad: '1', good: '0' });
  });

  it.each(['NA', 'N/A', '#N/A', 'null', 'NULL', 'NaN', '?', 'none', 'unknown', '-', '未知'])(
    'that say "%s" are not known: they are neither bad nor good, and the contract lists them',
    async (marker) => {
      const { target, notes, report } = await infer({ '1': 77, '0': 163, [marker]: 60 }, '1');
      expect(target).toEqual({ column: 'y', bad: '1', good: '0', missing: [marker] });
      expect(report).toMatchObject({ passed: true, rowsUsed: 240, badCount: 77, targetMissing: 60 });
      expect(notes.join(' ')).toContain(`"${marker}" (60 rows)`);
    },
  );

  it('of three spellings are listed with their counts, and nothing is guessed', async () => {
    await expect(infer({ default: 40, paid: 200, current: 60 }, 'default')).rejects.toThrow(
      /expected one value besides the bad one, found "paid" \(200 rows\), "current" \(60 rows\), "default" \(40 rows\); .*--good/,
    );
    const told = await infer({ default: 40, late: 10, paid: 200, current: 60 }, ['default', 'late'], 'paid');
    expect(told.target).toEqual({
      column: 'y',
      bad: ['default', 'late'],
      good: 'paid',
      missing: ['current'],
    });
    expect(told.report).toMatchObject({ passed: true, rowsUsed: 250, badCount: 50 });
    expect((await infer({ a: 40, b: 10, c: 200, d: 60 }, 'a,b', 'c,d')).report).toMatchObject({
      rowsUsed: 310,
      badCount: 50,
    });
    expect((await infer({ 'a,b': 40, c: 200 }, 'a,b')).target.bad).toBe('a,b'); // as the file has it
  });

  it('that differ in capitals or blanks only are asked about', async () => {
    for (const rows of [
      { bad: 45, Bad: 46, good: 209 },
      { bad: 45, good: 200, Good: 55 },
      { bad: 45, BAD: 255 },
      { 'charged off': 45, 'Charged  Off': 46, paid: 209 },
    ])
      await expect(infer(rows, Object.keys(rows)[0]!), Object.keys(rows).join()).rejects.toMatchObject({
        code: 'USAGE',
      });
    await expect(infer({ bad: 45, Bad: 46, good: 209 }, 'bad', 'good')).rejects.toThrow(
      /"Bad" differs from a named value in capitals or blanks only.*--positive "bad" --good "good"/,
    );
    expect((await infer({ bad: 45, Bad: 46, good: 209 }, ['bad', 'Bad'])).report).toMatchObject({
      badCount: 91,
    });
  });

  it('of which only a missing one is left beside the bad are asked about', async () => {
    await expect(infer({ default: 45, none: 255 }, 'default')).rejects.toThrow(/--good "none"/);
    expect((await infer({ default: 45, none: 255 }, 'default', 'none')).report).toMatchObject({
      badCount: 45,
      rowsUsed: 300,
    });
  });

  it('named as bad and as good are named once', async () => {
    await expect(infer({ a: 45, b: 255 }, 'a', ['a', 'b'])).rejects.toThrow(
      /"a" is named as bad and as good/,
    );
  });
});
