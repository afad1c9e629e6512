/**
 * `tallystick simulate`: what a federation would bring, tried on one file before anything is deployed. Splits
 * the file into banks, runs a real coordinator and real agents over loopback, and holds the result against
 * pooled training and each bank alone, all judged on the same test rows.
 */
import type { ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { exitCodeOf } from '#scripts/commands/audit.ts';
import { EXIT, print, printJson, table as textTable } from '#scripts/commands/output.ts';
import { isExact, type ModelName } from '#scripts/operator/models.ts';
import { planFor, type ProposedPlan } from '#scripts/operator/plan-file.ts';
import { compare, exactness, type Comparison } from '#scripts/simulate/compare.ts';
import { federate, type FederatedResult } from '#scripts/simulate/federate.ts';
import {
  splitFile,
  type SimulatedBank,
  type SplitFile,
  type SplitOptions,
} from '#scripts/simulate/split-file.ts';
import type { Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Rounds of training, or trees, when nobody says. */
export const ROUNDS: Readonly<Record<ModelName, number | undefined>> = {
  mlp: 60,
  gbdt: 100,
  logistic: undefined,
  scorecard: undefined,
};

export interface SimulateOptions {
  readonly data: string;
  readonly target: string;
  readonly positive: string;
  readonly exclude?: string;
  readonly partitionBy?: string;
  readonly banks: string;
  readonly skew?: string;
  readonly model: ModelName;
  readonly rounds?: string;
  readonly settings?: string;
  readonly testFraction: string;
  readonly seed: string;
  readonly contract?: string;
  readonly masked?: boolean;
  readonly plain?: boolean;
  readonly json?: boolean;
}

export async function simulate(options: SimulateOptions): Promise<number> {
  const started = performance.now();
  const split = await splitFile(splitOptions(options));
  const { contract, banks, test } = split;
  const plan = planFor({
    name: `simulate ${options.model}`,
    model: options.model,
    rounds: options.rounds === undefined ? ROUNDS[options.model] : Number(options.rounds),
    settings: options.settings,
    participants: banks.map((bank) => bank.id),
    minimum: banks.length,
    seed: options.seed,
    aggregation: options.plain === true ? 'plain' : 'masked',
  });
  const result = await federated(split, plan, options.json === true);
  if (result === undefined) return EXIT.interrupted;
  const comparison = await compare(result.artefact, result.view.plan, contract, banks, test);
  report(options, banks, result, comparison, (performance.now() - started) / 1000);
  return exitCodeOf(result.audit);
}

function splitOptions(options: SimulateOptions): SplitOptions {
  const banks = Number(options.banks);
  if (!Number.isInteger(banks) || banks < 2)
    throw new FederationError('USAGE', `expected --banks of 2 or more, got "${options.banks}"`);
  const { data, target, positive, partitionBy, skew, seed, contract } = options;
  return {
    ...{ data, target, positive, partitionBy, skew, seed, contract, banks },
    exclude: options.exclude?.split(',') ?? [],
    testFraction: Number(options.testFraction),
  };
}

/** @returns undefined when it was interrupted */
async function federated(
  split: SplitFile,
  plan: ProposedPlan,
  quiet: boolean,
): Promise<FederatedResult | undefined> {
  try {
    return (await federate(split, plan, quiet)).result;
  } catch (error) {
    if (error instanceof FederationError && error.code === 'STOPPED') return undefined;
    throw error;
  }
}

function report(
  options: SimulateOptions,
  banks: readonly SimulatedBank[],
  { view, audit, trainingSeconds }: FederatedResult,
  comparison: Comparison,
  totalSeconds: number,
): void {
  const { federated, pooled, local } = comparison;
  const brief = ({ auc, ks, logLoss, brier }: ExactMetrics) => ({ auc, ks, logLoss, brier });
  if (options.json === true) {
    printJson({
      banks: banks.map(({ id, table }) => ({ id, rows: table.rowCount, badRate: badRate(table) })),
      model: options.model,
      masked: options.plain !== true,
      rounds: view.rounds.filter((round) => round.outcome === 'closed').length,
      federated: brief(federated),
      pooled: brief(pooled),
      local,
      modelHash: view.result!.artefact,
      ...(isExact(options.model) ? { pooledModelHash: comparison.pooledRoot } : {}),
      ledger: { entries: audit.entries, root: audit.root, verified: audit.passed && audit.complete },
      seconds: { total: round(totalSeconds), training: round(trainingSeconds) },
    });
    return;
  }
  const figures = (m: ExactMetrics): string[] => [m.auc, m.ks, m.logLoss, m.brier].map((x) => x.toFixed(4));
  print('');
  print(
    textTable(
      ['trained', 'AUC', 'KS', 'log-loss', 'Brier'],
      [
        ['together (federated)', ...figures(federated)],
        ['all rows in one place', ...figures(pooled)],
        [`each bank alone (mean of ${banks.length})`, local.aucMean.toFixed(4), '', '', ''],
        ['  best and worst', `${local.aucMax.toFixed(4)}, ${local.aucMin.toFixed(4)}`, '', '', ''],
      ],
      [1, 2, 3, 4],
    ),
  );
  print(`\nJudged on ${federated.rows} rows nobody trained on. Model ${view.result!.artefact}`);
  if (isExact(options.model)) print(exactness(view.result!.artefact!, comparison.pooledRoot));
  print(
    `Ledger: ${audit.entries} entries, root ${audit.root}, ${audit.passed && audit.complete ? 'verified' : 'NOT VERIFIED'}`,
  );
  print(`${trainingSeconds.toFixed(1)} s of training in ${totalSeconds.toFixed(1)} s`);
}

function badRate(table: Table): number {
  return table.bad.reduce((sum, bad) => sum + bad, 0) / table.rowCount;
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
