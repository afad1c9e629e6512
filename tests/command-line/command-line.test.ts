/** The command line as processes: exit codes, what is said where, and what is left behind. */
import { existsSync, statSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { readInvitationCode } from '#shared/protocol/invitation-code.ts';
import { command, processesWith, startCommand, type Finished } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyApplicants, tinyContract, tinyPlan, writeApplicants } from '../support/tiny-bank-data.ts';

/** The one JSON object that --json promises, on standard output and alone there. */
function onlyJson({ stdout }: Finished): unknown {
  expect(stdout.endsWith('\n')).toBe(true);
  expect(stdout.trimEnd()).not.toContain('\n');
  return JSON.parse(stdout);
}

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
    const child = startCommand([
      'coordinator',
      'start',
      '--data',
      join(folder, 'data'),
      '--port',
      '0',
      '--tls-cert',
      join(folder, 'cert.pem'),
    ]);
    const outcome = await Promise.race([
      child.exit,
      child.until(/Coordinator of|Opening/).then(() => 'starts'),
    ]);
    await child.kill();
    expect(outcome).toBe(2);
    expect(child.stderr).toMatch(/tls/i);
  });
});

describe('tallystick agent', () => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
  });

  test('start says clearly what keeps it from starting, with exit code 2', async () => {
    const folder = await temporaryFolder('agent');
    const start = (env = {}): Promise<Finished> => command(['agent', 'start', '--folder', folder], { env });
    const empty = await start();
    expect([empty.code, empty.stderr]).toEqual([2, expect.stringMatching(/enrol/)]);

    const code = await new TestBank(coordinator, 'sealed').invite();
    await enrolAgent(folder, code, 'applicants.csv', 'open sesame');
    for (const env of [{ TALLYSTICK_PASSPHRASE: 'wrong' }, {}]) {
      const refused = await start(env);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(/KEY_FILE/);
      expect(refused.stderr).toMatch(/TALLYSTICK_PASSPHRASE/);
      expect(refused.stderr).not.toMatch(/\bat .*\(.*:\d+:\d+\)/);
    }
    await writeFile(join(folder, 'policy.yaml'), 'consent: sometimes\n');
    const policy = await start({ TALLYSTICK_PASSPHRASE: 'open sesame' });
    expect([policy.code, policy.stderr]).toEqual([
      2,
      expect.stringMatching(/CONFIG.*policy\.yaml.*consent/s),
    ]);
  });

  test('enrol makes keys that are its own, and says what to read out', async () => {
    const folder = join(await temporaryFolder('enrol'), 'agent');
    const bank = new TestBank(coordinator, 'by-command');
    const code = await bank.invite();
    const enrolled = await command(['agent', 'enrol', code, '--folder', folder, '--data', 'x.csv', '--json']);
    expect(enrolled.code).toBe(0);
    const { fingerprint, participant } = onlyJson(enrolled) as { fingerprint: string; participant: string };
    expect(participant).toBe('by-command');
    for (const name of ['identity.json', 'unlock.key']) {
      expect(statSync(join(folder, 'keys', name)).mode & 0o077).toBe(0);
    }
    await bank.admit(fingerprint);

    const again = await command(['agent', 'enrol', code, '--folder', folder]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/INVITATION/)]);
    const other = await TestCoordinator.start({ database: 'postgres' });
    const { url: _url, ...rest } = readInvitationCode(await new TestBank(coordinator, 'elsewhere').invite());
    const misled = `tally1.${Buffer.from(JSON.stringify({ ...rest, url: other.url })).toString('base64url')}`;
    const refused = await command(['agent', 'enrol', misled, '--folder', `${folder}-2`]);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/INVITATION.*another consortium/s),
    ]);
    expect(existsSync(`${folder}-2`)).toBe(false);
  });

  test('status and egress of an agent that never ran are exit code 2 and an empty list', async () => {
    const folder = await temporaryFolder('status');
    const status = await command(['agent', 'status', '--folder', folder, '--json']);
    expect(status.code).toBe(2);
    expect(onlyJson(status)).toMatchObject({ connected: false, runs: [] });
    const egress = await command(['agent', 'egress', '--folder', folder, '--json']);
    expect([egress.code, onlyJson(egress)]).toEqual([0, []]);
  });
});

