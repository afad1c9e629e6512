/** The ways by which banks reach a coordinator: below a path, through proxies, past a limit for bodies, after it was away. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { expect, test } from 'vitest';
import { proxyFor } from '#participant-agent/transport/proxy.ts';
import { AUTHORITY } from '../support/certificate.ts';
import { command, onlyJson, startCommand } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { startForwardProxy } from '../support/forward-proxy.ts';
import { startFront } from '../support/front.ts';
import { temporaryFolder } from '../support/opened.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

test('a bank joins and follows through a proxy with a password, TLS by an authority of its own, and a path', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite' });
  const front = await startFront(coordinator.url, { prefix: '/fl/', tls: true });
  const proxy = await startForwardProxy('bank:p@ss wörd');
  const cwd = await temporaryFolder('bank');
  const caFile = join(cwd, 'ca.pem');
  await writeFile(caFile, AUTHORITY);
  await writeFile(join(cwd, 'rows.csv'), 'x\n1\n');
  const remote = ['--url', front.slice(0, -1), '--token', coordinator.operatorToken];
  const env = { HTTPS_PROXY: proxy.url.href, NODE_EXTRA_CA_CERTS: caFile };

  const invited = await command(['bank', 'invite', 'harbour', ...remote, '--json'], { env });
  const { code } = onlyJson(invited) as { code: string };
  const enrolled = await command(['agent', 'enrol', code, '--data', 'rows.csv', '--json'], { env, cwd });
  expect(enrolled).toMatchObject({ code: 0, stderr: '' });
  const { fingerprint } = onlyJson(enrolled) as { fingerprint: string };
  // as somebody types what was read out
  const typed = fingerprint.replaceAll('-', ' ').toUpperCase();
  expect((await command(['bank', 'admit', 'harbour', typed, ...remote], { env })).code).toBe(0);

  // started later by somebody else, without the variable: agent.yaml knows the authority
  expect(await readFile(join(cwd, 'tallystick-agent', 'agent.yaml'), 'utf8')).toContain(caFile);
  const agent = startCommand(['agent', 'start'], { env: { HTTPS_PROXY: proxy.url.href }, cwd });
  await agent.until(/connected to the coordinator/);
  const { host } = new URL(front);
  expect(new Set(proxy.asked)).toEqual(new Set([`200 ${host}`]));
  const watched = startCommand(['run', 'list', ...remote], { env: { ...env, NO_PROXY: '127.0.0.1' } });
  const before = proxy.asked.length;
  expect([await watched.exit, watched.stdout]).toEqual([0, expect.stringContaining('No runs yet')]);
  expect(proxy.asked).toHaveLength(before);
  expect(await agent.kill('SIGTERM')).toBe(0);
});

test('a large model is trained past a proxy that takes 1 MiB, in pieces, and the banks say so once', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite' });
  const url = await startFront(coordinator.url, { prefix: '/fl/', bodyBytesMax: 1_048_576 });
  const warned: { msg: string; pieceBytes?: number }[] = [];
  const log = pino(
    { level: 'warn' },
    { write: (line) => void warned.push(JSON.parse(line) as (typeof warned)[0]) },
  );
  const ids = ['a', 'b', 'c'];
  await TestAgent.joinAll(coordinator, ids, { url, log });
  const run = await TestRun.propose(coordinator, tinyPlan(ids, { hidden: [600, 600], rounds: 1 }));
  await eventually(
    'the run to end',
    async () => (await coordinator.operator.run(run.id)).result !== undefined,
  );
  expect((await coordinator.operator.run(run.id)).result).toMatchObject({ outcome: 'completed' });
  const pieces = warned.filter(({ msg }) => /takes no request of this size/.test(msg));
  expect(pieces.map(({ pieceBytes }) => pieceBytes)).toEqual([524_288, 524_288, 524_288]);
  expect(pieces[0]!.msg).toMatch(/client_max_body_size/);
});

test('an agent says when the coordinator has gone, why, and in its status', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite' });
  const said: string[] = [];
  const log = pino({ level: 'info' }, { write: (line) => void said.push(line) });
  const agent = await TestAgent.join(coordinator, 'a', { log });
  await eventually('it to be connected', () =>
    said.some((line) => /connected to the coordinator/.test(line)),
  );
  const { port } = new URL(coordinator.url);
  await coordinator.stop();
  await eventually('a line', () => said.some((line) => /"level":40.*was lost; dialling again/.test(line)));
  await eventually('the cause', () =>
    said.some((line) => new RegExp(`"level":40.*nothing listens at 127.0.0.1:${port}`).test(line)),
  );
  await eventually('its status', async () =>
    /nothing listens/.test((await (await agent.state()).status())?.reason ?? ''),
  );
  const shown = await command(['agent', 'status', '--folder', agent.folder]);
  expect(shown.stdout).toMatch(/not connected.*\n.*nothing listens at/);
  await coordinator.start();
  await eventually('it to be back', async () => (await (await agent.state()).status())?.connected === true);
  expect((await (await agent.state()).status())?.reason).toBeUndefined();
});

test('an agent whose clock is wrong shows it in its status', async () => {
  const coordinator = await TestCoordinator.start({ database: 'pglite' });
  const clock = { now: () => coordinator.clock.now() + 7_200_000 };
  const agent = await TestAgent.join(coordinator, 'late', { clock });
  await eventually('its status', async () =>
    /clock.*NTP/.test((await (await agent.state()).status())?.reason ?? ''),
  );
});

test.each([
  ['https://c.example', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1/'],
  ['http://c.example', { HTTPS_PROXY: 'http://p:1' }, undefined],
  ['http://c.example', { http_proxy: 'p:1', HTTP_PROXY: 'http://q:1' }, 'http://p:1/'],
  ['https://c.example', { ALL_PROXY: 'http://p:1' }, 'http://p:1/'],
  ['https://c.example', { HTTPS_PROXY: '' }, undefined],
  ['https://c.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'other.example, .example' }, undefined],
  ['https://c.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'c.example:8443' }, 'http://p:1/'],
  ['https://c.example:8443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'c.example:8443' }, undefined],
  ['https://notc.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'c.example' }, 'http://p:1/'],
  ['https://[::1]:7400', { HTTPS_PROXY: 'http://p:1', no_proxy: '[::1]' }, undefined],
  ['https://c.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '*' }, undefined],
])('%s with %j goes through %s', (url, environment, proxy) => {
  expect(proxyFor(new URL(url), environment)?.href).toBe(proxy);
});

test('a proxy of another kind is refused with an example', () => {
  expect(() => proxyFor(new URL('https://c'), { HTTPS_PROXY: 'socks5://p:1' })).toThrow(
    /HTTP proxy, such as/,
  );
});
