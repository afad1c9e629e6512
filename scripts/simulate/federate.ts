/** A federation over a split file: real processes on this machine, from the banks' files to the verified ledger. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import { stopOnSignal } from '#scripts/consortium/stop-on-signal.ts';
import { makeTemporaryFolder } from '#scripts/consortium/temporary-folder.ts';
import {
  startConsortium,
  trainFederated,
  type FederatedResult,
} from '#scripts/consortium/train-federated.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import { tableCsv } from '#scripts/simulate/partition.ts';
import type { SimulatedBank, SplitFile } from '#scripts/simulate/split-file.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { SESSION_BANKS_MIN } from '#shared/secure-sum/thresholds.ts';

/**
 * Runs the plan over the banks in a folder of its own, and leaves nothing behind.
 * @returns also what each bank has sent, bytes, by its own list
 * @throws FederationError STOPPED when it was interrupted, USAGE for too few banks, NegativeOutcome when the run does not complete
 */
export async function federate(
  { contract, banks }: SplitFile,
  plan: ProposedPlan,
  quiet: boolean,
): Promise<{ result: FederatedResult; sent: number[] }> {
  if (plan.aggregation === 'masked' && banks.length < SESSION_BANKS_MIN) {
    throw new FederationError(
      'USAGE',
      `masked sums are for ${SESSION_BANKS_MIN} banks or more: with ${banks.length}, each would learn the other's part. Use more banks, or --plain`,
    );
  }
  const temporary = await makeTemporaryFolder('simulate');
  const folder = temporary.path;
  const consortium = new LocalConsortium(folder);
  const signals = stopOnSignal(consortium);
  try {
    await writeBanks(folder, contract, banks);
    await startConsortium(
      consortium,
      banks.map(({ id }) => ({ id, dataFile: dataFile(folder, id) })),
      Math.min(3, banks.length),
    );
    const result = await trainFederated(consortium, contract, plan, quiet);
    await consortium.stop();
    return { result, sent: await Promise.all(banks.map(({ id }) => consortium.bytesSent(id))) };
  } catch (cause) {
    if (signals.interrupted()) throw new FederationError('STOPPED', 'interrupted', { cause });
    throw cause;
  } finally {
    await consortium.stop();
    await temporary.remove();
    signals.release();
  }
}

async function writeBanks(
  folder: string,
  contract: DataContract,
  banks: readonly SimulatedBank[],
): Promise<void> {
  await mkdir(join(folder, 'data'), { recursive: true });
  for (const { id, table } of banks) await writeFile(dataFile(folder, id), tableCsv(table, contract.target));
}

function dataFile(folder: string, id: string): string {
  return join(folder, 'data', `${id}.csv`);
}
