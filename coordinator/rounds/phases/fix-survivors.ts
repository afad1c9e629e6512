/** Masked rounds: no more vectors are taken; the banks are asked to certify whose are in the sum. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/rounds.ts';

export async function fixSurvivors(open: OpenRound, journal: Journal): Promise<void> {
  await journal.record('fix-survivors', {
    ctx: open.hash,
    slot: open.masked!.slot,
    survivors: survivorsOf(open),
    survivorsHash: survivorsHash(open),
  });
}
