/**
 * When the end of a run is final: a quorum of its banks has cosigned one head of the ledger that contains the
 * last sum.
 *
 *   quorum = ⌊(N + c) / 2⌋ + 1 of the N banks on the roster, c = ⌊(N − 1) / 3⌋
 *
 * Two different final heads of one size would need 2 · quorum − c > N banks: no coordinator with up to c banks
 * on its side can have both. With more on its side, banks that are merely away could no longer be told from
 * banks that lie.
 */
import { cosignatureLine } from '#shared/ledger/cosignature.ts';
import { logKeyAt, noteOf, type LogKey } from '#shared/ledger/checkpoint.ts';
import type { OfferedCheckpoint, Run } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Payload } from '#shared/protocol/messages.ts';

/** Cosignatures that make a checkpoint final, for a roster of this many banks. */
export function witnessQuorum(banks: number): number {
  const colluders = Math.floor((banks - 1) / 3);
  return Math.floor((banks + colluders) / 2) + 1;
}

/** The checkpoint of a run with all its cosignatures, as a C2SP note. */
export function cosignedNote(
  origin: string,
  logKeys: readonly LogKey[],
  run: Run,
  { payload: { head }, cosignatures }: OfferedCheckpoint,
): string {
  const lines = [...cosignatures]
    .sort(([a], [b]) => a - b)
    .map(([index, cosign]) => cosignatureLine(run.roster[index]!, cosign, run.witnessKeys[index]!));
  return noteOf(origin, head, logKeyAt(logKeys, head.size), lines);
}

/** Cosignatures of a run's checkpoint so far. */
export function isFinal(run: Run): boolean {
  return (run.checkpoint?.cosignatures.size ?? 0) >= witnessQuorum(run.roster.length);
}

/** A completed run names the checkpoint it is final under. @throws FederationError QUORUM */
export function assertFinal(run: Run, payload: Payload<'run-finished'>): void {
  if (payload.checkpoint === undefined || payload.checkpoint !== run.checkpoint?.hash || !isFinal(run)) {
    throw new FederationError(
      'QUORUM',
      `${run.checkpoint?.cosignatures.size ?? 0} banks cosigned the end of run ${run.id}, ${witnessQuorum(run.roster.length)} are needed`,
    );
  }
}
