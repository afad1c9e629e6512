/**
 * The coordinator asks to cosign the ledger. The head was found right when the entry was taken; it is on disk
 * before the cosignature leaves, so that this bank can never be made to cosign another history.
 */
import { ledgerOf, submitMessage, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { Run } from '#shared/ledger/federation-state.ts';

export async function cosignCheckpoint(run: Run, context: AgentContext): Promise<void> {
  const { config, witness, seed, clock } = context;
  const { checkpoint } = run;
  const index = run.roster.indexOf(config.participant);
  if (checkpoint === undefined || index < 0 || checkpoint.cosignatures.has(index)) return;
  const { head } = checkpoint.payload;
  const ledger = ledgerOf(context);
  await witness.remember(head, ledger, true);
  const time = Math.floor(clock.now() / 1000);
  const signature = witness.cosign(head, ledger.origin, time);
  const payload = { checkpoint: checkpoint.hash, from: config.participant, time, signature };
  const detail = `cosignature of the ledger's first ${head.size} entries`;
  await submitMessage(context, signMessage('cosign', payload, seed), { run: run.id, detail });
}