describe.each(DATABASES)('tallystick coordinator start on %s', (database) => {
  let prepared: TestCoordinator;
  let env: Record<string, string>;
  beforeAll(async () => {
    prepared = await TestCoordinator.start({ database });
    await TestBank.join(prepared, 'a');
    await TestRun.propose(prepared, tinyPlan(['a'], { deadlines: { consentMs: 3_600_000 } }));
    await prepared.stop();
    const { databaseUrl } = prepared.storage;
    env = databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl };
  });
  const args = (...more: string[]): string[] => ['coordinator', 'start', '--data', prepared.dataDir, ...more];

  test('on a port that is taken ends with exit code 2, also when a run waits in its ledger', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    closeLater(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const child = startCommand(args('--port', String(port), '--json'), { env });
    await child.until(/PORT_IN_USE/);
    const patience = new Promise((resolve) => setTimeout(() => resolve('it goes on'), 5000));
    const code = await Promise.race([child.exit, patience]);
    await child.kill();
    expect(code).toBe(2);
    expect(child.stderr).toContain(`port ${port}`);
    expect(JSON.parse(child.stdout)).toMatchObject({ error: { code: 'PORT_IN_USE' } });
  });

  test('says where it is, leaves an operator token for its owner only, and ends on SIGTERM with 0', async () => {
    const child = startCommand(args('--port', '0', '--json'), { env });
    const [line] = await child.until(/^\{"ready":true.*\}$/m);
    const { url, charter } = JSON.parse(line) as { url: string; charter: string };
    expect(charter).toMatch(/^[0-9a-f]{64}$/);
    expect((await readFile(join(prepared.dataDir, 'url'), 'utf8')).trim()).toBe(url);
    const listed = await command(['run', 'list', '--data', prepared.dataDir, '--json'], {
      env: { TALLYSTICK_TOKEN: prepared.operatorToken },
    });
    expect(onlyJson(listed)).toHaveLength(1);
    expect(await child.kill('SIGTERM')).toBe(0);
    expect(existsSync(join(prepared.dataDir, 'url'))).toBe(false);
    const gone = await command(['run', 'list', '--data', prepared.dataDir, '--json']);
    expect([gone.code, onlyJson(gone)]).toMatchObject([2, { error: { code: 'UNREACHABLE' } }]);
  });
});

