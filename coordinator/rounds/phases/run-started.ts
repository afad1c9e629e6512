/** proposed → ready: the roster is fixed. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { grantedBy, identityKeysFor, witnessKeysFor } from '#shared/ledger/run-rules.ts';

/** @param by the operator who does not wait for the others, if it is one */
export async function startRun(run: Run, journal: Journal, by?: string): Promise<void> {
  // with all who have consented when it is recorded, and the keys that are theirs then
  await journal.record('run-started', () => {
    const identityKeys = identityKeysFor(journal.state, run);
    return {
      run: run.id,
      roster: grantedBy(run),
      witnessKeys: witnessKeysFor(journal.state, run),
      ...(identityKeys === undefined ? {} : { identityKeys }),
      ...(by === undefined ? {} : { by }),
    };
  });
}
