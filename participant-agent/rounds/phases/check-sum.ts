/**
 * A closed masked round: is the announced sum the sum of the vectors this bank has certified? Runs beside the
 * next computation and must be done before the next answer is signed.
 */
import { submitMessage, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { compareSum } from '#participant-agent/rounds/compare-sum.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { PastRound, Run } from '#shared/ledger/federation-state.ts';
import { maskedOf } from '#shared/secure-sum/masked-round.ts';
import { checkedByAll, delegatesOf } from '#shared/secure-sum/sum-check.ts';

/**
 * @param untilChanged resolves when the ledger has grown, or after so many ms
 * @throws FederationError VECROOT when the announced sum is another
 */
export async function checkSum(
  run: Run,
  past: PastRound,
  context: AgentContext,
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
  const { sumRoot } = past.end.payload;
  await compareSum(open, sumRoot, context);
  if (!isDelegate || masked.confirmations.has(bank)) return;
  const from = context.config.participant;
  const message = signMessage('confirm-sum', { ctx: open.hash, from, sumRoot }, context.seed);
  await submitMessage(context, message, {
    run: run.id,
    round: open.payload.round,
    detail: 'the sum is right',
  });
}
