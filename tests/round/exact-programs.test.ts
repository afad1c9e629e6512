/**
 * The programs whose sums are of whole numbers, run by real agents under masks: what comes out is, byte for
 * byte, what the same rows give in one place.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import { concatTables } from '#shared/contract/table.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import { plan as planSchema } from '#shared/protocol/plan.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyApplicants, tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

const BANKS = ['maple', 'rowan', 'yew'];

describe('real agents under masks', () => {
  let coordinator: TestCoordinator;
  let agents: TestAgent[];
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'pglite' });
    agents = await Promise.all(
      BANKS.map((id, i) =>
        TestAgent.join(coordinator, id, { answers: 'real', applicants: tinyApplicants(100 + 80 * i, id) }),
      ),
    );
  });

  const programs: [string, ProposedPlan['program']['settings'], RegExp][] = [
    ['profile', { kMin: 10 }, /summed/],
    ['scorecard', { binning: { fine: 8 }, selection: { method: 'iv', minIv: 0.01 } }, /converged/],
    ['logistic', {}, /converged/],
    ['gbdt', { trees: 4, depth: 2, bins: 8, minCount: 20, minCategoryCount: 20 }, /all 4 trees grown/],
  ];
  test.each(programs)('%s: the artefact is that of all rows in one place', async (name, settings, reason) => {
    const proposed = { ...tinyPlan(BANKS), program: { name, settings }, aggregation: 'masked' as const };
    const run = await TestRun.propose(coordinator, proposed);
    const end = await run.finished();
    expect(end).toMatchObject({ outcome: 'completed', reason: expect.stringMatching(reason) });

    const loaded = await Promise.all(
      agents.map((agent) => loadTable(join(agent.folder, 'applicants.csv'), tinyContract)),
    );
    const plan = planSchema.parse({ ...proposed, contract: '0'.repeat(64) });
    const pooled = await trainHere(plan, tinyContract, [concatTables(loaded.map(({ table }) => table))]);
    expect(end.artefact).toBe(pooled.root);
    for (const agent of agents) {
      expect(new Uint8Array(await agent.model(end.artefact!))).toEqual(new Uint8Array(pooled.artefact));
    }

    const report = await auditBundle(await coordinator.bundle(), coordinator.charter);
    expect(report).toMatchObject({ passed: true, complete: true, findings: [] });
  });
});
