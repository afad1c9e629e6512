/** Other users of the machine, and listeners on its network: what they can read, and what an operator is told of it. */
import { chmodSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { command, onlyJson, startCommand } from '../support/command-line.ts';
import { closeLater, temporaryFolder } from '../support/opened.ts';
import { freshStorage } from '../support/test-coordinator.ts';

test('a folder that was open to others is closed, clear text beyond this machine is warned of, secrets need not be arguments', async () => {
  const { dataDir } = await freshStorage('pglite');
  chmodSync(dataDir, 0o755);
  const coordinator = startCommand([
    ...['coordinator', 'start', '--data', dataDir, '--port', '0', '--host', '0.0.0.0'],
    ...['--log-level', 'warn', '--json'],
  ]);
  closeLater(() => coordinator.kill('SIGTERM').then(() => {}));
  const [line] = await coordinator.until(/^\{"ready":true.*\}$/m);
  const url = (JSON.parse(line) as { url: string }).url.replace('0.0.0.0', '127.0.0.1');
  expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  expect(coordinator.stderr).toMatch(/was open to other users/);
  expect(coordinator.stderr).toMatch(/without TLS/);

  const file = join(dataDir, 'operator.token');
  expect(statSync(file).mode & 0o077).toBe(0);
  const remote = ['--url', url, '--json'];
  const listed = await command(['token', 'list', ...remote, '--token', `@${file}`]);
  expect(onlyJson(listed)).toMatchObject({ tokens: [{ name: 'first-operator', role: 'operator' }] });
  const asked = startCommand(['token', 'list', ...remote, '--token', '-']);
  asked.process.stdin!.end(await readFile(file));
  expect(await asked.exit).toBe(0);
  expect(await command(['token', 'list', ...remote, '--token', '@/no/such/file'])).toMatchObject({ code: 2 });

  const invited = await command(['bank', 'invite', 'harbour', ...remote, '--token', `@${file}`]);
  const folder = await temporaryFolder('invited');
  const codeFile = join(folder, 'code.txt');
  await writeFile(codeFile, `${(onlyJson(invited) as { code: string }).code}\n`);
  const enrolled = await command(['agent', 'enrol', `@${codeFile}`, '--folder', join(folder, 'a'), '--json']);
  expect(enrolled.code).toBe(0);
  expect(onlyJson(enrolled)).toMatchObject({ participant: 'harbour' });
});
