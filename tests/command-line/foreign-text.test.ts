/**
 * A name that somebody else chose is only text on the terminals of those who read it: it is refused where it is made,
 * and inert wherever it comes from all the same.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agentYaml } from '#participant-agent/config.ts';
import { command, type Finished } from '../support/command-line.ts';
import { putTogether, replaceInEntries, takeApart } from '../support/bundle-parts.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

/** On a terminal: goes up over what was printed, writes a verdict there, comes back, and hides what follows. */
const FORGED = 'spring\u001b7\u001b[4A\r\u001b[32m✓ verified \u001b[0m\u001b8\u001b[8m';
const INERT = 'spring\\u{1b}7\\u{1b}[4A\\u{d}\\u{1b}[32m✓ verified ';

/** Nothing that a terminal would do: neither control characters but line ends, nor characters that are not seen. */
function expectInert({ stdout, stderr }: Finished): void {
  expect(FORGED.length).toBeLessThan(50);
  // eslint-disable-next-line no-control-regex
  expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e]/);
}

test('is refused by the coordinator when a run is proposed, and in a bundle by whoever reads it', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite' });
  await TestBank.join(coordinator, 'a');
  const plan = tinyPlan(['a'], { deadlines: { consentMs: 3_600_000 } });
  await expect(
    coordinator.operator.post('/v1/runs', { contract: tinyContract, plan: { ...plan, name: FORGED } }),
  ).rejects.toMatchObject({ code: 'SCHEMA' });
  await expect(coordinator.operator.post('/v1/incidents', { reason: FORGED })).rejects.toMatchObject({
    code: 'SCHEMA',
  });

  await TestRun.propose(coordinator, { ...plan, name: 'NAME' });
  const file = await coordinator.bundle();
  const content = await takeApart(new Uint8Array(await readFile(file)));
  replaceInEntries(content, '"NAME"', JSON.stringify(FORGED));
  await writeFile(`${file}.forged`, putTogether(content));
  for (const args of [
    ['verify', `${file}.forged`, '--charter', coordinator.charter],
    ['show', `${file}.forged`],
  ]) {
    const shown = await command(['audit', ...args]);
    expect(shown.code).not.toBe(0);
    expectInert(shown);
    expect(shown.stdout + shown.stderr).toMatch(/SCHEMA|must be text that is seen/);
  }
});

test('from another coordinator does nothing in `run list` and `run show`, nor in its refusals', async () => {
  const run = {
    run: '9d'.repeat(32),
    name: FORGED,
    phase: 'finished',
    proposedAt: 0,
    consents: [],
    roster: [],
  };
  const result = { outcome: 'failed', at: 0, reason: FORGED, metrics: {} };
  const view = { ...run, rounds: [], result, plan: { program: { name: FORGED }, aggregation: 'masked' } };
  const server = createServer((request, response) => {
    const isRefused = request.url?.includes('participants') === true;
    response.statusCode = isRefused ? 409 : 200;
    const problem = { code: 'STATE', detail: FORGED };
    response.end(JSON.stringify(isRefused ? problem : request.url === '/v1/runs' ? { runs: [view] } : view));
  });
  closeLater(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const remote = ['--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}`, '--token', 'x'];
  for (const args of [
    ['run', 'list'],
    ['run', 'show', run.run],
    ['bank', 'list'],
    ['run', 'list', '--json'],
  ]) {
    const shown = await command([...args, ...remote]);
    expectInert(shown);
    if (!args.includes('--json')) expect(shown.stdout + shown.stderr).toContain(INERT);
  }
});

test('does nothing in `agent status`, where a person looks before consent', async () => {
  const folder = await temporaryFolder('agent');
  await mkdir(join(folder, 'state'));
  const config = { url: 'http://127.0.0.1:1', charter: 'f'.repeat(64), participant: 'a', dataFile: 'a.csv' };
  await writeFile(join(folder, 'agent.yaml'), agentYaml(config));
  const run = { run: '9d'.repeat(32), name: FORGED, phase: 'proposed', detail: FORGED };
  await writeFile(
    join(folder, 'state/status.json'),
    JSON.stringify({ pid: process.pid, connected: true, since: new Date(0).toISOString(), runs: [run] }),
  );
  const shown = await command(['agent', 'status', '--folder', folder]);
  expectInert(shown);
  expect(shown.stdout).toContain(INERT);
});
