/** A consortium of processes that log everything they can: no key, token or passphrase is in any of it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCoordinatorKeys } from '#coordinator/keys.ts';
import { enrolAgent } from '#participant-agent/enrol.ts';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { readInvitationCode } from '#shared/protocol/invitation-code.ts';
import { startCommand } from '../support/command-line.ts';
import type { Child } from '../support/child-process.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/opened.ts';
import { freshStorage } from '../support/test-coordinator.ts';
import { tinyApplicants, tinyContract, tinyPlan, writeApplicants } from '../support/tiny-bank-data.ts';

test('the logs of a whole run contain no secret, and no row', async () => {
  const secrets: string[] = ['correct-horse-battery', 'staple-of-the-bank'];
  const [coordinatorPassphrase, bankPassphrase] = secrets as [string, string];
  const { dataDir, databaseUrl } = await freshStorage('postgres');
  secrets.push(new URL(databaseUrl!).password);
  const coordinator = startCommand(
    ['coordinator', 'start', '--data', dataDir, '--port', '0', '--log-level', 'debug', '--json'],
    { env: { TALLYSTICK_PASSPHRASE: coordinatorPassphrase, DATABASE_URL: databaseUrl } },
  );
  const [line] = await coordinator.until(/^\{"ready":true.*\}$/m);
  const { url } = JSON.parse(line) as { url: string };
  const operatorToken = (await readFile(join(dataDir, 'operator.token'), 'utf8')).trim();
  const operator = new OperatorClient(url, operatorToken);
  const { token: auditorToken } = await operator.post<{ token: string }>('/v1/tokens', {
    name: 'x',
    role: 'auditor',
  });
  secrets.push(operatorToken, auditorToken);

  const processes: Child[] = [coordinator];
  for (const id of ['a', 'b']) {
    const folder = await temporaryFolder(`secret-${id}`);
    const applicants = tinyApplicants(60, id).map((applicant, i) =>
      i === 7 ? { ...applicant, income: '31415.926' } : applicant,
    );
    await writeApplicants(join(folder, 'applicants.csv'), applicants);
    const { code } = await operator.post<{ code: string }>('/v1/invitations', { participant: id, url });
    const { fingerprint } = await enrolAgent(folder, code, 'applicants.csv', bankPassphrase);
    await operator.post(`/v1/participants/${id}/admission`, { fingerprint });
    await writeFile(
      join(folder, 'policy.yaml'),
      policyYaml({ consent: 'automatic', aggregation: ['masked', 'plain'], minimumCohort: 2 }),
    );
    secrets.push(
      code,
      readInvitationCode(code).token,
      ...Object.values(await openAgentKeys(folder, bankPassphrase)).flatMap((seed) => formsOf(seed)),
    );
    processes.push(
      startCommand(['agent', 'start', '--folder', folder, '--log-level', 'debug'], {
        env: { TALLYSTICK_PASSPHRASE: bankPassphrase },
      }),
    );
  }
  const keys = await openCoordinatorKeys(dataDir, coordinatorPassphrase);
  secrets.push(...formsOf(keys.coordinatorSeed), ...formsOf(keys.logSeed));

  const plan = tinyPlan(['a', 'b'], { rounds: 1 });
  const { run } = await operator.post<{ run: string }>('/v1/runs', { contract: tinyContract, plan });
  await eventually('the run to end', async () => (await operator.run(run)).phase === 'finished', 45_000);
  expect((await operator.run(run)).result).toMatchObject({ outcome: 'completed' });
  await fetch(`${url}/v1/runs`, { headers: { authorization: `Bearer ${auditorToken}x` } });
  await Promise.all(processes.slice(1).map((agent) => agent.until(/run completed/)));
  for (const child of processes.toReversed()) expect(await child.kill('SIGTERM')).toBe(0);

  const logs = processes.map((child) => child.output).join('\n');
  expect(logs.split('\n').length).toBeGreaterThan(40); // it was loud enough to have told
  expect(logs).toContain('"level":20');
  for (const secret of secrets) expect(logs).not.toContain(secret);
  expect(logs).not.toMatch(/tally_(bank|operator|auditor|invite)_[\w-]{10}/);
  expect(logs).not.toMatch(/31415\.926/);
});

function formsOf(secret: Uint8Array): string[] {
  return [toHex(secret), toBase64Url(secret), Buffer.from(secret).toString('base64'), secret.join(',')];
}
