/** What the coordinator claimed of a sum of masked vectors before it could take the masks out, and the banks' sketches. */
import { fromHex } from '#shared/crypto/hash.ts';
import type { PastRound } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { addCounting } from '#shared/ring/ring-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { isSameSketch, VectorSketcher } from '#shared/secure-sum/vector-sketch.ts';

export interface ClaimedSum {
  /** To take in the vector of this bank. */
  vectorOf(bank: number): ClaimedVector;
  /** All vectors are in, and no mask is taken out. @throws FederationError VECROOT */
  assertRight(): void;
}

export interface ClaimedVector {
  /** Takes its next words, and adds them to the sum from `offset` on. */
  add(words: Uint32Array, offset: number): void;
  /** Whether the bank signed no sketch with its certificate, or the one of this vector, which is whole. */
  isAsSigned(): boolean;
}

/**
 * @param sum of the vectors, to be made by them
 * @returns undefined where nothing was claimed
 */
export function claimIn({ open }: PastRound, sum: RingWords): ClaimedSum | undefined {
  const { fixed, certificates } = open.masked ?? {};
  const maskedSum = fixed?.maskedSum;
  if (maskedSum === undefined || !(sum instanceof Uint32Array)) return undefined;
  const challenge = fromHex(fixed!.hash);
  const carries = new Uint8Array(sum.length);
  return {
    vectorOf(bank) {
      const signed = certificates!.get(bank);
      const sketcher = signed && new VectorSketcher(challenge);
      return {
        add(words, offset) {
          addCounting(sum, carries, words, offset);
          sketcher?.add(words);
        },
        isAsSigned: () => sketcher === undefined || isSameSketch(sketcher.sketch(), signed!),
      };
    },
    assertRight() {
      if (vectorRoot(sum) === maskedSum.words && vectorRoot(carries) === maskedSum.carries) return;
      throw new FederationError(
        'VECROOT',
        `round ${open.payload.round}: the masked vectors do not sum to what was claimed before they were opened`,
      );
    },
  };
}
