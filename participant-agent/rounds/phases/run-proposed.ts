/**
 * A run is proposed: the policy's rules, then the bank's data against the contract, then consent, by the
 * policy or by a person. Nothing is computed for a run without a signed consent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { submitMessage, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { objectionsTo } from '#participant-agent/policy/policy.ts';
import type { Decision } from '#participant-agent/state/agent-state.ts';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import { concernsIn } from '#shared/contract/concerns.ts';
import { contractHash, dataContract, type DataContract } from '#shared/contract/contract.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';

/** How often the agent looks whether somebody has decided. */
const LOOK_EVERY_MS = 1000;

/** Loads the rows and consents. @returns whether the bank takes part */
export async function considerRun(run: Run, computer: RunComputer, context: AgentContext): Promise<boolean> {
  const earlier = await context.state.consentFor(run.id);
  // it started without this bank while the agent was away
  if (earlier === undefined && run.phase.name !== 'proposed') return false;
  const message = earlier ?? (await decide(run, computer, context));
  if (message === undefined) return false;
  if (earlier === undefined) await context.state.keepConsent(run.id, message);
  if (message.type !== 'consent')
    throw new FederationError('STATE', `the stored consent of run ${run.id} is something else`);
  const { decision, reason } = message.payload;
  if (run.phase.name === 'proposed') {
    await submitMessage(context, message, { run: run.id, detail: `${decision}: ${reason}` });
    context.log.info({ run: run.id, name: run.plan.name, decision, reason }, `consent ${decision}`);
  }
  if (earlier !== undefined && decision === 'granted') await loadRows(run, computer, context);
  return decision === 'granted';
}

/** @returns undefined when the run has begun or ended without this bank's decision */
async function decide(
  run: Run,
  computer: RunComputer,
  context: AgentContext,
): Promise<BankMessage | undefined> {
  const judged = await judge(run, computer, context);
  if (judged === undefined) return undefined;
  const { decision, reason } = judged;
  const payload = { run: run.id, from: context.config.participant, decision, reason: reason.slice(0, 500) };
  return signMessage('consent', payload, context.seed);
}

async function judge(run: Run, computer: RunComputer, context: AgentContext): Promise<Decision | undefined> {
  const objections = objectionsTo(run.plan, context.policy);
  if (objections.length > 0) return { decision: 'refused', reason: `policy: ${objections.join('; ')}` };
  let concerns: string[];
  try {
    concerns = concernsIn(await loadRows(run, computer, context));
  } catch (error) {
    if (!(error instanceof FederationError) || error.code === 'STOPPED') throw error;
    context.log.warn({ run: run.id, code: error.code }, error.message);
    // the other banks learn that the data do not fit, not what is wrong with them
    return { decision: 'refused', reason: `data: ${error.code}` };
  }
  if (context.policy.consent === 'automatic')
    return { decision: 'granted', reason: 'policy: automatic consent' };
  context.log.info(
    { run: run.id, name: run.plan.name, ...(concerns.length === 0 ? {} : { concerns }) },
    `waiting for a decision: tallystick agent consent ${run.id} grant`,
  );
  return untilDecided(run, context);
}

/** Waits for as long as the run does: whoever waits longer keeps the rows in memory for nothing. */
async function untilDecided(run: Run, context: AgentContext): Promise<Decision | undefined> {
  while (run.phase.name === 'proposed') {
    const decision = await context.state.decisionFor(run.id);
    if (decision !== undefined) return decision;
    await sleep(LOOK_EVERY_MS, undefined, { signal: context.signal }).catch(() => {
      throw new FederationError('STOPPED', 'the agent is stopping');
    });
  }
  context.log.info({ run: run.id, name: run.plan.name }, 'the run did not wait for this bank any longer');
  return undefined;
}

/** @throws FederationError DATA_SOURCE | CONTRACT when the rows must not be trained on */
async function loadRows(run: Run, computer: RunComputer, context: AgentContext): Promise<DataContract> {
  const contract = await fetchContract(run, context);
  const report = await computer.load(contract);
  if (report.passed) return contract;
  const errors = report.findings
    .filter((finding) => finding.severity === 'error')
    .map((finding) => finding.message);
  throw new FederationError(
    'CONTRACT',
    `the bank's rows do not pass the check; see "tallystick data check": ${errors.join('; ')}`,
  );
}

async function fetchContract(run: Run, { bodies, signal }: AgentContext): Promise<DataContract> {
  const bytes = await bodies.download(run.plan.contract, signal);
  try {
    const contract = dataContract.parse(JSON.parse(new TextDecoder().decode(bytes)));
    if (contractHash(contract) !== run.plan.contract) throw new Error('it is not in canonical form');
    return contract;
  } catch (cause) {
    throw new FederationError(
      'CONTRACT',
      `the contract ${run.plan.contract} is not valid: ${describeError(cause)}`,
      { cause },
    );
  }
}
