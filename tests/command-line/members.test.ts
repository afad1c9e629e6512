/** The commands of operators, banks and auditors against a coordinator: exit codes, and what is said where. */
import { existsSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { AgentState } from '#participant-agent/state/agent-state.ts';
import { CONSIDERING } from '#shared/participant/participant.ts';
import { readInvitationCode } from '#shared/protocol/invitation-code.ts';
import { command, onlyJson, startCommand, type Finished } from '../support/command-line.ts';
import { temporaryFolder } from '../support/opened.ts';
import { replaceInEntries, tamperedCopy, type BundleContent } from '../support/bundle-parts.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

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
    const cwd = await temporaryFolder('rows');
    const args = ['agent', 'enrol', code, '--folder', folder, '--data', 'x.csv', '--json'];
    const enrolled = await command(args, { cwd });
    expect([enrolled.code, enrolled.stderr]).toEqual([0, expect.stringMatching(/x\.csv does not exist yet/)]);
    // found from wherever the agent is started
    expect(await readFile(join(folder, 'agent.yaml'), 'utf8')).toContain(join(cwd, 'x.csv'));
    const { fingerprint, participant } = onlyJson(enrolled) as { fingerprint: string; participant: string };
    expect(participant).toBe('by-command');
    for (const name of ['identity.json', 'witness.json', 'unlock.key']) {
      expect(statSync(join(folder, 'keys', name)).mode & 0o077).toBe(0);
    }
    await bank.admit(fingerprint);

    // the same bank with the same key again: the reply may have been lost; another key is refused
    expect((await command(['agent', 'enrol', code, '--folder', folder])).code).toBe(0);
    const again = await command(['agent', 'enrol', code, '--folder', `${folder}-again`]);
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

  test('start says when it is ready, and logs what agent.yaml asks for unless told otherwise', async () => {
    const folder = await temporaryFolder('quiet');
    await enrolAgent(folder, await new TestBank(coordinator, 'quiet').invite(), '/rows.csv', undefined);
    const config = join(folder, 'agent.yaml');
    const text = await readFile(config, 'utf8');
    await writeFile(config, text.replace('logLevel: info', 'logLevel: error'));
    for (const [args, isQuiet] of [
      [[], true],
      [['--log-level', 'info'], false],
    ] as const) {
      const agent = startCommand(['agent', 'start', '--folder', folder, '--json', ...args]);
      const [line] = await agent.until(/^\{"ready":true.*\}$/m);
      expect(JSON.parse(line)).toEqual({ ready: true, participant: 'quiet' });
      expect(await agent.kill('SIGTERM')).toBe(0);
      expect([args, !agent.stderr.includes('agent started')]).toEqual([args, isQuiet]);
    }
  });

  test('status and egress of an agent that never ran are exit code 2 and its enrolment alone', async () => {
    const folder = await temporaryFolder('status');
    const code = await new TestBank(coordinator, 'never-ran').invite();
    await enrolAgent(folder, code, '/rows.csv', undefined);
    const status = await command(['agent', 'status', '--folder', folder, '--json']);
    expect(status.code).toBe(2);
    expect(onlyJson(status)).toMatchObject({ connected: false, runs: [] });
    const egress = await command(['agent', 'egress', '--folder', folder, '--json']);
    expect([egress.code, onlyJson(egress)]).toMatchObject([
      0,
      { items: [{ what: 'enrol', to: coordinator.url }] },
    ]);
    const { token } = readInvitationCode(code);
    expect(egress.stdout).not.toContain(token);
  });

  test('status, egress and consent in a folder without an agent are exit code 2, and make nothing there', async () => {
    const folder = join(await temporaryFolder('wrong'), 'agent');
    for (const args of [['status'], ['egress'], ['consent', 'f'.repeat(64), 'grant']]) {
      const done = await command(['agent', ...args, '--folder', folder, '--json']);
      expect([done.code, onlyJson(done)]).toMatchObject([2, { error: { code: 'CONFIG' } }]);
      expect(done.stderr).toMatch(/agent enrol/);
    }
    expect(existsSync(folder)).toBe(false);
  });

  test('consent is taken for a run that waits for it, and for no other', async () => {
    const folder = await temporaryFolder('consent');
    await enrolAgent(folder, await new TestBank(coordinator, 'asked').invite(), '/rows.csv', undefined);
    const [waits, runs] = ['a'.repeat(64), 'b'.repeat(64)];
    const state = await AgentState.open(folder);
    const decide = (run: string): Promise<Finished> =>
      command(['agent', 'consent', run, 'grant', '--folder', folder, '--json']);
    expect(onlyJson(await decide(waits))).toMatchObject({ error: { code: 'NOT_FOUND' } });
    await state.writeStatus({
      connected: true,
      since: 'now',
      runs: [
        { run: waits, name: 'waits', phase: 'proposed', detail: CONSIDERING },
        { run: runs, name: 'runs', phase: 'collecting', detail: 'training' },
      ],
    });
    const granted = await decide(waits.slice(0, 6));
    expect([granted.code, onlyJson(granted)]).toEqual([0, { run: waits, decision: 'grant' }]);
    expect(await state.decisionFor(waits)).toMatchObject({ decision: 'granted' });
    const late = await decide(runs);
    expect([late.code, onlyJson(late)]).toMatchObject([2, { error: { code: 'STATE' } }]);
    expect(await state.decisionFor(runs)).toBeUndefined();
  });

  test("a damaged file of the agent's state is named", async () => {
    const folder = await temporaryFolder('damaged');
    await enrolAgent(folder, await new TestBank(coordinator, 'damaged').invite(), '/rows.csv', undefined);
    await AgentState.open(folder);
    await writeFile(join(folder, 'state/status.json'), '{"connected":tr');
    const status = await command(['agent', 'status', '--folder', folder]);
    expect([status.code, status.stderr]).toEqual([2, expect.stringMatching(/STORAGE.*status\.json/s)]);
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
    const some = (one: object): unknown => expect.arrayContaining([expect.objectContaining(one)]);
    const commands: [args: string[], code: number, expected: unknown][] = [
      [['bank', 'list'], 0, { banks: some({ participant: 'a' }) }],
      [
        ['bank', 'invite', 'new-bank'],
        0,
        expect.objectContaining({ code: expect.stringMatching(/^tally1\./) as string }),
      ],
      [['token', 'add', 'anna'], 0, expect.objectContaining({ name: 'anna', role: 'auditor' })],
      [['token', 'list'], 0, { tokens: some({ name: 'anna' }) }],
      [['token', 'remove', 'anna'], 0, { removed: 'anna' }],
      [['token', 'remove', 'anna'], 2, { error: expect.objectContaining({ code: 'NOT_FOUND' }) as object }],
      [['run', 'list'], 0, { runs: some({ run: run.id }) }],
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

  test('take nothing from the path that an id makes', async () => {
    const done = await command(['bank', 'admit', '../runs', 'a', '--json'], { env });
    expect([done.code, onlyJson(done)]).toMatchObject([2, { error: {} }]);
  });

  test('invite says when the address in the invitation is of no use elsewhere', async () => {
    const local = await command(['bank', 'invite', 'far-away'], { env });
    expect([local.code, local.stderr]).toEqual([0, expect.stringMatching(/warning.*--public-url/s)]);
    const args = ['bank', 'invite', 'far-off', '--public-url', 'https://coordinator.example'];
    expect(await command(args, { env })).toMatchObject({ code: 0, stderr: '' });
  });

  test('search looks at its grid before it asks anybody, and refuses what its model does not have', async () => {
    const contract = join(await temporaryFolder('grid'), 'contract.json');
    await writeFile(contract, JSON.stringify(tinyContract));
    const nowhere = ['--contract', contract, '--url', 'http://127.0.0.1:1', '--json'];
    for (const [args, message] of [
      [['--grid', 'depth=3'], /--grid/],
      [['--grid', '{"depth":[3,4]}', '--max-trials', '1'], /--max-trials/],
      [['--grid', '{"depth":[3,4]}', '--model', 'scorecard', '--patience', '3'], /--patience.*scorecard/],
    ] as const) {
      const done = await command(['run', 'search', ...args, ...nowhere], { env });
      expect([done.code, onlyJson(done)]).toMatchObject([
        2,
        { error: { code: 'USAGE', message: expect.stringMatching(message) as string } },
      ]);
    }
  });

  test('watch follows a finished run to its end and gives its outcome as exit code', async () => {
    const watched = await command(['run', 'watch', run.id], { env });
    expect([watched.code, watched.stdout]).toEqual([0, expect.stringContaining('completed')]);
    const { run: other } = await coordinator.operator.post<{ run: string }>('/v1/runs', {
      contract: tinyContract,
      plan: tinyPlan(['a', 'b', 'c']),
    });
    await coordinator.operator.post(`/v1/runs/${other}/stop`, { reason: 'no' });
    for (const args of [
      ['watch', other],
      ['show', other],
      ['show', other, '--json'],
    ])
      expect([args, (await command(['run', ...args], { env })).code]).toEqual([args, 1]);
  });

  describe('audit verify', () => {
    let bundle: string;
    beforeAll(async () => {
      bundle = join(await temporaryFolder('export'), 'bundle');
      expect(await command(['audit', 'export', '--out', bundle], { env })).toMatchObject({ code: 0 });
    });
    const verify = async (folder: string, charter = coordinator.charter): Promise<Finished> =>
      command(['audit', 'verify', folder, '--charter', charter, '--json']);
    test('is exit code 0 for what was exported', async () => {
      const done = await verify(bundle);
      expect([done.code, onlyJson(done)]).toMatchObject([0, { passed: true, complete: true }]);
      const told = await command(['audit', 'verify', bundle, '--charter', coordinator.charter]);
      expect([told.code, told.stdout]).toEqual([0, expect.stringContaining('✓ verified')]);
    });

    test('is exit code 1 for what was tampered with, or belongs to another consortium', async () => {
      const change = (content: BundleContent): void => replaceInEntries(content, '"granted"', '"refused"');
      const done = await verify(await tamperedCopy(bundle, change));
      expect([done.code, onlyJson(done)]).toMatchObject([1, { passed: false, findings: [{ code: 'SIG' }] }]);
      const other = await verify(bundle, 'f'.repeat(64));
      expect([other.code, onlyJson(other)]).toMatchObject([
        1,
        { passed: false, findings: [{ code: 'LEDGER' }] },
      ]);
    });

    test('is exit code 2 when bodies are missing, and says which checks were left out', async () => {
      const { vectorRoot } = (await run.until('plain-input')).payload;
      const without = await tamperedCopy(bundle, (content) => {
        content.bodies = content.bodies.filter(([root]) => root !== vectorRoot);
      });
      const done = await verify(without);
      expect([done.code, onlyJson(done)]).toMatchObject([2, { passed: true, complete: false }]);
      const bare = join(await temporaryFolder('bare'), 'bundle');
      await command(['audit', 'export', '--out', bare, '--no-bodies'], { env });
      expect((await verify(bare)).code).toBe(2);
      expect((await verify(await temporaryFolder('nothing'))).code).toBe(2);
    });
  });
});
