/** The bank's rows, read for a run that it has consented to, and held against the run's contract. */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import { contractHash, dataContract, type DataContract } from '#shared/contract/contract.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** @throws FederationError DATA_SOURCE | CONTRACT when the rows must not be trained on */
export async function loadRows(
  run: Run,
  computer: RunComputer,
  context: AgentContext,
  signal: AbortSignal,
): Promise<void> {
  const report = await computer.load(await fetchContract(run, context, signal));
  if (report.passed) return;
  const errors = report.findings
    .filter((finding) => finding.severity === 'error')
    .map((finding) => finding.message);
  throw new FederationError(
    'CONTRACT',
    `the bank's rows do not pass the check; see "tallystick data check": ${errors.join('; ')}`,
  );
}

async function fetchContract(run: Run, { bodies }: AgentContext, signal: AbortSignal): Promise<DataContract> {
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
