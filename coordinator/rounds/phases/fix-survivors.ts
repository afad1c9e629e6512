/**
 * Masked rounds: no more vectors are taken; the banks are asked to certify whose are in the sum, and of large vectors
 * what their sum is claimed to be.
 */
import type { Journal } from '#coordinator/journal/journal.ts';
import { isRefused } from '#coordinator/rounds/append-claimed.ts';
import { claimSum } from '#coordinator/rounds/claimed-sum.ts';
import type { RunningSum } from '#coordinator/rounds/running-sum.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/rounds.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { isSketched } from '#shared/secure-sum/sum-check.ts';

/** @throws FederationError STATE when another vector, or a complaint, has come meanwhile: it is to be decided anew */
export async function fixSurvivors(
  open: OpenRound,
  sum: RunningSum,
  bodies: BodyStore,
  journal: Journal,
): Promise<void> {
  const survivors = survivorsOf(open);
  const maskedSum = isSketched(open) ? await claimSum(open, survivors, sum, bodies) : undefined;
  const { slot, session } = open.masked!;
  try {
    if (session.complaints.length > 0) throw new FederationError('STATE', 'a bank has complained');
    await journal.record('fix-survivors', {
      ctx: open.hash,
      slot,
      survivors,
      survivorsHash: survivorsHash(open, maskedSum),
      ...(maskedSum && { maskedSum }),
    });
  } catch (error) {
    // no entry names them, and the sum may have gone on growing while they were written
    if (maskedSum !== undefined && isRefused(error)) await bodies.remove(maskedSum.carries);
    throw error;
  }
}
