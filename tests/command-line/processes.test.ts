/** Commands that stay: what keeps them from starting, and that nothing is left when they end. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { command, onlyJson, processesWith, startCommand } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

describe('tallystick coordinator start', () => {
  let prepared: TestCoordinator;
  let env: Record<string, string>;
  beforeAll(async () => {
    prepared = await TestCoordinator.start({ database: 'postgres' });
    await TestBank.join(prepared, 'a');
    await TestRun.propose(prepared, tinyPlan(['a'], { deadlines: { consentMs: 3_600_000 } }));
    await prepared.stop();
    env = { DATABASE_URL: prepared.storage.databaseUrl! };
  });
  const args = (...more: string[]): string[] => ['coordinator', 'start', '--data', prepared.dataDir, ...more];

  test('on a port that is taken ends with exit code 2, also when a run waits in its ledger', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    closeLater(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const { code, stdout, stderr } = await command(args('--port', String(port), '--json'), { env });
    expect([code, stderr]).toEqual([2, expect.stringContaining(`port ${port}`)]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'PORT_IN_USE' } });
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
    expect(onlyJson(listed)).toMatchObject({ runs: [{ phase: 'proposed' }] });
    expect(await child.kill('SIGTERM')).toBe(0);
    expect(existsSync(join(prepared.dataDir, 'url'))).toBe(false);
    const gone = await command(['run', 'list', '--data', prepared.dataDir, '--json']);
    expect([gone.code, onlyJson(gone)]).toMatchObject([2, { error: { code: 'UNREACHABLE' } }]);
  });
});

describe('tallystick demo', () => {
  test('keeps nothing in a folder where something is, and leaves that alone', async () => {
    const folder = await temporaryFolder('full');
    await writeFile(join(folder, 'mine.txt'), 'mine');
    const { code, stderr } = await command(['demo', '--keep', folder]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/USAGE.*not empty/s)]);
    expect(await readdir(folder)).toEqual(['mine.txt']);
  });

  test.each([
    ['while the banks make up their data', /make up their own applicants/],
    ['while its agents start', /Starting 5 agents/],
  ])('leaves no process behind when it is interrupted %s', async (moment, said) => {
    const folder = join(await temporaryFolder('demo'), `keep-${moment.length}`);
    await mkdir(folder);
    const demo = startCommand(['demo', '--model', 'mlp', '--rounds', '300', '--keep', folder]);
    await demo.until(said);
    expect(await demo.kill('SIGINT')).toBe(130);
    await eventually('all to be gone', () => processesWith(folder).length === 0);
  });
});
