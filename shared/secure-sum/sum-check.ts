/**
 * How a bank knows that the announced sum is the sum: it adds up the masked vectors of the survivors, which it
 * has certified, and takes the masks out with the revealed shares.
 *
 *   full       every bank does so in every round
 *   delegate   two banks, drawn by the hash of the survivors, do so and sign the result; the others wait for
 *              them. For large vectors, where everybody fetching everybody's vector costs more than the round.
 */
import { fromHex } from '#shared/crypto/hash.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { maskedOf } from '#shared/secure-sum/bank-round.ts';

/** Up to so many bytes of vectors in a round every bank checks for itself. */
const FULL_BYTES_MAX = 16 * 1_048_576;
const DELEGATES = 2;

export function checkedByAll(open: OpenRound): boolean {
  const { ring, length } = open.payload.question;
  return open.inputs.size * length * (ring === 'u32' ? 4 : 8) <= FULL_BYTES_MAX;
}

/** Indices of the two survivors whose turn it is, as everybody computes them. */
export function delegatesOf(open: OpenRound): number[] {
  const { survivors, hash } = maskedOf(open).fixed!;
  const left = [...survivors];
  const draw = new DataView(fromHex(hash).buffer);
  const delegates: number[] = [];
  for (let i = 0; i < Math.min(DELEGATES, survivors.length); i++) {
    // 32 random bits over at most 128 banks: the bias is below one in ten million
    delegates.push(...left.splice(draw.getUint32(4 * i) % left.length, 1));
  }
  return delegates;
}
