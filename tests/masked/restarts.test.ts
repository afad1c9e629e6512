/**
 * A coordinator that stops and starts again in each phase of a masked round, and a bank that misses the end of
 * one: the run ends with the model of the undisturbed one, and nothing is left that could open an old slot.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openAgentKeys } from '#participant-agent/keys.ts';
import { KeyVault } from '#participant-agent/state/key-vault.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';
import { HandDrivenBank } from './hand-driven-bank.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { maskedPlan } from './masked-agents.ts';

const IDS = ['a', 'b', 'c', 'd', 'e'];
const PLAN = { rounds: 1, seed: 'restarts' };

async function vaultOf(agent: TestAgent): Promise<KeyVault> {
  const { identity: seed } = await openAgentKeys(agent.folder, undefined);
  return new KeyVault(join(agent.folder, 'state/sessions'), seed, () => {
    throw new Error('nothing new is sealed');
  });
}

describe('a masked run', () => {
  let coordinator: TestCoordinator;
  let undisturbed: string;
  beforeAll(async () => {
    const other = await TestCoordinator.start({ database: 'postgres' });
    await TestAgent.joinAll(other, IDS);
    undisturbed = (await (await TestRun.propose(other, maskedPlan(IDS, PLAN))).finished()).artefact!;
    coordinator = await TestCoordinator.start({ database: 'postgres' });
  });

  test('ends with the same model when its coordinator starts again in each phase of a round', async () => {
    await TestAgent.joinAll(coordinator, IDS.slice(0, 2));
    const slow = await Promise.all(IDS.slice(2).map((id) => HandDrivenBank.join(coordinator, id)));
    // three banks are slow in each phase, so that it is not over when the coordinator stops
    const phases = ['advertise-keys', 'share-keys', 'masked-input', 'consistency-check', 'unmask'] as const;
    for (const bank of slow) for (const phase of phases) bank.silent.add(phase);
    const run = await TestRun.propose(coordinator, maskedPlan(IDS, PLAN));
    for (const bank of slow) await bank.takePartIn(run);
    const restart = async (): Promise<void> => {
      await coordinator.restart();
      await run.watch();
      await Promise.all(slow.map((bank) => bank.reconnect()));
    };
    const sentBy = async (type: BankMessage['type'], ids: readonly string[]): Promise<void> => {
      for (const id of ids) await run.until(type, (payload) => payload.from === id);
    };
    for (const type of phases) {
      await sentBy(type, IDS.slice(0, 2));
      if (type !== 'unmask') await slow[0]!.sendAfterAll(type);
      await restart();
      for (const bank of slow) await bank.sendAfterAll(type);
    }
    const end = await run.finished();
    expect(end).toMatchObject({ outcome: 'completed', artefact: undisturbed });
    const { rounds } = await run.view();
    expect(rounds.map(({ attempt, outcome, answered }) => [attempt, outcome, answered])).toEqual(
      rounds.map(() => [0, 'closed', IDS]),
    );
    expect(run.entries.filter(({ message }) => message.type === 'open-session')).toHaveLength(1);
    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
  });

  test('leaves nothing behind by which a bank could open an old slot, also if it was away at its end', async () => {
    const ids = ['f', 'g', 'h', 'i', 'j'];
    const leaving = await TestAgent.join(coordinator, 'f');
    const staying = await TestAgent.join(coordinator, 'g');
    const slow = await Promise.all(ids.slice(2).map((id) => HandDrivenBank.join(coordinator, id)));
    for (const bank of slow) bank.silent.add('unmask');
    const deadlines = { absenceMs: 300 };
    const run = await TestRun.propose(coordinator, maskedPlan(ids, { ...PLAN, minimum: 3, deadlines }));
    for (const bank of slow) await bank.takePartIn(run);
    await run.until('unmask', ({ from }) => from === leaving.id);
    await leaving.stop();
    for (const bank of slow) await bank.sendAfterAll('unmask');
    await run.until('close-round');
    await leaving.start();
    const end = await run.finished();
    expect(end.outcome).toBe('completed');
    const first = messageHash('open-session', (await run.until('open-session')).payload);
    for (const agent of [staying, leaving]) {
      await agent.model(end.artefact!); // it has come to the end of the run
      const held = await (await vaultOf(agent)).heldOf(first);
      expect(held?.slots[0], agent.id).toBeUndefined();
    }
  });
});
