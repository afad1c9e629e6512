/**
 * `tallystick simulate`: what a federation would bring, tried on one file before anything is deployed. Splits
 * the file into banks, runs a real coordinator and real agents over loopback, and holds the result against
 * pooled training and each bank alone, all judged on the same test rows.
 */
import type { ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { exitCodeOf, isVerified } from '#scripts/commands/audit.ts';
import { EXIT, print, printJson, table as textTable } from '#scripts/commands/output.ts';
import { assertOptionsFit, isExact, type ModelName } from '#scripts/operator/models.ts';
import { planFor, settingsFrom, type ProposedPlan } from '#scripts/operator/plan-file.ts';
import { compare, exactness, type Comparison } from '#scripts/simulate/compare.ts';
import type { FederatedResult } from '#scripts/consortium/train-federated.ts';
import { federate } from '#scripts/simulate/federate.ts';
import {
  splitFile,
  type SimulatedBank,
  type SplitFile,
  type SplitOptions,
} from '#scripts/simulate/split-file.ts';
import { badRateOf } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface SimulateOptions {
  readonly data: string;
  /** These three without `contract`. */
  readonly target?: string;
  readonly positive?: readonly string[];
  readonly good?: readonly string[];
  readonly exclude?: string;
  readonly partitionBy?: string;
  readonly banks: number;
  readonly skew?: string;
  readonly model: ModelName;
  readonly rounds?: number;
  readonly settings?: string;
  readonly testFraction: number;
  readonly seed: string;
  readonly contract?: string;
  readonly masked?: boolean;
  readonly plain?: boolean;
  readonly json?: boolean;
}

export async function simulate(options: SimulateOptions): Promise<number> {
  const started = performance.now();
  assertOptionsFit(options.model, options);
  settingsFrom(options.settings); // before a large file is read
  const split = await splitFile(splitOptions(options));
  const { contract, banks, test } = split;
  const plan = planFor({
    name: `simulate ${options.model}`,
    model: options.model,
    rounds: options.rounds,
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
  const { data, banks, partitionBy, skew, seed, testFraction, contract, target, positive, good } = options;
  const common = { data, banks, partitionBy, skew, seed, testFraction };
  if (contract !== undefined) return { ...common, contract };
  if (target === undefined || positive === undefined)
    throw new FederationError(
      'USAGE',
      'expected --target COLUMN and --positive VALUE, from which a contract is inferred, or --contract FILE',
    );
  const exclude = options.exclude?.split(',') ?? [];
  return { ...common, inferred: { target, positive, good, exclude } };
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
      banks: banks.map(({ id, table }) => ({ id, rows: table.rowCount, badRate: badRateOf(table) })),
      model: options.model,
      masked: options.plain !== true,
      rounds: view.rounds.filter((round) => round.outcome === 'closed').length,
      federated: brief(federated),
      pooled: brief(pooled),
      local,
      modelHash: view.result!.artefact,
      ...(isExact(options.model) ? { pooledModelHash: comparison.pooledRoot } : {}),
      ledger: { entries: audit.entries, root: audit.root, verified: isVerified(audit) },
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
    `Ledger: ${audit.entries} entries, root ${audit.root}, ${isVerified(audit) ? 'verified' : 'NOT VERIFIED'}`,
  );
  print(`${trainingSeconds.toFixed(1)} s of training in ${totalSeconds.toFixed(1)} s`);
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
