/**
 * Whether this bank takes part in a run: by its policy, and where that says so, by a person. No row is read before, and
 * nothing that depends on one is said.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { objectionsTo } from '#participant-agent/policy/policy.ts';
import { fetchContract } from '#participant-agent/rounds/fetch-contract.ts';
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { concernsIn } from '#shared/contract/concerns.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { Decision } from '#shared/participant/effects.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** How often the agent looks whether somebody has decided. */
const LOOK_EVERY_MS = 1000;

/** @returns undefined when the run has begun or ended without this bank's decision */
export async function decideRun(
  run: Run,
  context: AgentContext,
  signal: AbortSignal,
): Promise<Decision | undefined> {
  const objections = objectionsTo(run, context.policy);
  if (objections.length > 0) return { decision: 'refused', reason: `policy: ${objections.join('; ')}` };
  if (context.policy.consent === 'automatic')
    return { decision: 'granted', reason: 'policy: automatic consent' };
  const concerns = concernsIn(await fetchContract(run, context, signal));
  context.log.info(
    { run: run.id, name: run.plan.name, ...(concerns.length === 0 ? {} : { concerns }) },
    `waiting for a decision: tallystick agent consent ${run.id} grant`,
  );
  while (run.phase.name === 'proposed') {
    const decision = await context.state.decisionFor(run.id);
    if (decision !== undefined) return decision;
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {
      throw new FederationError('STOPPED', 'the agent is stopping');
    });
  }
  context.log.info({ run: run.id, name: run.plan.name }, 'the run did not wait for this bank any longer');
  return undefined;
}
