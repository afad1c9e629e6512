import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dataContract } from '#shared/contract/contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { type Applicants, generateApplicants, writeApplicantsCsv } from './applicants.ts';
import { DEMO_BANKS, demoContract } from './banks.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-applicants-'));
afterAll(() => rmSync(folder, { recursive: true }));

const banks = DEMO_BANKS.map((bank) => ({ bank, applicants: generateApplicants({ bank, seed: 'test' }) }));

function outcomes({ rows }: Applicants): number[] {
  return rows.map((row) => Number(row.at(-1)));
}

/** Probability that a bad applicant has the higher PD, averaged over outcomes drawn from the PDs themselves. */
function expectedAuc(truePd: readonly number[]): number {
  let [pairs, good, bad] = [0, 0, 0];
  for (const pd of [...truePd].sort((a, b) => a - b)) {
    pairs += pd * (good + 0.5 * (1 - pd));
    good += 1 - pd;
    bad += pd;
  }
  return pairs / (good * bad);
}

describe('the demonstration’s applicants', () => {
  it('are the same for the same seed, and others for another seed or bank', () => {
    const bank = DEMO_BANKS[4]!;
    const options = { bank, seed: 'test', rows: 300 };
    expect(generateApplicants(options)).toEqual(generateApplicants(options));
    expect(generateApplicants({ ...options, seed: 'other' }).rows).not.toEqual(
      generateApplicants(options).rows,
    );
    expect(generateApplicants({ ...options, rows: 100 }).rows).toEqual(
      generateApplicants(options).rows.slice(0, 100),
    );
  });

  it('come from five banks of unequal size, each with two to six percent of defaults and 40 to 250 bad rows', () => {
    expect(new Set(DEMO_BANKS.map((b) => b.rows)).size).toBe(5);
    expect(DEMO_BANKS.reduce((sum, b) => sum + b.rows, 0)).toBe(18_000);
    for (const { applicants } of banks) {
      const bad = outcomes(applicants).reduce((sum, y) => sum + y, 0);
      const rate = bad / applicants.rows.length;
      expect(rate).toBeGreaterThan(0.02);
      expect(rate).toBeLessThan(0.06);
      expect(bad).toBeGreaterThanOrEqual(40);
      expect(bad).toBeLessThanOrEqual(250);
    }
  });

  it('can be told apart: the truth itself reaches an AUC of 0.86 to 0.90', () => {
    const pooled = expectedAuc(banks.flatMap(({ applicants }) => [...applicants.truePd]));
    expect(pooled).toBeGreaterThan(0.86);
    expect(pooled).toBeLessThan(0.9);
    for (const { applicants } of banks) expect(expectedAuc([...applicants.truePd])).toBeGreaterThan(0.84);
  });

  it('have outcomes drawn from their true probabilities', () => {
    for (const { applicants } of banks) {
      const expected = applicants.truePd.reduce((sum, pd) => sum + pd, 0);
      const stddev = Math.sqrt(applicants.truePd.reduce((sum, pd) => sum + pd * (1 - pd), 0));
      const bad = outcomes(applicants).reduce((sum, y) => sum + y, 0);
      expect(Math.abs(bad - expected)).toBeLessThan(4 * stddev);
    }
  });

  it('fit the demonstration’s contract at every bank, and the file does not hold the truth', async () => {
    expect(dataContract.parse(demoContract)).toEqual(demoContract);
    for (const { bank, applicants } of banks) {
      const path = join(folder, `${bank.id}.csv`);
      await writeApplicantsCsv(path, { bank, seed: 'test' });
      const header = readFileSync(path, 'utf8').split('\n', 1)[0]!;
      expect(header).toBe(applicants.header.join(','));
      expect(header).not.toMatch(/pd|prob/i);
      const { table, report, extra } = await loadTable(path, demoContract, {
        extraColumns: ['applicant_id'],
      });
      expect(report.findings).toEqual([]);
      expect(Array.from(table.bad)).toEqual(outcomes(applicants));
      expect(new Set(extra['applicant_id']).size).toBe(bank.rows);
    }
  });
});
