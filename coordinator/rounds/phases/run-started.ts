/** proposed → ready: the roster is fixed. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { grantedBy } from '#shared/ledger/run-rules.ts';

export async function startRun(run: Run, journal: Journal): Promise<void> {
  await journal.record('run-started', { run: run.id, roster: grantedBy(run) });
}
