/**
 * Masked rounds: no more vectors are taken; the banks are asked to certify whose are in the sum. Of large vectors the
 * sum is claimed with it, while nobody can know anything of what is under the masks, so that banks can check it by
 * sketches (shared/secure-sum/sum-check.ts).
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { RunningSum } from '#coordinator/rounds/running-sum.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { MaskedSum, OpenRound } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/rounds.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { bytesOf, RootHasher } from '#shared/ring/vector-root.ts';
import { isSketched } from '#shared/secure-sum/sum-check.ts';

/** @throws FederationError STATE when another vector has come meanwhile: what was to be fixed has changed */
export async function fixSurvivors(
  open: OpenRound,
  sum: RunningSum,
  bodies: BodyStore,
  journal: Journal,
): Promise<void> {
  const survivors = survivorsOf(open);
  const maskedSum = isSketched(open) ? await claimSum(open, survivors, sum, bodies) : undefined;
  await journal.record('fix-survivors', {
    ctx: open.hash,
    slot: open.masked!.slot,
    survivors,
    survivorsHash: survivorsHash(open, maskedSum),
    ...(maskedSum && { maskedSum }),
  });
}

/** The carries are a body that banks fetch; the words they have from the sum and the masks. */
async function claimSum(
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
