/** Is the announced sum of a masked round the sum of the vectors this bank has certified? */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import type { OpenRound } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { createWords } from '#shared/ring/ring-sum.ts';
import { StreamedSum } from '#shared/ring/streamed-sum.ts';
import { bytesOf, RootHasher } from '#shared/ring/vector-root.ts';
import { applyMasksInSlices } from '#shared/secure-sum/apply-masks.ts';
import { fixedSlot, maskedOf, revealedShares } from '#shared/secure-sum/masked-round.ts';
import { masksOfSum } from '#shared/secure-sum/open-sum.ts';

/**
 * Reads the survivors' vectors, adds them up and takes the masks out.
 * @param announced root of the sum
 * @throws FederationError VECROOT when the vectors give another sum
 */
export async function compareSum(
  open: OpenRound,
  announced: string,
  context: AgentContext,
  signal: AbortSignal,
): Promise<void> {
  const sum = await readVectors(open, context, signal);
  const hasher = new RootHasher();
  for (const slice of applyMasksInSlices(sum, masksOfSum(fixedSlot(open), revealedShares(open)))) {
    hasher.update(bytesOf(slice));
    await nextTurn();
  }
  const root = hasher.root();
  if (root === announced) return;
  throw new FederationError(
    'VECROOT',
    `round ${open.payload.round}: the certified vectors sum to ${root}, the coordinator announced ${announced}`,
  );
}

/** The sum of the survivors' vectors, with masks. */
async function readVectors(
  open: OpenRound,
  { bodies }: AgentContext,
  signal: AbortSignal,
): Promise<RingWords> {
  const { ring, length } = open.payload.question;
  const roots = maskedOf(open).fixed!.survivors.map((index) => open.inputs.get(index)!.vectorRoot);
  const words = createWords(ring, length);
  let streamed = new StreamedSum(ring, roots, words);
  await bodies.downloadVectors(open.hash, signal, () => {
    streamed = new StreamedSum(ring, roots, words); // every attempt starts from nothing
    return (piece) => streamed.take(piece);
  });
  return streamed.whole();
}
