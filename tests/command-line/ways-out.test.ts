/** How a command ends when its reader, its terminal or its patience goes away: quietly, with nothing left behind. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Child } from '../support/child-process.ts';
import { processesWith, startCommand } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/opened.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { tinyApplicants, writeApplicants } from '../support/tiny-bank-data.ts';

/** As `| head` does once it has seen enough. */
function stopReading({ process }: Child): void {
  process.stdout!.destroy();
  process.stderr!.destroy();
}

test('a reader who leaves is no error, and the exit code is the one that it would have been', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite' });
  const bundle = await coordinator.bundle();
  const charters = { [coordinator.charter]: 0, ['0'.repeat(64)]: 1 };
  for (const [charter, code] of Object.entries(charters)) {
    const child = startCommand(['audit', 'verify', bundle, '--charter', charter]);
    stopReading(child);
    expect(await child.exit).toBe(code);
  }
  for (const args of [['--help'], ['audit', 'show', bundle]]) {
    const child = startCommand(args);
    child.process.stdout!.destroy();
    expect([await child.exit, child.stderr]).toEqual([0, '']);
  }
});

describe('tallystick simulate', () => {
  async function start(): Promise<{ child: Child; folder: string }> {
    const folder = await temporaryFolder('simulate');
    const data = join(await temporaryFolder('rows'), 'applicants.csv');
    await writeApplicants(data, tinyApplicants(200, 'rows'));
    const args = ['simulate', '--data', data, '--target', 'defaulted', '--positive', '1', '--model', 'mlp'];
    const child = startCommand([...args, '--rounds', '300'], { env: { TMPDIR: folder } });
    await child.until(/Starting 3 agents/);
    expect(await readdir(folder)).toHaveLength(1);
    return { child, folder };
  }

  test.each([
    ['nobody reads on', stopReading],
    ['its terminal is closed', (child: Child) => void child.process.kill('SIGHUP')],
    [
      'it is interrupted twice',
      (child: Child) => {
        child.process.kill('SIGINT');
        setTimeout(() => child.process.kill('SIGINT'), 50);
      },
    ],
  ])("leaves nothing of the banks' rows behind when %s", async (_, leave) => {
    const { child, folder } = await start();
    leave(child);
    // the second signal may find it past all clean-up
    expect([130, 'SIGINT']).toContain(await child.exit);
    await eventually('its processes to be gone', () => processesWith(folder).length === 0);
    expect(await readdir(folder)).toEqual([]);
  });
});

test('SIGHUP ends no service: a coordinator says what it has read again', async () => {
  const folder = await temporaryFolder('hangup');
  const child = startCommand(['coordinator', 'start', '--data', folder, '--port', '0', '--json']);
  await child.until(/"ready":true/);
  child.process.kill('SIGHUP');
  await child.until(/no certificate to read again/);
  expect(child.running).toBe(true);
  expect(await child.kill('SIGTERM')).toBe(0);
});
