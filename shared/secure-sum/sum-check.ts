/**
 * How a bank knows that the announced sum is the sum: it checks it against the masked vectors of the survivors, which
 * it has certified, and the masks that the revealed shares give.
 *
 * It reads the vectors and adds them up. Who does, by each bank's policy and the size of the round:
 *
 *   full       every bank in every round
 *   delegate   some of the survivors, who sign the result; the others wait for all of them. For large vectors.
 *
 * The delegates are drawn by the self seeds that the round has opened. Those of honest banks are secret until
 * the survivors are certified, so nobody can choose a vector that makes colluders the delegates. One more than
 * may collude are drawn, so that one is honest; in large consortia at most eight, all of whom are colluders in
 * one round of (N/c)^8 ≥ 6500.
 */
import { sha256 } from '#shared/crypto/hash.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { wordBytes } from '#shared/ring/field.ts';
import { fixedSlot, maskedOf, revealedShares } from '#shared/secure-sum/masked-round.ts';
import { label } from '#shared/secure-sum/binary-labels.ts';
import { seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { openSeeds } from '#shared/secure-sum/open-sum.ts';

/** Up to so many bytes of vectors in a round every bank checks for itself. */
const FULL_BYTES_MAX = 16 * 1_048_576;
const DELEGATES_MAX = 8;

export function checkedByAll({ inputs, payload }: OpenRound): boolean {
  const { ring, length } = payload.question;
  return inputs.size * length * wordBytes(ring) <= FULL_BYTES_MAX;
}

/** Indices of the survivors whose turn it is, as everybody computes them. @throws as `openSeeds` */
export function delegatesOf(open: OpenRound): number[] {
  const fixed = fixedSlot(open);
  const seeds = openSeeds(fixed, revealedShares(open));
  const { colluders } = maskedOf(open).session.payload.thresholds;
  const left = [...fixed.survivors];
  const count = Math.min(colluders + 1, DELEGATES_MAX, left.length);
  const opened = left.map((survivor) => seeds.get(survivor)!);
  const random = seededBytes(sha256(label('delegates'), fixed.roundHash, ...opened));
  return Array.from({ length: count }, () => {
    // 32 random bits over at most 128 banks: the bias is below one in ten million
    const draw = new DataView(random(4).buffer).getUint32(0);
    return left.splice(draw % left.length, 1)[0]!;
  });
}
