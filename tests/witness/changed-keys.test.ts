/** `agent rotate-key` and `bank revoke` with real agents: who follows, and what becomes of runs. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeNextKeys, openAgentKeys } from '#participant-agent/keys.ts';
import { rotateAgentKeys } from '#participant-agent/rotate-key.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signNewBankKey } from '#shared/ledger/key-rules.ts';
import { participantId } from '#shared/protocol/ids.ts';
import { HandDrivenBank } from '../masked/hand-driven-bank.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { eventually } from '../support/eventually.ts';
import { request } from '../support/test-bank.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

const IDS = ['a', 'b', 'c', 'd'];

async function fingerprintOf(agent: TestAgent): Promise<string> {
  return keyFingerprint(toBase64Url(publicKeyOf((await openAgentKeys(agent.folder, undefined)).identity)));
}

async function writePeers(agent: TestAgent, peers: Record<string, string>): Promise<void> {
  const path = join(agent.folder, 'policy.yaml');
  const policy = (await readFile(path, 'utf8')).replace(/^peers: .*$/m, `peers: ${JSON.stringify(peers)}`);
  await writeFile(path, policy);
}

async function restart(agent: TestAgent): Promise<void> {
  await agent.stop();
  await agent.start();
}

describe('a bank that changes its keys', () => {
  let coordinator: TestCoordinator;
  let agents: TestAgent[];
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
    agents = await TestAgent.joinAll(coordinator, IDS);
  });

  async function maskedRun(): Promise<void> {
    const run = await TestRun.propose(coordinator, maskedPlan(IDS));
    const end = await run.finished();
    expect(end).toMatchObject({ outcome: 'completed' });
    const { rounds } = await run.view();
    for (const { answered } of rounds) expect(answered).toEqual(IDS);
    for (const agent of agents) await agent.model(end.artefact!);
  }
  const keyEntries = async (): Promise<number> =>
    (await coordinator.ledger()).filter(({ type }) => type === 'rotate-key').length;

  test('takes part in masked runs as before, and the others follow, whichever fingerprint they know', async () => {
    const [a, b, c] = agents as [TestAgent, TestAgent, TestAgent];
    const before = await fingerprintOf(b);
    await writePeers(a, { b: before });
    await restart(a);
    await maskedRun();
    await b.stop();
    const { fingerprint } = await rotateAgentKeys(b.folder, undefined);
    expect(fingerprint).toBe(await fingerprintOf(b));
    expect(fingerprint).not.toBe(before);
    await b.start();
    await maskedRun();
    // after a restart all is shown from the start; one knows the old fingerprint, another has written down the new one
    await writePeers(c, { b: fingerprint });
    for (const agent of [a, b, c]) await restart(agent);
    await maskedRun();
    const { participants } = await coordinator.operator.get<{
      participants: { participant: string; fingerprint: string }[];
    }>('/v1/participants');
    expect(participants.find(({ participant }) => participant === 'b')!.fingerprint).toBe(fingerprint);
    expect(await auditBundle(await coordinator.bundle(), coordinator.charter)).toMatchObject({
      ...{ passed: true, complete: true },
    });
  });

  test('is followed by a bank that joins later and knows only the newest fingerprint', async () => {
    const late = await TestAgent.join(coordinator, 'late');
    await writePeers(late, { b: await fingerprintOf(agents[1]!) });
    await restart(late);
    const ids = ['a', 'b', 'late'];
    const run = await TestRun.propose(coordinator, maskedPlan(ids));
    expect(await run.finished()).toMatchObject({ outcome: 'completed' });
    expect((await run.view()).rounds[0]!.answered).toEqual(ids);
  });

  test('while connected is hung up on, and is there again when it is started with the new ones', async () => {
    const d = agents[3]!;
    await rotateAgentKeys(d.folder, undefined);
    const connected = async (): Promise<boolean> => {
      const { participants } = await coordinator.operator.get<{
        participants: { participant: string; connected: boolean }[];
      }>('/v1/participants');
      return participants.find(({ participant }) => participant === 'd')!.connected;
    };
    await eventually('it to be gone', async () => !(await connected()));
    await restart(d);
    await eventually('it to be back', connected);
    await maskedRun();
  });

  test('twice in a row is followed too', async () => {
    const c = agents[2]!;
    await c.stop();
    await rotateAgentKeys(c.folder, undefined);
    await rotateAgentKeys(c.folder, undefined);
    await c.start();
    await maskedRun();
    for (const agent of agents) await restart(agent);
    await maskedRun();
  });

  test('and loses its power between the record and the change of files repeats it to the same end', async () => {
    const a = agents[0]!;
    await a.stop();
    const [old, next] = [await openAgentKeys(a.folder, undefined), await makeNextKeys(a.folder, undefined)];
    const fields = {
      ...{ charter: coordinator.charter, from: participantId.parse('a') },
      identityKey: toBase64Url(publicKeyOf(next.identity)),
      witnessKey: toBase64Url(publicKeyOf(next.witness)),
    };
    const payload = { ...fields, proof: signNewBankKey(fields, next.identity) };
    const recorded = await request(coordinator.url, 'POST', '/v1/participants/a/keys', {
      json: signMessage('rotate-key', payload, old.identity),
    });
    expect(recorded.status).toBe(200);
    const before = await keyEntries(); // the power goes here
    const { fingerprint } = await rotateAgentKeys(a.folder, undefined);
    expect(fingerprint).toBe(keyFingerprint(fields.identityKey));
    expect(await openAgentKeys(a.folder, undefined)).toEqual(next);
    expect(await keyEntries()).toBe(before);
    await a.start();
    await maskedRun();
  });

  test('is told to wait while a run with it goes on', async () => {
    const held = await HandDrivenBank.join(coordinator, 'held');
    held.silent.add('advertise-keys');
    const ids = ['a', 'b', 'c', 'held'];
    const run = await TestRun.propose(coordinator, maskedPlan(ids));
    await held.takePartIn(run);
    await run.until('open-session');
    await expect(rotateAgentKeys(agents[1]!.folder, undefined)).rejects.toMatchObject({ code: 'STATE' });
    await coordinator.operator.post(`/v1/runs/${run.id}/stop`, { reason: 'enough' });
    await run.finished();
    await rotateAgentKeys(agents[1]!.folder, undefined);
    await restart(agents[1]!);
    await maskedRun();
  });
});
