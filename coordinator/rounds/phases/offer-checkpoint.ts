/** The program is done: the banks are asked to cosign the ledger that led to its model. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';

export async function offerCheckpoint(run: Run, journal: Journal): Promise<void> {
  await journal.record('checkpoint', { run: run.id, parent: lastHash(run), head: journal.head() });
}
