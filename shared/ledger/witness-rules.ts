/**
 * The end of a run before its witnesses. When the program has no further question the coordinator offers the
 * head of the ledger; each bank cosigns it once its own copy of the tree, grown entry by entry, has that root.
 */
import { isCosignedBy } from '#shared/ledger/cosignature.ts';
import { assertHeadSigned, logKeyAt } from '#shared/ledger/checkpoint.ts';
import {
  runOf,
  type FederationState,
  type OfferedCheckpoint,
  type Rules,
  type Run,
} from '#shared/ledger/federation-state.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';

export const witnessRules: Rules<'checkpoint' | 'cosign'> = {
  checkpoint: {
    admissible(state, payload) {
      const run = runOf(state, payload.run);
      const { phase } = run;
      if (phase.name !== 'ready' || run.checkpoint !== undefined)
        throw new FederationError('STATE', `run ${run.id} is not at the end of its rounds`);
      if (payload.parent !== lastHash(run))
        throw new FederationError('STATE', `expected to follow ${lastHash(run)}`);
      assertHead(state, payload.head);
      if (payload.head.size <= phase.seq)
        throw new FederationError('STATE', `expected a head that includes entry ${phase.seq}`);
    },
    apply(state, payload, { hash }) {
      runOf(state, payload.run).checkpoint = { hash, payload, cosignatures: new Map() };
      state.checkpointRuns.set(hash, payload.run);
    },
  },

  cosign: {
    admissible(state, payload) {
      const { run, checkpoint } = offeredAs(state, payload.checkpoint);
      const index = run.roster.indexOf(payload.from);
      if (index < 0)
        throw new FederationError('WRONG_SENDER', `"${payload.from}" is not on the roster of run ${run.id}`);
      if (checkpoint.cosignatures.has(index))
        throw new FederationError('REPLAY', `"${payload.from}" has already cosigned this checkpoint`);
      const { origin } = state.charter!.payload;
      if (!isCosignedBy({ origin, ...checkpoint.payload.head }, payload, run.witnessKeys[index]!))
        throw new FederationError('SIG', `the cosignature is not by the witness key of "${payload.from}"`);
    },
    apply(state, payload) {
      const { run, checkpoint } = offeredAs(state, payload.checkpoint);
      checkpoint.cosignatures.set(run.roster.indexOf(payload.from), payload);
    },
  },
};

/**
 * A head of entries that are there, signed by the ledger's key in force at that size: the key may have changed since
 * it was signed. Whether it has the right root is for those to check who have the tree.
 * @throws FederationError SIG | STATE
 */
export function assertHead(state: FederationState, head: SignedHead): void {
  if (head.size > state.size)
    throw new FederationError('STATE', `a head of ${head.size} entries, but there are only ${state.size}`);
  assertHeadSigned(state.charter!.payload.origin, head, logKeyAt(state.logKeys, head.size));
}

/** @throws FederationError NOT_FOUND | LATE */
function offeredAs(state: FederationState, hash: string): { run: Run; checkpoint: OfferedCheckpoint } {
  const id = state.checkpointRuns.get(hash);
  if (id === undefined) throw new FederationError('NOT_FOUND', `no checkpoint ${hash} in this ledger`);
  const run = runOf(state, id);
  // cosignatures after the end are taken too: they say more than the quorum did
  if (run.checkpoint?.hash !== hash) throw new FederationError('LATE', `checkpoint ${hash} is over`);
  return { run, checkpoint: run.checkpoint };
}
