/** collecting → ready: the sum is stored, recorded, and the program moves on. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { RunningSum } from '#coordinator/rounds/running-sum.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { RunMachine } from '#models/run-machine.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/run-rules.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';

/** @throws FederationError when the sum is not one the program can go on from */
export async function closeRound(
  open: OpenRound,
  sum: RunningSum,
  machine: RunMachine,
  bodies: BodyStore,
  journal: Journal,
): Promise<void> {
  // an update accepted a moment ago may still be on its way into the sum; `add` is idempotent
  const survivors = survivorsOf(open);
  for (const index of survivors) await sum.add(index, open.inputs.get(index)!.vectorRoot);
  const sumRoot = vectorRoot(sum.words);
  await bodies.put(sumRoot, bytesOf(sum.words));
  // A crash before this line: the round is still open, the sum is computed again. After it: the sum is read
  // from its body.
  await journal.record('close-round', {
    ctx: open.hash,
    survivors,
    survivorsHash: survivorsHash(open),
    sumRoot,
  });
  machine.next(sum.words, survivors.length, sumRoot);
}
