/**
 * How a bank knows that the announced sum is the sum: it adds up the masked vectors of the survivors, which it
 * has certified, and takes the masks out with the revealed shares.
 *
 *   full       every bank does so in every round
 *   delegate   c + 1 banks, drawn by the hash of the survivors, do so and sign the result; the others wait for
 *              all of them, one of whom is honest. For large vectors, where everybody fetching everybody's vector costs more than the round.
 */
import { fromHex } from '#shared/crypto/hash.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { maskedOf } from '#shared/secure-sum/bank-round.ts';

/** Up to so many bytes of vectors in a round every bank checks for itself. */
const FULL_BYTES_MAX = 16 * 1_048_576;

export function checkedByAll(open: OpenRound): boolean {
  const { ring, length } = open.payload.question;
  return open.inputs.size * length * (ring === 'u32' ? 4 : 8) <= FULL_BYTES_MAX;
}

/** Indices of the survivors whose turn it is, as everybody computes them: one more than may collude. */
export function delegatesOf(open: OpenRound): number[] {
  const { fixed, session } = maskedOf(open);
  const { survivors, hash } = fixed!;
  const count = Math.min(session.payload.thresholds.colluders + 1, survivors.length);
  const left = [...survivors];
  const random = seededBytes(fromHex(hash));
  const delegates: number[] = [];
  for (let i = 0; i < count; i++) {
    // 32 random bits over at most 128 banks: the bias is below one in ten million
    const draw = new DataView(random(4).buffer).getUint32(0);
    delegates.push(...left.splice(draw % left.length, 1));
  }
  return delegates;
}
