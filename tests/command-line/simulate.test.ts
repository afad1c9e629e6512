/** `tallystick simulate` on a file of its own: what it answers, and when the answer is no. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, onlyJson, type Finished } from '../support/command-line.ts';
import { temporaryFolder } from '../support/opened.ts';
import { tinyApplicants, tinyContract, writeApplicants } from '../support/tiny-bank-data.ts';

let data: string;
let contract: string;
beforeAll(async () => {
  const folder = await temporaryFolder('simulate');
  [data, contract] = [join(folder, 'applicants.csv'), join(folder, 'contract.json')];
  await writeApplicants(data, tinyApplicants(600, 'simulate'));
  await writeFile(contract, JSON.stringify(tinyContract));
});

const simulate = (...args: string[]): Promise<Finished> =>
  command(['simulate', '--data', data, '--contract', contract, '--json', ...args]);

test('takes a contract in place of target and value, and an exact model is the pooled one', async () => {
  const done = await simulate('--model', 'logistic');
  expect(done.code, done.stderr).toBe(0);
  const { modelHash, pooledModelHash, masked, banks } = onlyJson(done) as Record<string, unknown>;
  expect(modelHash).toBe(pooledModelHash);
  expect([masked, banks]).toMatchObject([true, [{ rows: 140 }, { rows: 140 }, { rows: 140 }]]);
});

test('ends with exit code 1 and the code of the run when that does not complete', async () => {
  const settings = JSON.stringify({ selection: { minIv: 5 } });
  const done = await simulate('--model', 'scorecard', '--settings', settings);
  expect(done.code, done.stderr).toBe(1);
  const { error } = onlyJson(done) as { error: { code: string; message: string } };
  expect(error.message).toMatch(/^the run did not complete: .*selection\.minIv/);
  expect(error.code).not.toBe('COHORT');
});
