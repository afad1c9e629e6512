/**
 * From the sum of masked vectors to the sum: which streams to take out, from the shares that the banks
 * revealed. The same code for the coordinator, a bank that verifies, and an auditor years later.
 *
 *   a survivor   its self seed opens; its own stream is subtracted
 *   a dropout    (dealt, but not in the sum) its mask seed opens; what each survivor had added for it or
 *                subtracted is taken back
 */
import { equalBytes } from '#shared/crypto/hash.ts';
import { agreementPublicKey } from '#shared/crypto/key-agreement.ts';
import { FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { pairMaskKey, selfMaskKey, selfSeedCommitment, type Mask } from '#shared/secure-sum/mask-keys.ts';
import { combineShares } from '#shared/secure-sum/secret-sharing.ts';
import { SHARE_BYTES, type SeedKind } from '#shared/secure-sum/session-context.ts';
import { shareCommitment } from '#shared/secure-sum/share-table-layout.ts';

/** What is public about one slot once its survivors are fixed. Banks are indices in the session's roster. */
export interface FixedSlot {
  readonly sessionHash: Uint8Array;
  readonly roundHash: Uint8Array;
  readonly slot: number;
  readonly threshold: number;
  /** Banks whose keys count, ascending. */
  readonly dealers: readonly number[];
  /** Banks whose vectors are in the sum, ascending; all of them dealers. */
  readonly survivors: readonly number[];
  /** X25519 public keys of this slot, by bank. */
  readonly slotKeys: ReadonlyMap<number, Uint8Array>;
  readonly seedCommitments: ReadonlyMap<number, Uint8Array>;
}

/** A fault with a name to it. */
export class BankFault extends FederationError {
  /** Index of the bank at fault. */
  readonly culprit: number;
  constructor(code: ErrorCode, culprit: number, message: string) {
    super(code, message);
    this.culprit = culprit;
  }
}

/** Which seed of a dealer is opened; computed from the survivors, never taken from a list somebody sends. */
export function openedSeed(dealer: number, survivors: readonly number[]): SeedKind {
  return survivors.includes(dealer) ? 'self' : 'mask';
}

/** @throws BankFault SHARE_BAD, the revealer's, when a share is not the one its dealer committed to */
export function assertShareFits(
  share: Uint8Array,
  fixed: { sessionHash: Uint8Array; slot: number },
  dealer: number,
  revealer: number,
  kind: SeedKind,
  commitment: Uint8Array,
): void {
  const { sessionHash, slot } = fixed;
  if (
    share.length !== SHARE_BYTES ||
    share[SHARE_BYTES - 1] !== revealer + 1 ||
    !equalBytes(shareCommitment(sessionHash, slot, dealer, revealer, kind, share), commitment)
  ) {
    throw new BankFault(
      'SHARE_BAD',
      revealer,
      `bank ${revealer} revealed a share of bank ${dealer}'s ${kind} seed that does not fit its commitment`,
    );
  }
}

/**
 * The seeds that the revealed shares open: of each dealer one, see `openedSeed`.
 * @param revealed by revealing bank: one share for each dealer, in the dealers' order. The first `threshold`
 *   in roster order are used
 * @throws FederationError SHARES when there are too few
 * @throws BankFault DEALER_MASK | DEALER_SELF, the dealer's, when shares that fit their commitments do not
 *   give what the dealer published
 */
export function openSeeds(
  fixed: FixedSlot,
  revealed: ReadonlyMap<number, readonly Uint8Array[]>,
): Map<number, Uint8Array> {
  const { threshold, dealers, survivors } = fixed;
  const revealers = [...revealed.keys()].sort((a, b) => a - b).slice(0, threshold);
  if (revealers.length < threshold) {
    throw new FederationError(
      'SHARES',
      `${revealers.length} banks revealed their shares, ${threshold} are needed`,
    );
  }
  return new Map(
    dealers.map((dealer, position) => {
      const seed = combineShares(revealers.map((revealer) => revealed.get(revealer)![position]!));
      assertSeed(fixed, dealer, openedSeed(dealer, survivors), seed);
      return [dealer, seed];
    }),
  );
}

/** The masks to apply to the sum of the survivors' vectors. @throws as `openSeeds` */
export function masksOfSum(fixed: FixedSlot, revealed: ReadonlyMap<number, readonly Uint8Array[]>): Mask[] {
  const { roundHash, slot, survivors, slotKeys } = fixed;
  const masks: Mask[] = [];
  for (const [dealer, seed] of openSeeds(fixed, revealed)) {
    if (openedSeed(dealer, survivors) === 'self') {
      masks.push({ key: selfMaskKey(roundHash, slot, dealer, seed), sign: 'subtract' });
      continue;
    }
    for (const survivor of survivors) {
      const key = pairMaskKey(roundHash, slot, [dealer, survivor], seed, slotKeys.get(survivor)!);
      masks.push({ key, sign: dealer > survivor ? 'subtract' : 'add' });
    }
  }
  return masks;
}

function assertSeed(fixed: FixedSlot, dealer: number, kind: SeedKind, seed: Uint8Array): void {
  const { sessionHash, slot, slotKeys, seedCommitments } = fixed;
  const fits =
    kind === 'self'
      ? equalBytes(selfSeedCommitment(sessionHash, slot, dealer, seed), seedCommitments.get(dealer)!)
      : equalBytes(agreementPublicKey(seed), slotKeys.get(dealer)!);
  if (fits) return;
  throw new BankFault(
    kind === 'self' ? 'DEALER_SELF' : 'DEALER_MASK',
    dealer,
    `the shares that bank ${dealer} dealt do not give the ${kind} seed it published for slot ${slot}`,
  );
}
