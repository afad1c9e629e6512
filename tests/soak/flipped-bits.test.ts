/** A bundle in which one bit was flipped, whichever of a third of all its bytes it is in, never passes. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { verifyBundle } from '#models/audit/verify-bundle.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { sourceOf } from '../support/bundle-parts.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

const IDS = ['a', 'b', 'c'];
/** Bytes from one flipped bit to the next, drawn anew each time. */
const STEP_MAX = 5;

test.each(['plain', 'masked'] as const)('of a %s run', async (aggregation) => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  await TestAgent.joinAll(coordinator, IDS);
  const run = await TestRun.propose(coordinator, { ...tinyPlan(IDS), aggregation });
  expect(await run.finished()).toMatchObject({ outcome: 'completed' });
  const bytes = new Uint8Array(await readFile(await coordinator.bundle()));
  const { charter } = coordinator;
  await coordinator.stop();
  const verdict = async () => (await verifyBundle(sourceOf(bytes), { charter })).passed;
  expect(await verdict()).toBe(true);
  const generator = new SeededGenerator('flipped bits', aggregation);
  for (let at = 0; at < bytes.length; at += 1 + (generator.nextUint32() % STEP_MAX)) {
    const bit = 1 << (generator.nextUint32() % 8);
    bytes[at]! ^= bit;
    expect(await verdict(), `byte ${at} of ${bytes.length}`).toBe(false);
    bytes[at]! ^= bit;
  }
});
