/** Masked rounds with as many banks as a session may have; for fewer see tests/masked/dropouts.test.ts. */
import { expect, test } from 'vitest';
import { randomOutcomes } from '../masked/opened-round.ts';

test.each([33, 64, 128])(
  'of %i banks, at random: sums are exact in both rings, or the code is right',
  { timeout: 600_000 },
  async (count) => {
    const outcomes = await randomOutcomes(count);
    expect(outcomes).toEqual(new Set(['sum', 'CERTIFICATE void QUORUM', 'COHORT void COHORT']));
  },
);
