/** What the coordinator claimed of a sum of masked vectors before it could take the masks out, and the banks' sketches. */
import { fromHex } from '#shared/crypto/hash.ts';
import type { PastRound } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { addCounting } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { VectorSketcher, type Sketch } from '#shared/secure-sum/vector-sketch.ts';

export interface ClaimedSum {
  /** Adds a part of a vector. */
  add(words: Uint32Array, offset: number): void;
  /** The sketch that a bank signed with its certificate. */
  signed(bank: number): Sketch | undefined;
  /** For its vector, if it signed one. */
  sketcherFor(bank: number): VectorSketcher | undefined;
  /** All vectors are added, and no mask is taken out. @throws FederationError VECROOT */
  assertRight(): void;
}

/**
 * @param sum of the vectors, to be made by `add`
 * @returns undefined where nothing was claimed
 */
export function claimIn({ open }: PastRound, sum: RingWords): ClaimedSum | undefined {
  const { fixed, certificates } = open.masked ?? {};
  const maskedSum = fixed?.maskedSum;
  if (maskedSum === undefined || !(sum instanceof Uint32Array)) return undefined;
  const challenge = fromHex(fixed!.hash);
  const carries = new Uint8Array(sum.length);
  return {
    add: (words, offset) => addCounting(sum, carries, words, offset),
    signed: (bank) => certificates!.get(bank),
    sketcherFor: (bank) =>
      certificates!.get(bank) === undefined ? undefined : new VectorSketcher(challenge),
    assertRight() {
      if (vectorRoot(sum) === maskedSum.words && vectorRoot(carries) === maskedSum.carries) return;
      throw new FederationError(
        'VECROOT',
        `round ${open.payload.round}: the masked vectors do not sum to what was claimed before they were opened`,
      );
    },
  };
}
