/** A few of the kills of tests/soak/kills.test.ts. */
import { expect, test } from 'vitest';
import { KilledConsortium, undisturbedAs } from './killed-consortium.ts';

const SEED = 'a few kills';

test('processes killed at random moments, also while they start again, cost neither a round nor an answer, and the run ends with the model of the undisturbed one', async () => {
  const consortium = await KilledConsortium.start(SEED);
  const reference = await consortium.run('plain', 0);
  const run = await consortium.run('masked', 4);
  expect(run, `seed "${SEED}": ${run.kills.join(', ')}`).toMatchObject(undisturbedAs(reference));
  expect(await consortium.audit()).toMatchObject({ passed: true, complete: true, findings: [] });
});
