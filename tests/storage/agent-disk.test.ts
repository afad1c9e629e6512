/** What becomes of an agent whose own disk fails under it. A folder where a file should be stands for a full one. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import pino from 'pino';
import { maskedPlan } from '../masked/masked-agents.ts';
import { startCommand } from '../support/command-line.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

const IDS = ['a', 'b', 'c'];

test('an agent that cannot write its peers down says so, blames nobody, ends, and goes on when it is started again', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const logged: string[] = [];
  const log = pino({ level: 'fatal' }, { write: (line) => void logged.push(line) });
  await TestAgent.joinAll(coordinator, ['a', 'b']);
  const agent = await TestAgent.join(coordinator, 'c', { log });
  const obstacle = join(agent.folder, 'state/peers.json.new');
  await mkdir(obstacle);
  const run = await TestRun.propose(coordinator, maskedPlan(IDS));
  expect(await agent.broken).toMatchObject({
    code: 'STORAGE',
    message: expect.stringMatching(/EISDIR/) as string,
  });
  expect(logged.join('')).not.toMatch(/broke the protocol/);
  await agent.stop();

  // as a supervisor does it: again and again, until there is room
  const again = startCommand(['agent', 'start', '--folder', agent.folder]);
  expect([await again.exit, again.stderr]).toEqual([1, expect.stringMatching(/EISDIR/)]);
  await rm(obstacle, { recursive: true });
  await agent.start();
  const end = await run.finished();
  expect(end).toMatchObject({ outcome: 'completed' });
  await agent.model(end.artefact!);
  const peers: unknown = JSON.parse(await readFile(join(agent.folder, 'state/peers.json'), 'utf8'));
  expect(Object.keys(peers as object).sort()).toEqual(IDS);
});
