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
    [['coordinator', 'start', '--port', '65536']],
    [['agent', 'start', '--log-level', 'loud']],
    [['demo', '--rounds', 'abc']],
    [['demo', '--rounds', '0']],
    [['demo', '--model', 'logistic', '--rounds', '30']],
    [['simulate', '--data', 'x.csv', '--target', 'y']],
    [['simulate', '--data', 'x.csv', '--contract', 'c.json', '--target', 'y', '--positive', '1']],
    [['simulate', '--data', 'x.csv', '--contract', 'c.json', '--partition-by', 'b', '--skew', 'iid']],
    [['simulate', '--data', 'x.csv', '--contract', 'c.json', '--test-fraction', '0']],
    [['simulate', '--data', 'x.csv', '--contract', 'c.json', '--skew', 'dirichlet:0']],
    [['simulate', '--data', 'x.csv', '--contract', 'c.json', '--banks', '2.5']],
    [['simulate', '--data', 'x.csv', '--contract', 'c.json', '--model', 'gbdt', '--settings', '{']],
    [['run', 'propose', '--contract', 'c.json', '--masked', '--plain']],
    [['run', 'propose', '--contract', 'c.json', '--plan', 'p.yaml', '--seed', '1']],
    [['run', 'propose', '--contract', 'c.json', '--model', 'gbdt', '--target-auc', '0.8']],
    [['run', 'propose', '--contract', 'c.json', '--minimum', 'three']],
    [['run', 'search', '--contract', 'c.json', '--grid', '{"kMin":[5]}', '--model', 'profile']],
    [['run', 'search', '--contract', 'c.json', '--grid', '{"kMin":[5]}', '--max-trials', 'abc']],
    [['run', 'list', '--url', 'notaurl', '--token', 'x']],
    [['bank', 'invite', 'a', '--valid-hours', 'long']],
    [['data', 'profile', 'x.csv', '--min-count', '1']],
    [['data', 'profile', 'no-such-file.json']],
    [['audit', 'verify', 'no-such-file', '--charter', 'f'.repeat(64)]],
    [['audit', 'fork', 'x', '--bundle', '/']],
    [[]],
  ])('answers wrong usage with exit code 2 and a sentence: %j', async (args) => {
    const { code, stdout, stderr } = await command(args, { cwd: await temporaryFolder('usage') });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/./);
    expect(stderr).not.toMatch(/\bat .*\(.*:\d+:\d+\)/); // no stack trace
  });

  test.each([
    [['no-such-command'], 'USAGE', /no-such-command/],
    [['run', 'list', '--no-such-option'], 'USAGE', /no-such-option/],
    [['coordinator', 'start', '--port', 'http'], 'USAGE', /--port.*whole number from 0 to 65535/],
    [['demo', '--model', 'scorecard', '--rounds', '3'], 'USAGE', /--rounds.*scorecard/],
  ])('tells machines too what is wrong: %j', async (args, code, message) => {
    const done = await command([...args, '--json']);
    expect(done.code).toBe(2);
    expect(onlyJson(done)).toMatchObject({
      error: { code, message: expect.stringMatching(message) as string },
    });
  });

  test('says which file cannot be had, and what to do', async () => {
    const folder = await temporaryFolder('files');
    const file = join(folder, 'rows.csv');
    await writeApplicants(file, tinyApplicants(200, 'files'));
    const infer = (out: string): Promise<Finished> => {
      const args = ['contract', 'infer', file, '--target', 'defaulted', '--positive', '1'];
      return command([...args, '--out', out, '--json']);
    };
    for (const [path, why] of [
      [file, /exists already/],
      [folder, /exists already|is a folder/],
      [join(folder, 'nowhere', 'contract.json'), /does not exist/],
      [join(file, 'contract.json'), /leads through a file/],
    ] as const) {
      const done = await infer(path);
      const error = { code: 'USAGE', message: expect.stringMatching(why) as string };
      expect([done.code, onlyJson(done)]).toMatchObject([2, { error }]);
      expect(done.stderr).toContain(path);
    }
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
