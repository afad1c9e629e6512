/** The data contract of a run: what is to be read, and as what. */
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { contractHash, dataContract, type DataContract } from '#shared/contract/contract.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** @throws FederationError CONTRACT when it is not one */
export async function fetchContract(
  run: Run,
  { bodies }: AgentContext,
  signal: AbortSignal,
): Promise<DataContract> {
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
