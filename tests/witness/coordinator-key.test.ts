/** The key that signs the coordinator's messages changes: banks and auditors follow, and the old key is worth nothing. */
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openCoordinatorKeys } from '#coordinator/keys.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signNewCoordinatorKey } from '#shared/ledger/key-rules.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { Consortium } from '../attacks/consortium.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

const IDS = ['a', 'b', 'c'];
const seedOf = (name: string): Uint8Array => sha256(utf8(`coordinator key ${name}`));
const keyOf = (name: string): string => toBase64Url(publicKeyOf(seedOf(name)));

describe('when the key of the coordinator changes', () => {
  let coordinator: TestCoordinator;
  let agents: TestAgent[];
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
    agents = await TestAgent.joinAll(coordinator, IDS);
  });
  const rotate = async (): Promise<string> =>
    (await coordinator.operator.post<{ coordinatorKey: string }>('/v1/ledger/identity', {})).coordinatorKey;
  const completed = async (): Promise<void> => {
    const run = await TestRun.propose(coordinator, maskedPlan(IDS));
    expect(await run.finished()).toMatchObject({ outcome: 'completed' });
  };
  const expectVerified = async (): Promise<void> => {
    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
  };

  test('runs go on, in the middle of one too, and after restarts of everybody', async () => {
    const running = await TestRun.propose(coordinator, maskedPlan(IDS));
    const over = running.finished();
    const keys = new Set([await rotate(), await rotate()]);
    expect(await over).toMatchObject({ outcome: 'completed' });
    expect(keys.size).toBe(2);
    await coordinator.restart();
    for (const agent of agents) {
      await agent.stop();
      await agent.start();
    }
    await completed();
    await expectVerified();
  });

  test('and the power goes before its file has its name, the next start puts it there', async () => {
    const keys = join(coordinator.dataDir, 'keys');
    const [file, next] = [join(keys, 'coordinator.json'), join(keys, 'coordinator-next.json')];
    const before = await readFile(file);
    const key = await rotate();
    await coordinator.stop();
    await rename(file, next);
    await writeFile(file, before); // as between the entry and the rename
    await coordinator.start();
    expect(existsSync(next)).toBe(false);
    const { coordinatorSeed } = await openCoordinatorKeys(coordinator.dataDir, undefined);
    expect(toBase64Url(publicKeyOf(coordinatorSeed))).toBe(key);
    await completed();
    await expectVerified();
  });

  test('a folder with an older key is not taken for that of the ledger', async () => {
    const file = join(coordinator.dataDir, 'keys', 'coordinator.json');
    const before = await readFile(file);
    await rotate();
    await coordinator.stop();
    const now = await readFile(file);
    await writeFile(file, before);
    await expect(coordinator.start()).rejects.toMatchObject({ code: 'LEDGER' });
    await writeFile(file, now);
    await coordinator.start();
  });
});

describe('a bank', () => {
  async function told(change: 'signed by the old' | 'made by a stranger' | 'not held'): Promise<Consortium> {
    const consortium = await Consortium.gather();
    const { history, coordinator } = consortium;
    const charter = coordinator.charterHash;
    const prover = change === 'not held' ? 'stranger' : 'new';
    const proof = signNewCoordinatorKey(charter, keyOf('new'), seedOf(prover));
    const payload = { charter, coordinatorKey: keyOf('new'), proof };
    if (change === 'signed by the old') history.say('rotate-coordinator-key', payload);
    else history.lie('rotate-coordinator-key', payload, change === 'not held' ? undefined : seedOf('new'));
    return consortium;
  }

  test('believes the new key once the old one has signed it, and the old one no more', async () => {
    const consortium = await told('signed by the old');
    consortium.propose(); // still by the old
    expect(await consortium.agent.brokenOff()).toBe('SIG');
  });

  test.each([
    ['made by a stranger', 'SIG'],
    ['not held', 'SIG'],
  ] as const)('goes on with no coordinator whose new key is %s', async (change, code) => {
    const { agent } = await told(change);
    expect(await agent.brokenOff()).toBe(code);
  });

  test('takes part in what is signed by the new key', async () => {
    const consortium = await told('signed by the old');
    const { history, coordinator } = consortium;
    const { charterHash: charter } = coordinator;
    const plan = consortium.planOf();
    history.tell(signMessage('run-proposed', { charter, plan }, seedOf('new')) as Message);
    expect(await coordinator.until('consent')).toMatchObject({ payload: { decision: 'granted' } });
  });
});
