/**
 * What is claimed of the sum of large masked vectors, while nobody can know anything of what is under the masks, so that
 * banks can check it by sketches (shared/secure-sum/sum-check.ts).
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { RunningSum } from '#coordinator/rounds/running-sum.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { MaskedSum, OpenRound } from '#shared/ledger/federation-state.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { bytesOf, RootHasher } from '#shared/ring/vector-root.ts';

/** The carries become a body that banks fetch; the words they have from the sum and the masks. */
export async function claimSum(
  open: OpenRound,
  survivors: readonly number[],
  sum: RunningSum,
  bodies: BodyStore,
): Promise<MaskedSum> {
  // a vector accepted a moment ago may still be on its way into the sum; `add` is idempotent
  for (const index of survivors) await sum.add(index, open.inputs.get(index)!.vectorRoot);
  const carries = await rootOf(sum.carries!);
  const words = await rootOf(sum.words);
  await bodies.put(carries, sum.carries!);
  return { words, carries };
}

/** After a loss of power the carries of a claim that was recorded may be short. */
export async function restoreClaim(open: OpenRound, sum: RunningSum, bodies: BodyStore): Promise<void> {
  const maskedSum = open.masked?.fixed?.maskedSum;
  if (maskedSum === undefined) return;
  await bodies.remove(maskedSum.carries);
  await bodies.put(maskedSum.carries, sum.carries!);
}

/** Hashed chunk by chunk, between which the banks' connections have their turn. */
async function rootOf(array: ArrayBufferView): Promise<string> {
  const bytes = bytesOf(array);
  const hasher = new RootHasher();
  for (let start = 0; start < bytes.length; start += LIMITS.chunkBytes) {
    hasher.update(bytes.subarray(start, start + LIMITS.chunkBytes));
    await breathe();
  }
  return hasher.root();
}
