/** The command line without a coordinator: usage, data and contracts. Exit codes, and what is said where. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { contractHash } from '#shared/contract/contract.ts';
import { command, onlyJson, type Finished } from '../support/command-line.ts';
import { temporaryFolder } from '../support/opened.ts';
import { tinyApplicants, tinyContract, writeApplicants } from '../support/tiny-bank-data.ts';

describe('the command line', () => {
  test('explains itself', async () => {
    const help = await command(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const word of [
      'demo',
      'simulate',
      'coordinator',
      'agent',
      'bank',
      'run',
      'audit',
      'data',
      'Exit codes',
    ]) {
      expect(help.stdout).toContain(word);
    }
    expect(await command(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
    const sub = await command(['audit', 'verify', '--help']);
    expect([sub.code, sub.stdout]).toEqual([0, expect.stringContaining('--charter')]);
  });

  test.each([
    [['no-such-command']],
    [['demo', '--no-such-option']],
    [['demo', '--model', 'oracle']],
    [['audit', 'verify']],
    [['audit', 'verify', '.', '--charter', 'short']],
    [['agent', 'consent', 'x', 'perhaps']],
    [['coordinator', 'start', '--port', 'http']],
    [['coordinator', 'start', '--log-level', 'loud']],
    [[]],
  ])('answers wrong usage with exit code 2 and a sentence: %j', async (args) => {
    const { code, stdout, stderr } = await command(args, { cwd: await temporaryFolder('usage') });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/./);
    expect(stderr).not.toMatch(/\bat .*\(.*:\d+:\d+\)/); // no stack trace
  });

  test('does not start without TLS when only half of it is given', async () => {
    const folder = await temporaryFolder('tls');
    const start = ['coordinator', 'start', '--data', join(folder, 'data'), '--port', '0'];
    const half = await command([...start, '--tls-cert', join(folder, 'cert.pem')]);
    expect([half.code, half.stderr]).toEqual([2, expect.stringMatching(/USAGE.*--tls-key/)]);
  });
});

describe('tallystick data and contract', () => {
  test('check is exit code 0 for rows to train on, 1 for others, 2 for what cannot be read', async () => {
    const folder = await temporaryFolder('data');
    const contract = join(folder, 'contract.json');
    await writeFile(contract, JSON.stringify(tinyContract));
    const good = join(folder, 'good.csv');
    await writeApplicants(good, tinyApplicants(80, 'good'));
    const bad = join(folder, 'bad.csv');
    await writeFile(bad, 'income,age,purpose,defaulted\n1,2,car,maybe\n');
    const check = (file: string): Promise<Finished> =>
      command(['data', 'check', file, '--contract', contract, '--json']);
    const fine = await check(good);
    expect([fine.code, onlyJson(fine)]).toMatchObject([0, { passed: true }]);
    const unfit = await check(bad);
    expect([unfit.code, onlyJson(unfit)]).toMatchObject([1, { passed: false }]);
    const missing = await check(join(folder, 'missing.csv'));
    expect([missing.code, onlyJson(missing)]).toMatchObject([2, { error: { code: 'DATA_SOURCE' } }]);
    const told = await command(['data', 'check', bad, '--contract', contract]);
    expect([told.code, told.stdout]).toEqual([1, expect.stringMatching(/defaulted/)]);
  });

  test('infer drafts a contract that the file then passes', async () => {
    const folder = await temporaryFolder('infer');
    const file = join(folder, 'applicants.csv');
    await writeApplicants(file, tinyApplicants(200, 'infer'));
    const out = join(folder, 'contract.json');
    const args = ['contract', 'infer', file, '--target', 'defaulted', '--positive', '1'];
    const inferred = await command([...args, '--json']);
    const { contract, hash } = onlyJson(inferred) as { contract: typeof tinyContract; hash: string };
    expect(hash).toBe(contractHash(contract));
    expect(contract.features.map(({ name }) => name)).toEqual(['income', 'age', 'purpose']);
    expect((await command([...args, '--out', out])).code).toBe(0);
    expect((await command([...args, '--out', out])).code).toBe(2); // nothing is overwritten
    expect((await command(['data', 'check', file, '--contract', out])).code).toBe(0);
  });
});
