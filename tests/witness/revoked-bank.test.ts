/** `bank revoke`: nothing the bank signs is taken any more, and runs go on without it. */
import { expect, test } from 'vitest';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { HandDrivenBank } from '../masked/hand-driven-bank.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { eventually } from '../support/eventually.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

const deadlines = { absenceMs: 300 };

async function revoke(coordinator: TestCoordinator, id: string): Promise<void> {
  await coordinator.operator.post(`/v1/participants/${id}/revocation`, { reason: 'its key was stolen' });
}

async function expectVerified(coordinator: TestCoordinator): Promise<void> {
  const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
  expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
}

test('a bank that is revoked in a plain run is hung up on and refused, and the run ends without it', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const banks = await TestBank.joinAll(coordinator, 'a', 'b', 'c', 'd');
  const [thief, ...others] = [banks[3]!, ...banks.slice(0, 3)];
  const run = await TestRun.start(coordinator, banks, { minimum: 3, deadlines });
  const first = await run.round(0);
  await run.answer(thief, first);
  const { root, bytes, message } = run.input(thief, first);
  const gone = thief.hungUp();
  await revoke(coordinator, thief.id);
  await gone;
  expect((await thief.put(root, bytes)).status).toBe(401); // its token for uploads
  expect(await thief.authenticate()).toMatchObject({ ok: false, code: 'UNKNOWN_PARTICIPANT' });
  await eventually('it to be hung up on', () => !thief.wire.connected);
  await thief.dial();
  expect(await thief.submit(message)).toMatchObject({ ok: false });
  expect(await run.complete(others)).toMatchObject({ outcome: 'completed' });
  const answered = (await run.view()).rounds.map((round) => round.answered.length);
  expect(answered).toEqual([4, ...answered.slice(1).map(() => 3)]); // what it sent before stays
  await coordinator.restart();
  await expectVerified(coordinator);
});

test('a bank that is revoked in a masked run is not in the sessions after it', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  await TestAgent.joinAll(coordinator, ['a', 'b', 'c', 'd']);
  const held = await HandDrivenBank.join(coordinator, 'thief');
  held.silent.add('masked-input');
  const ids = ['a', 'b', 'c', 'd', 'thief'];
  const run = await TestRun.propose(coordinator, maskedPlan(ids, { minimum: 3, deadlines }));
  await held.takePartIn(run);
  await run.round(0);
  await revoke(coordinator, 'thief');
  expect(await run.finished()).toMatchObject({ outcome: 'completed' });
  for (const { answered } of (await run.view()).rounds) expect(answered).toEqual(['a', 'b', 'c', 'd']);
  await expectVerified(coordinator);
});

test.each([
  ['after it has consented', true],
  ['before it has decided', false],
])('a bank that is revoked %s does not keep a run from starting without it', async (_when, hasConsented) => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const [a, b, thief] = await TestBank.joinAll(coordinator, 'a', 'b', 'thief');
  const run = await TestRun.propose(coordinator, tinyPlan(['a', 'b', 'thief'], { minimum: 2 }));
  await run.consent(a!);
  if (hasConsented) await run.consent(thief!);
  else thief!.disconnect(); // nobody hears it go when it is revoked
  await eventually('it to be gone', async () => {
    const { participants } = await coordinator.operator.get<{
      participants: { participant: string; connected: boolean }[];
    }>('/v1/participants');
    return participants.find(({ participant }) => participant === 'thief')!.connected === hasConsented;
  });
  if (!hasConsented) await run.consent(b!);
  await revoke(coordinator, 'thief');
  if (hasConsented) await run.consent(b!);
  expect((await run.until('run-started')).payload.roster).toEqual(['a', 'b']);
  expect(await run.complete([a!, b!])).toMatchObject({ outcome: 'completed' });
  await coordinator.restart();
  await expectVerified(coordinator);
});
