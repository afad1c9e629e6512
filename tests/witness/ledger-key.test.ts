/** The key that signs the ledger's heads changes: banks and auditors follow, and a fork can still be proven. */
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openCoordinatorKeys } from '#coordinator/keys.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import type { LogKey } from '#shared/ledger/checkpoint.ts';
import { verifyForkProof } from '#shared/ledger/fork-proof.ts';
import type { Payload } from '#shared/protocol/messages.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { eventually } from '../support/eventually.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';

const IDS = ['a', 'b', 'c'];

async function completed(coordinator: TestCoordinator): Promise<void> {
  const run = await TestRun.propose(coordinator, maskedPlan(IDS));
  expect(await run.finished()).toMatchObject({ outcome: 'completed' });
}

/** The ledger's keys as its entries say. */
async function logKeysOf(coordinator: TestCoordinator): Promise<{ origin: string; logKeys: LogKey[] }> {
  const messages = await coordinator.ledger();
  const logKeys = messages.flatMap(({ type, payload }, seq) =>
    type === 'charter' || type === 'rotate-log-key' ? [{ key: payload.logKey, from: seq + 1 }] : [],
  );
  return { origin: (messages[0]!.payload as Payload<'charter'>).origin, logKeys };
}

const rotate = async (coordinator: TestCoordinator): Promise<string> =>
  (await coordinator.operator.post<{ logKey: string }>('/v1/ledger/key', {})).logKey;

const witnessed = (agent: TestAgent): Promise<string> =>
  readFile(join(agent.folder, 'state/witness.note'), 'utf8');

describe('when the key of the ledger changes', () => {
  let coordinator: TestCoordinator;
  let agents: TestAgent[];
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
    agents = await TestAgent.joinAll(coordinator, IDS);
  });

  async function expectVerified(against: string[]): Promise<void> {
    const report = await auditBundle(await coordinator.bundle(), coordinator.charter, { against });
    expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
    expect(report.extendsHeads).toBe(against.length);
  }

  test('runs end as before, after restarts too, and notes from before still count', async () => {
    await completed(coordinator);
    const note = await witnessed(agents[0]!);
    const first = await rotate(coordinator);
    await completed(coordinator);
    expect(await rotate(coordinator)).not.toBe(first);
    await coordinator.restart();
    for (const agent of agents) {
      await agent.stop();
      await agent.start();
    }
    await completed(coordinator);
    await expectVerified([note, await witnessed(agents[1]!)]);
    expect((await logKeysOf(coordinator)).logKeys).toHaveLength(3);
  });

  test('in the middle of runs, none of them fails of it', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => TestRun.propose(coordinator, maskedPlan(IDS))));
    const over = Promise.all(runs.map((run) => run.finished()));
    for (let i = 0; i < 6; i++) await rotate(coordinator);
    for (const end of await over) expect(end).toMatchObject({ outcome: 'completed' });
    await expectVerified([]);
  });

  test('and the power goes before its file has its name, the next start puts it there', async () => {
    const keys = join(coordinator.dataDir, 'keys');
    const [file, next] = [join(keys, 'ledger.json'), join(keys, 'ledger-next.json')];
    const before = await readFile(file);
    const logKey = await rotate(coordinator);
    await coordinator.stop();
    await rename(file, next);
    await writeFile(file, before); // as between the entry and the rename
    await coordinator.start();
    expect(existsSync(next)).toBe(false);
    const { logSeed } = await openCoordinatorKeys(coordinator.dataDir, undefined);
    expect(toBase64Url(publicKeyOf(logSeed))).toBe(logKey);
    await completed(coordinator);
    await expectVerified([]);
  });

  test('a bank can prove that history was rewritten after that', async () => {
    await completed(coordinator);
    // a cosignature more than the quorum may come after the end
    const count = async (type: string) =>
      (await coordinator.ledger()).filter((one) => one.type === type).length;
    await eventually(
      'all cosignatures',
      async () => (await count('cosign')) === IDS.length * (await count('checkpoint')),
    );
    const size = (await coordinator.ledger()).length;
    for (const agent of agents) {
      await agent.stop();
      await agent.start(); // and is shown the newest head
      await eventually('the last head', async () => (await witnessed(agent)).split('\n')[1] === `${size}`);
    }
    // the newest witnessed head is by this key; then it is changed, and history from before that is rewritten
    await coordinator.stop();
    await coordinator.inDatabase((db) =>
      db
        .deleteFrom('entries')
        .where('seq', '=', size - 1)
        .execute(),
    );
    await coordinator.start();
    for (let i = 0; (await coordinator.ledger()).length < size + 1; i++)
      await coordinator.operator.post('/v1/incidents', { reason: 'nothing to see here' });
    await rotate(coordinator);
    const { origin, logKeys } = await logKeysOf(coordinator);
    for (const agent of agents) {
      await agent.stop();
      await agent.start(); // all is shown, the new key too, before the next head
      const forks = join(agent.folder, 'state/forks');
      await eventually('the proof', async () => existsSync(forks) && (await readdir(forks)).length > 0);
      const [name] = await readdir(forks);
      const proof: unknown = JSON.parse(await readFile(join(forks, name!), 'utf8'));
      expect(verifyForkProof(proof, origin, logKeys).older.size).toBe(size);
    }
  });
});
