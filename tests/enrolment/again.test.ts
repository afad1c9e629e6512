/** What a second enrolment and an edited file change, and what they cannot. */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { beforeAll, describe, expect, test } from 'vitest';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { PolicyFile } from '#participant-agent/policy/policy-file.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { command, onlyJson } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/opened.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'pglite' });
});

describe('enrolling again', () => {
  test('corrects the file of applicants and says so; comments and other settings stay', async () => {
    const cwd = await temporaryFolder('again');
    const code = await new TestBank(coordinator, 'again').invite();
    const enrol = (...more: string[]) => command(['agent', 'enrol', code, ...more], { cwd });
    expect((await enrol('--data', 'aplicants.csv')).stderr).toMatch(/aplicants\.csv does not exist/);
    const path = join(cwd, 'tallystick-agent', 'agent.yaml');
    const edited = (await readFile(path, 'utf8')).replace('logLevel: info', 'logLevel: warn # quieter');
    await writeFile(path, edited);
    await writeFile(join(cwd, 'applicants.csv'), 'x\n');

    const again = await enrol('--data', 'applicants.csv');
    expect([again.code, again.stderr]).toEqual([0, '']);
    expect(again.stdout).toMatch(/data\.file is now .*applicants\.csv \(was .*aplicants\.csv\)/);
    expect(again.stdout).toMatch(/reads agent\.yaml at its next start/);
    const text = await readFile(path, 'utf8');
    expect(text).toContain('logLevel: warn # quieter');
    expect(text).toContain('# Where the agent dials out to. Nobody dials in.');

    const same = await enrol();
    expect(same.stdout).not.toMatch(/is now/);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  test("in another bank's folder is refused before anything is sent", async () => {
    const folder = await temporaryFolder('taken');
    await enrolAgent(folder, await new TestBank(coordinator, 'first').invite(), '/a.csv', undefined);
    const code = await new TestBank(coordinator, 'second').invite();
    await expect(enrolAgent(folder, code, '/b.csv', undefined)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringMatching(/folder of "first".*for "second"; give another --folder/s) as string,
    });
    expect((await coordinator.ledger()).filter(({ type }) => type === 'enrol')).toHaveLength(2);
  });
});

test('what is no fingerprint is told from what is the wrong one', async () => {
  const bank = new TestBank(coordinator, 'read-out');
  await bank.enrol(await bank.invite());
  await expect(bank.admit('1a2b-3c4d')).rejects.toMatchObject({ code: 'SCHEMA' });
  await expect(bank.admit('0123-4567-89ab-cdef-0123-4567-89ab-cdef')).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
  await bank.admit(bank.fingerprint.replaceAll('-', '').toUpperCase());
});

describe('a policy that is edited while the agent runs', () => {
  test('holds for the next proposal', async () => {
    const said: string[] = [];
    const log = pino({ level: 'info' }, { write: (line) => void said.push(line) });
    const agent = await TestAgent.join(coordinator, 'strict', { log });
    await eventually('it to be connected', () => said.some((line) => line.includes('connected to')));
    const path = join(agent.folder, 'policy.yaml');
    await writeFile(path, (await readFile(path, 'utf8')).replace(/^programs: .*$/m, 'programs: [scorecard]'));
    const run = await TestRun.propose(coordinator, tinyPlan(['strict']));
    await eventually('its refusal', async () => {
      const [consent] = (await coordinator.operator.run(run.id)).consents;
      return consent!.decision === 'refused' && /"fedavg" is not allowed/.test(consent!.reason);
    });
    expect(said.some((line) => line.includes('new rules hold from now on'))).toBe(true);
  });

  test('and makes no sense leaves the rules before it, and every run to a person', async () => {
    const folder = await temporaryFolder('policy');
    const path = join(folder, 'policy.yaml');
    await writeFile(path, policyYaml({ consent: 'automatic' }));
    const said: string[] = [];
    const file = PolicyFile.open(path, pino({}, { write: (line) => void said.push(line) }));
    expect(file.current()).toMatchObject({ consent: 'automatic', minimumCohort: 'derived' });
    await appendFile(path, 'minimumCohort: many\n');
    expect(file.current()).toMatchObject({ consent: 'ask', minimumCohort: 'derived' });
    expect(file.current()).toMatchObject({ consent: 'ask' });
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/"level":50.*every run waits for a person/);
    await writeFile(path, policyYaml({ minimumCohort: 4 }));
    expect(file.current()).toMatchObject({ consent: 'ask', minimumCohort: 4 });
  });
});

test('`agent policy check` says what the rules allow, or which one makes no sense', async () => {
  const folder = await temporaryFolder('check');
  await enrolAgent(folder, await new TestBank(coordinator, 'checked').invite(), '/a.csv', undefined);
  const check = (...more: string[]) => command(['agent', 'policy', 'check', '--folder', folder, ...more]);
  expect(await check()).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /A person decides on every run.*masked.*at least two thirds.*500 rounds/s,
    ) as string,
  });
  await writeFile(
    join(folder, 'policy.yaml'),
    policyYaml({ consent: 'automatic', aggregation: ['plain'], minimumCohort: 2 }),
  );
  const lax = await check();
  expect(lax.stdout).toMatch(/sees this bank's updates/);
  expect(lax.stdout).toMatch(/with two banks/);
  await writeFile(join(folder, 'policy.yaml'), 'consent: perhaps\n');
  const wrong = await check('--json');
  expect([wrong.code, onlyJson(wrong)]).toMatchObject([2, { error: { code: 'CONFIG' } }]);
  expect(wrong.stderr).toMatch(/policy\.yaml: consent/);
});
