/** A federated model beside its yardsticks: all rows in one place, and each bank alone. */
import type { ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { say } from '#scripts/commands/output.ts';
import { judgeModel, trainHere } from '#scripts/simulate/reference.ts';
import type { SimulatedBank } from '#scripts/simulate/split-file.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { concatTables, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Plan } from '#shared/protocol/plan.ts';

export interface Comparison {
  readonly federated: ExactMetrics;
  readonly pooled: ExactMetrics;
  /** Root of the model of all rows in one place: of exact programs, the federated model's own. */
  readonly pooledRoot: string;
  /** Each bank's own model. A bank without one guesses: AUC 0.5, KS 0. */
  readonly local: {
    readonly aucMean: number;
    readonly aucMin: number;
    readonly aucMax: number;
    readonly ksMean: number;
    readonly ksMin: number;
    /** Banks whose rows alone give no model, for want of bads. */
    readonly guessing: number;
  };
}

/** All models are judged on `test`. */
export async function compare(
  artefact: Uint8Array,
  plan: Plan,
  contract: DataContract,
  banks: readonly SimulatedBank[],
  test: Table,
): Promise<Comparison> {
  say('Training the same model on all rows in one place, and at each bank alone, to compare …');
  const pooled = await trainHere(plan, contract, [concatTables(banks.map((bank) => bank.table))]);
  const alone: (ExactMetrics | undefined)[] = [];
  for (const { table } of banks) alone.push(await trainedAlone(plan, contract, table, test));
  const aucs = alone.map((metrics) => metrics?.auc ?? 0.5);
  const ks = alone.map((metrics) => metrics?.ks ?? 0);
  return {
    federated: judgeModel(artefact, test),
    pooled: judgeModel(pooled.artefact, test),
    pooledRoot: pooled.root,
    local: {
      aucMean: mean(aucs),
      aucMin: Math.min(...aucs),
      aucMax: Math.max(...aucs),
      ksMean: mean(ks),
      ksMin: Math.min(...ks),
      guessing: alone.filter((metrics) => metrics === undefined).length,
    },
  };
}

/** @returns undefined when the bank's rows alone give no model, for want of bads */
async function trainedAlone(
  plan: Plan,
  contract: DataContract,
  table: Table,
  test: Table,
): Promise<ExactMetrics | undefined> {
  try {
    return judgeModel((await trainHere(plan, contract, [table])).artefact, test);
  } catch (error) {
    if (error instanceof FederationError && error.code !== 'INTERNAL') return undefined;
    throw error;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

export function exactness(federated: string, pooled: string): string {
  return federated === pooled
    ? 'It is, byte for byte, the model of all rows in one place.'
    : `All rows in one place give another model, ${pooled}: banks were missing in some rounds.`;
}
