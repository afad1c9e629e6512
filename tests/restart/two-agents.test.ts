/** One agent a folder: two would each know only their own promises, and could sign two things for one slot. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { eventually } from '../support/eventually.ts';
import { command, onlyJson, startCommand } from '../support/command-line.ts';
import { temporaryFolder } from '../support/opened.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'postgres' });
});

test('an agent that is started while one runs ends with an error that says which file to look at, and disturbs nothing', async () => {
  const folder = await temporaryFolder('twice');
  await enrolAgent(folder, await new TestBank(coordinator, 'twice').invite(), '/rows.csv', undefined);
  const start = ['agent', 'start', '--folder', folder];
  const first = startCommand(start);
  await first.until(/training engine/);
  await first.until(/does not let the agent in/); // it keeps waiting, with nothing else to do
  const second = await command(start);
  expect([second.code, second.stderr]).toEqual([
    2,
    expect.stringMatching(/STORAGE.*\block\b.*delete that file/s),
  ]);
  expect(first.running).toBe(true);

  const status = async (): Promise<unknown> =>
    onlyJson(await command(['agent', 'status', '--folder', folder, '--json']));
  await eventually('its status', async () => (await status()) !== undefined);
  expect(await status()).toMatchObject({ running: true, pid: first.process.pid });
  await first.kill(); // kill -9: it has no say
  expect(await status()).toMatchObject({ running: false, pid: first.process.pid });
  const told = await command(['agent', 'status', '--folder', folder]);
  expect(told.stdout).toMatch(new RegExp(`not running.*${first.process.pid}`));
  const third = startCommand(start);
  await third.until(/agent started/);
  expect(await third.kill('SIGTERM')).toBe(0);
  expect(existsSync(join(folder, 'lock'))).toBe(false);
});

test('an agent in the same process is kept out too, until the first is closed', async () => {
  const agent = await TestAgent.join(coordinator, 'same-process');
  const again = (): Promise<void> => agent.start();
  await expect(again()).rejects.toMatchObject({ code: 'STORAGE' });
  await agent.stop();
  await again();
});
