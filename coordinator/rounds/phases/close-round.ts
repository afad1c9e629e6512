/** collecting → ready: the sum is stored, recorded, and the program moves on. */
import type { Journal } from '#coordinator/journal/journal.ts';
import type { RunningSum } from '#coordinator/rounds/running-sum.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { RunMachine } from '#models/run-machine.ts';
import type { OpenRound, Run } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/rounds.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';
import { fixedSlot, revealedShares } from '#shared/secure-sum/masked-round.ts';
import { BankFault, masksOfSum } from '#shared/secure-sum/open-sum.ts';

/** @throws FederationError when the sum is not one the program can go on from */
export async function closeRound(
  run: Run,
  open: OpenRound,
  sum: RunningSum,
  machine: RunMachine,
  bodies: BodyStore,
  journal: Journal,
): Promise<void> {
  // an update accepted a moment ago may still be on its way into the sum; `add` is idempotent
  const survivors = survivorsOf(open);
  for (const index of survivors) await sum.add(index, open.inputs.get(index)!.vectorRoot);
  const revealed = open.masked === undefined ? new Map<number, Uint8Array[]>() : revealedShares(open);
  let read: RingSum;
  try {
    if (open.masked !== undefined) await sum.open(masksOfSum(fixedSlot(open), revealed));
    read = machine.read(sum.words, survivors.length);
  } catch (error) {
    if (open.masked === undefined || !(error instanceof FederationError)) throw error;
    return giveUp(run, open, error, [...revealed.keys()], journal);
  }
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
  machine.advance(read, sumRoot);
}

/** The sum is lost for good: its shares are out, so the question is not asked again. */
async function giveUp(
  run: Run,
  open: OpenRound,
  fault: FederationError,
  revealers: number[],
  journal: Journal,
): Promise<void> {
  const culprit = fault instanceof BankFault ? open.roster[fault.culprit]! : undefined;
  if (fault instanceof BankFault && culprit !== undefined && !run.culprits.has(culprit)) {
    await journal.record('blame', {
      run: run.id,
      culprit,
      code: fault.code,
      reason: asSentence(fault.message),
      evidence: { ctx: open.hash, revealers },
    });
  }
  await journal.record('void-round', {
    ctx: open.hash,
    code: fault.code,
    reason: asSentence(fault.message),
  });
}
