/**
 * A closed masked round: is the announced sum the sum of the vectors this bank has certified? Runs beside the
 * next computation and must be done before the next answer is signed.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { submitMessage, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { PastRound, Run } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { ifFitting, type RingWords } from '#shared/ring/encode.ts';
import { createWords } from '#shared/ring/ring-sum.ts';
import { StreamedSum } from '#shared/ring/streamed-sum.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { fixedSlot, maskedOf, revealedShares } from '#shared/secure-sum/masked-round.ts';
import { masksOfSum } from '#shared/secure-sum/open-sum.ts';
import { checkedByAll, delegatesOf } from '#shared/secure-sum/sum-check.ts';

/** Words whose masks are taken out at once: a few ms, then other work has its turn. */
const SLICE_WORDS = 262_144;

/** A vector that each check of a run's sums writes over: memory that is fresh from the system costs as much as a sum. */
export interface CheckMemory {
  words?: RingWords;
}

/**
 * @param untilChanged resolves when the ledger has grown, or after so many ms
 * @throws FederationError VECROOT when the announced sum is another
 */
export async function checkSum(
  run: Run,
  past: PastRound,
  context: AgentContext,
  memory: CheckMemory,
  untilChanged: (ms: number) => Promise<void>,
): Promise<void> {
  if (past.end.outcome !== 'closed') return;
  const { open } = past;
  const masked = maskedOf(open);
  const bank = open.roster.indexOf(context.config.participant);
  const all = context.policy.verify === 'full' || checkedByAll(open);
  const delegates = checkedByAll(open) ? [] : delegatesOf(open);
  const isDelegate = delegates.includes(bank);
  if (!all && !isDelegate) {
    // half of the time for a round is theirs; then everybody checks for itself
    const until = context.clock.now() + run.plan.deadlines.roundMs / 2;
    const isConfirmed = (): boolean => delegates.every((index) => masked.confirmations.has(index));
    while (!isConfirmed() && context.clock.now() < until && !context.signal.aborted) {
      await untilChanged(until - context.clock.now());
    }
    if (isConfirmed() || context.signal.aborted) return;
    context.log.warn({ run: run.id }, 'the delegates are silent: this bank checks the sum itself');
  }
  await recompute(past, context, memory);
  if (!isDelegate || masked.confirmations.has(bank)) return;
  const { sumRoot } = past.end.payload;
  const from = context.config.participant;
  const message = signMessage('confirm-sum', { ctx: open.hash, from, sumRoot }, context.seed);
  await submitMessage(context, message, {
    run: run.id,
    round: open.payload.round,
    detail: 'the sum is right',
  });
}

async function recompute(
  { open, end }: PastRound,
  { bodies, signal }: AgentContext,
  memory: CheckMemory,
): Promise<void> {
  if (end.outcome !== 'closed') return;
  const { ring, length } = open.payload.question;
  const roots = maskedOf(open).fixed!.survivors.map((index) => open.inputs.get(index)!.vectorRoot);
  const words = (memory.words = ifFitting(memory.words, ring, length) ?? createWords(ring, length));
  let streamed = new StreamedSum(ring, roots, words);
  await bodies.downloadVectors(open.hash, signal, () => {
    streamed = new StreamedSum(ring, roots, words); // every attempt starts from nothing
    return (piece) => streamed.take(piece);
  });
  const sum = streamed.whole();
  const masks = masksOfSum(fixedSlot(open), revealedShares(open));
  for (let from = 0; from < sum.length; from += SLICE_WORDS) {
    applyMasks(sum.subarray(from, from + SLICE_WORDS), masks, from);
    await breathe();
  }
  const root = vectorRoot(sum);
  if (root === end.payload.sumRoot) return;
  throw new FederationError(
    'VECROOT',
    `round ${open.payload.round}: the certified vectors sum to ${root}, the coordinator announced ${end.payload.sumRoot}`,
  );
}
