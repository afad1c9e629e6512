/** An operator's token: what it can do, how long, and what of it others find out. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseCoordinatorConfig } from '#coordinator/config.ts';
import { createCoordinator } from '#coordinator/coordinator.ts';
import { leaveLocalAccess } from '#coordinator/local-access.ts';
import { createLogger } from '#coordinator/logger.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { operatorActs } from '#scripts/audit/history-report.ts';
import { readHistory } from '#scripts/audit/read-history.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { parseEntry } from '#shared/ledger/entry.ts';
import type { MessageType } from '#shared/protocol/messages.ts';
import { MovableClock } from '../support/movable-clock.ts';
import { closeLater } from '../support/opened.ts';
import { request, TestBank } from '../support/test-bank.ts';
import { freshStorage, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

const DAY_MS = 86_400_000;

interface Made {
  readonly token: string;
  readonly expiresAt: number;
}

test('whatever an operator has done is in the ledger under the name of the token it was done with', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const { token } = await coordinator.operator.post<Made>('/v1/tokens', { name: 'anna', role: 'operator' });
  const anna = new OperatorClient(coordinator.url, token);
  const banks = ['a', 'b', 'c'].map((id) => new TestBank(coordinator, id));
  for (const bank of banks) {
    const { code } = await anna.post<{ code: string }>('/v1/invitations', {
      participant: bank.id,
      url: coordinator.url,
    });
    await bank.enrol(code);
    await anna.post(`/v1/participants/${bank.id}/admission`, { fingerprint: bank.fingerprint });
    await bank.connect();
  }
  const propose = async (name: string): Promise<string> => {
    const plan = tinyPlan(['a', 'b', 'c'], { name, minimum: 1 });
    return (await anna.post<{ run: string }>('/v1/runs', { contract: tinyContract, plan })).run;
  };
  const run = await propose('one');
  const consent = banks[0]!.sign('consent', { run, from: 'a', decision: 'granted', reason: '' });
  expect(await banks[0]!.submit(consent)).toMatchObject({ outcome: 'accepted' });
  await anna.post(`/v1/runs/${run}/start`, {});
  await anna.post(`/v1/runs/${run}/stop`, { reason: 'enough' });
  coordinator.clock.advance(1000);
  await anna.post('/v1/retention', { keepDays: 0 });
  await anna.post('/v1/incidents', { reason: 'the disk was changed' });
  await anna.post('/v1/ledger/key', {});
  await anna.post('/v1/participants/c/revocation', { reason: 'it left' });
  await anna.post('/v1/tokens', { name: 'berta', role: 'auditor' });
  await anna.post('/v1/tokens/berta/removal', {});

  const checked = await readHistory(await coordinator.bundle(), coordinator.charter);
  const done = operatorActs(checked).filter(({ by }) => by === 'anna');
  const byType = (type: MessageType): number =>
    checked.entries.filter(
      ({ recorded: { entry } }) =>
        entry.message.type === type && (entry.message.payload as { by?: string }).by === 'anna',
    ).length;
  expect(done.map(({ what }) => what.split(' ')[0])).toEqual([
    ...['invite', 'admit', 'invite', 'admit', 'invite', 'admit'],
    ...['propose', 'start', 'stop', 'expire', 'incident', 'rotate-log-key', 'revoke', 'token', 'token'],
  ]);
  expect(byType('token')).toBe(2);
  // what the coordinator does by itself has no operator's name
  const idle = await TestRun.propose(coordinator, tinyPlan(['a', 'b'], { name: 'two' }));
  for (const bank of banks.slice(0, 2)) await idle.consent(bank);
  await idle.until('run-started');
  expect(
    idle.entries.find(({ message }) => message.type === 'run-started')!.message.payload,
  ).not.toHaveProperty('by');
});

test('a token is worth nothing after its time, over HTTP and for whoever watches, and a name tells whose it was', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const add = (body: object): Promise<Made> => coordinator.operator.post<Made>('/v1/tokens', body);
  const short = await add({ name: 'short', role: 'auditor', days: 1 });
  const usual = await add({ name: 'usual', role: 'auditor' });
  expect(short.expiresAt - coordinator.clock.now()).toBeLessThanOrEqual(DAY_MS);
  expect(usual.expiresAt - coordinator.clock.now()).toBeGreaterThan(89 * DAY_MS);
  const status = async ({ token }: Made): Promise<number> =>
    (await request(coordinator.url, 'GET', '/v1/runs', { token })).status;
  expect([await status(short), await status(usual)]).toEqual([200, 200]);
  coordinator.clock.advance(DAY_MS);
  expect([await status(short), await status(usual)]).toEqual([401, 200]);
  const watching = new OperatorClient(coordinator.url, short.token).watch('0'.repeat(64), () => {});
  await expect(watching).rejects.toThrow(/UNAUTHENTICATED/);
  coordinator.clock.advance(89 * DAY_MS);
  expect(await status(usual)).toBe(401);
  for (const days of [0, -1, 3651])
    await expect(add({ name: 'x', role: 'auditor', days })).rejects.toMatchObject({ code: 'SCHEMA' });
  const { tokens } = await coordinator.operator.get<{
    tokens: { name: string; lastUsedAt: number | null }[];
  }>('/v1/tokens');
  expect(tokens.find(({ name }) => name === 'usual')!.lastUsedAt).not.toBeNull();
  await coordinator.restart();
  expect([await status(short), await status(usual)]).toEqual([401, 401]);
});

test('evidence cannot be deleted before the time that the charter names, whoever asks', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres', leastRetentionDays: 90 });
  const banks = await TestBank.joinAll(coordinator, 'a', 'b');
  const run = await TestRun.start(coordinator, banks);
  await run.complete(banks);
  const expire = (keepDays: number): Promise<{ runs: string[] }> =>
    coordinator.operator.post<{ runs: string[] }>('/v1/retention', { keepDays });
  for (const days of [0, 89]) await expect(expire(days)).rejects.toMatchObject({ code: 'STATE' });
  expect(await expire(90)).toEqual({ runs: [] });
  expect(await auditBundle(await coordinator.bundle(), coordinator.charter)).toMatchObject({
    passed: true,
    complete: true,
  });
  coordinator.clock.advance(91 * DAY_MS);
  expect(await expire(90)).toEqual({ runs: [run.id] });
});

test('every bank is told of who is admitted, who changed keys and who is revoked, and an auditor whose keys they are', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const watcher = await TestBank.join(coordinator, 'watcher');
  const fresh = await TestBank.join(coordinator, 'fresh');
  await coordinator.operator.post('/v1/participants/fresh/revocation', { reason: 'it left' });
  await watcher.ask('follow', { from: 0 }); // by now it was told
  const told = watcher.entries.flatMap(({ message }) =>
    'participant' in message.payload && message.payload.participant === 'fresh' ? [message.type] : [],
  );
  expect(told).toEqual(['invite', 'admit', 'revoke']);
  expect(watcher.entries.map(({ message }) => message.type)).toContain('enrol');

  const bundle = await coordinator.bundle();
  const audit = (banks: Record<string, string>) =>
    auditBundle(bundle, coordinator.charter, { banks: new Map(Object.entries(banks)) });
  const right = await audit({ watcher: watcher.fingerprint, fresh: fresh.fingerprint.toUpperCase() });
  expect(right).toMatchObject({ passed: true, findings: [] });
  expect(right.members).toMatchObject([
    { id: 'watcher', status: 'admitted', fingerprint: watcher.fingerprint },
    { id: 'fresh', status: 'revoked', fingerprint: fresh.fingerprint, revoked: { reason: 'it left' } },
  ]);
  expect(await audit({ watcher: fresh.fingerprint })).toMatchObject({
    ...{ passed: false, findings: [{ code: 'FORBIDDEN' }] },
  });
  expect(await audit({ nobody: fresh.fingerprint })).toMatchObject({
    ...{ passed: false, findings: [{ code: 'NOT_FOUND' }] },
  });
});

test('the first token ends too; a start makes another before nobody could operate any more, and the ledger says so', async () => {
  const { dataDir, databaseUrl } = await freshStorage('postgres');
  const clock = new MovableClock();
  const config = parseCoordinatorConfig({ dataDir, port: 0, databaseUrl });
  const started = async (): Promise<{ url: string; token: string }> => {
    const coordinator = await createCoordinator(config, {
      ...{ clock, log: createLogger('silent'), onBroken: () => {} },
    });
    closing = coordinator.close;
    await leaveLocalAccess(dataDir, coordinator);
    return { url: coordinator.url, token: (await readFile(join(dataDir, 'operator.token'), 'utf8')).trim() };
  };
  let closing = (): Promise<void> => Promise.resolve();
  closeLater(() => closing());
  const status = async ({ url, token }: { url: string; token: string }): Promise<number> =>
    (await request(url, 'GET', '/v1/runs', { token })).status;

  const first = await started();
  expect(await status(first)).toBe(200);
  await closing();
  clock.advance(70 * DAY_MS);
  const again = await started();
  expect(again.token).toBe(first.token);
  await closing();
  clock.advance(10 * DAY_MS);
  const renewed = await started();
  expect(renewed.token).not.toBe(first.token);
  expect([await status(renewed), await status({ ...renewed, token: first.token })]).toEqual([200, 401]);
  const changes: string[] = [];
  for await (const { text } of new OperatorClient(renewed.url, renewed.token).entries()) {
    const { message } = parseEntry(text).entry;
    if (message.type === 'token') changes.push(`${message.payload.change} ${message.payload.role}`);
  }
  expect(changes).toEqual(['added operator', 'added operator', 'removed operator']);
});
