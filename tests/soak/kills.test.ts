/**
 * Hundreds of kills of real processes. Another seed: TALLYSTICK_SOAK_SEED=… npm run test:soak; more of them:
 * TALLYSTICK_SOAK_KILLS.
 */
import { expect, test } from 'vitest';
import { KilledConsortium, undisturbedAs } from './killed-consortium.ts';

const SEED = process.env['TALLYSTICK_SOAK_SEED'] ?? 'soak';
const KILLS = Number(process.env['TALLYSTICK_SOAK_KILLS'] ?? 200);
/** So many in one run at most: it has to end some time. */
const KILLS_A_RUN = 10;

test(`${KILLS} kills at random moments (seed "${SEED}"): every run ends with the model of the undisturbed one, and its ledger verifies`, async () => {
  const began = Date.now();
  const consortium = await KilledConsortium.start(SEED);
  const reference = await consortium.run('plain', 0);
  let kills = 0;
  let runs = 0;
  for (; kills < KILLS; runs++) {
    const run = await consortium.run(runs % 2 === 0 ? 'masked' : 'plain', KILLS_A_RUN);
    kills += run.kills.length;
    console.info(`run ${runs}, ${run.aggregation}, ${kills} kills so far: ${run.kills.join(', ')}`);
    expect(run).toMatchObject(undisturbedAs(reference));
    expect(await consortium.audit()).toMatchObject({ passed: true, complete: true, findings: [] });
  }
  console.info(
    `${kills} kills in ${runs} runs, ${Math.round((Date.now() - began) / 1000)} s, seed "${SEED}"`,
  );
});