describe("an operator's commands", () => {
  let coordinator: TestCoordinator;
  let env: Record<string, string>;
  let run: TestRun;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
    env = { TALLYSTICK_URL: coordinator.url, TALLYSTICK_TOKEN: coordinator.operatorToken };
    const banks = await TestBank.joinAll(coordinator, 'a', 'b', 'c');
    run = await TestRun.start(coordinator, banks);
    await run.complete(banks);
  });

  test('with --json print one JSON object, and nothing else on standard output', async () => {
    const contract = join(await temporaryFolder('contract'), 'contract.json');
    await writeFile(contract, JSON.stringify(tinyContract));
    const short = run.id.slice(0, 12);
    const commands: [args: string[], code: number, expected: unknown][] = [
      [['bank', 'list'], 0, expect.arrayContaining([expect.objectContaining({ participant: 'a' })])],
      [
        ['bank', 'invite', 'new-bank'],
        0,
        expect.objectContaining({ code: expect.stringMatching(/^tally1\./) as string }),
      ],
      [['token', 'add', 'anna'], 0, expect.objectContaining({ name: 'anna', role: 'auditor' })],
      [['token', 'list'], 0, expect.arrayContaining([expect.objectContaining({ name: 'anna' })])],
      [['token', 'remove', 'anna'], 0, { removed: 'anna' }],
      [['token', 'remove', 'anna'], 2, { error: expect.objectContaining({ code: 'NOT_FOUND' }) as object }],
      [['run', 'list'], 0, expect.arrayContaining([expect.objectContaining({ run: run.id })])],
      [['run', 'show', short], 0, expect.objectContaining({ run: run.id, phase: 'finished' })],
      [['run', 'show', 'ffff'], 2, { error: expect.objectContaining({ code: 'NOT_FOUND' }) as object }],
      [['run', 'stop', short], 2, { error: expect.objectContaining({ code: 'STATE' }) as object }],
      [
        ['run', 'propose', '--contract', contract, '--rounds', '1'],
        0,
        expect.objectContaining({ phase: 'proposed' }),
      ],
      [
        ['run', 'propose', '--contract', '/nowhere'],
        2,
        { error: expect.objectContaining({ code: 'CONTRACT' }) as object },
      ],
    ];
    for (const [args, code, expected] of commands) {
      const done = await command([...args, '--json'], { env });
      expect([args, done.code, onlyJson(done)]).toEqual([args, code, expected]);
    }
  });

  test('tell what is wrong with the way to the coordinator', async () => {
    const wrongToken = await command(['run', 'list', '--json'], {
      env: { ...env, TALLYSTICK_TOKEN: 'x'.repeat(40) },
    });
    expect([wrongToken.code, onlyJson(wrongToken)]).toMatchObject([
      2,
      { error: { code: 'UNAUTHENTICATED' } },
    ]);
    const nobody = await command(['run', 'list', '--json', '--url', 'http://127.0.0.1:1'], { env });
    expect([nobody.code, onlyJson(nobody)]).toMatchObject([2, { error: { code: 'UNREACHABLE' } }]);
  });

  test('watch follows a finished run to its end and gives its outcome as exit code', async () => {
    const watched = await command(['run', 'watch', run.id], { env });
    expect([watched.code, watched.stdout]).toEqual([0, expect.stringContaining('completed')]);
    const { run: other } = await coordinator.operator.post<{ run: string }>('/v1/runs', {
      contract: tinyContract,
      plan: tinyPlan(['a', 'b', 'c']),
    });
    await coordinator.operator.post(`/v1/runs/${other}/stop`, { reason: 'no' });
    expect((await command(['run', 'watch', other], { env })).code).toBe(1);
  });

  describe('audit verify', () => {
    let bundle: string;
    beforeAll(async () => {
      bundle = join(await temporaryFolder('export'), 'bundle');
      expect(await command(['ledger', 'export', '--out', bundle], { env })).toMatchObject({ code: 0 });
    });
    const verify = async (folder: string, charter = coordinator.charter): Promise<Finished> =>
      command(['audit', 'verify', folder, '--charter', charter, '--json']);
    const copy = async (): Promise<string> => {
      const folder = join(await temporaryFolder('bundle'), 'bundle');
      await cp(bundle, folder, { recursive: true });
      return folder;
    };

    test('is exit code 0 for what was exported', async () => {
      const done = await verify(bundle);
      expect([done.code, onlyJson(done)]).toMatchObject([0, { passed: true, complete: true }]);
      const told = await command(['audit', 'verify', bundle, '--charter', coordinator.charter]);
      expect([told.code, told.stdout]).toEqual([0, expect.stringContaining('✓ verified')]);
    });

    test('is exit code 1 for what was tampered with, or belongs to another consortium', async () => {
      const folder = await copy();
      const entries = await readFile(join(folder, 'entries.jsonl'), 'utf8');
      await writeFile(join(folder, 'entries.jsonl'), entries.replace('"granted"', '"refused"'));
      const done = await verify(folder);
      expect([done.code, onlyJson(done)]).toMatchObject([1, { passed: false, findings: [{ code: 'SIG' }] }]);
      const other = await verify(bundle, 'f'.repeat(64));
      expect([other.code, onlyJson(other)]).toMatchObject([
        1,
        { passed: false, findings: [{ code: 'LEDGER' }] },
      ]);
    });

    test('is exit code 2 when bodies are missing, and says which checks were left out', async () => {
      const folder = await copy();
      const input = await run.until('plain-input');
      await rm(join(folder, 'bodies', input.payload.vectorRoot));
      const done = await verify(folder);
      expect([done.code, onlyJson(done)]).toMatchObject([2, { passed: true, complete: false }]);
      const bare = join(await temporaryFolder('bare'), 'bundle');
      await command(['ledger', 'export', '--out', bare, '--no-bodies'], { env });
      expect((await verify(bare)).code).toBe(2);
      expect((await verify(await temporaryFolder('nothing'))).code).toBe(2);
    });
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

describe('tallystick demo', () => {
  test.each([
    ['while the banks make up their data', /make up their own applicants/],
    ['while they train', /connected to the coordinator|round \d|answering|train/i],
  ])('leaves no process behind when it is interrupted %s', async (moment, said) => {
    const folder = join(await temporaryFolder('demo'), `keep-${moment.length}`);
    await mkdir(folder);
    const demo = startCommand(['demo', '--model', 'logistic', '--rounds', '300', '--keep', folder]);
    await demo.until(/make up their own applicants/);
    if (!said.test(demo.output)) {
      await eventually(
        'five agents',
        () => processesWith(folder).filter((line) => line.includes('agent start')).length === 5,
        60_000,
      );
      await demo.until(said);
    }
    const asked = Date.now();
    demo.process.kill('SIGINT');
    const patience = new Promise((resolve) => setTimeout(() => resolve('it goes on'), 15_000));
    const code = await Promise.race([demo.exit, patience]);
    if (demo.running) await demo.kill();
    expect(code).toBe(130);
    expect(Date.now() - asked).toBeLessThan(12_000);
    await eventually('all to be gone', () => processesWith(folder).length === 0, 3000).catch(() => {});
    expect(processesWith(folder)).toEqual([]);
  });
});
