/** A masked round as the ledger shows it to everybody: coordinator, banks and auditors read it alike. */
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { fromHex } from '#shared/crypto/hash.ts';
import type { MaskedRound, OpenRound } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { seedCommitmentsOf, slotKeysOf } from '#shared/secure-sum/bank-session.ts';
import type { FixedSlot } from '#shared/secure-sum/open-sum.ts';

/** @throws FederationError STATE */
export function maskedOf(open: OpenRound): MaskedRound {
  if (open.masked === undefined) throw new FederationError('STATE', `round ${open.hash} is not masked`);
  return open.masked;
}

/** What everybody needs to take the masks out of a sum. */
export function fixedSlot(open: OpenRound): FixedSlot {
  const { session, slot, fixed } = maskedOf(open);
  if (fixed === undefined) throw new FederationError('STATE', 'the survivors are not fixed yet');
  return {
    sessionHash: fromHex(session.hash),
    roundHash: fromHex(open.hash),
    slot,
    threshold: session.payload.thresholds.threshold,
    dealers: session.sealed!.dealers,
    survivors: fixed.survivors,
    slotKeys: slotKeysOf(session, slot),
    seedCommitments: seedCommitmentsOf(session, slot),
  };
}

/** The shares of the banks that revealed them, by bank. */
export function revealedShares(open: OpenRound): Map<number, Uint8Array[]> {
  const { unmasks } = maskedOf(open);
  return new Map([...unmasks].map(([index, { shares }]) => [index, shares.map(fromBase64Url)]));
}
