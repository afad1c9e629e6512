/** The bank's rows, read for a run that it has consented to, and held against the run's contract. */
import { fetchContract } from '#participant-agent/rounds/fetch-contract.ts';
import type { AgentContext } from '#participant-agent/rounds/agent-context.ts';
import type { RowSnapshot } from '#participant-agent/data/row-snapshot.ts';
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** @throws FederationError DATA_SOURCE | CONTRACT when the rows must not be trained on */
export async function loadRows(
  run: Run,
  computer: RunComputer,
  context: AgentContext,
  signal: AbortSignal,
): Promise<RowSnapshot> {
  const { report, rows } = await computer.load(await fetchContract(run, context, signal));
  if (report.passed) return rows;
  const errors = report.findings
    .filter((finding) => finding.severity === 'error')
    .map((finding) => finding.message);
  throw new FederationError(
    'CONTRACT',
    `the bank's rows do not pass the check; see "tallystick data check": ${errors.join('; ')}`,
  );
}
