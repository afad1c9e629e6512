/**
 * `tallystick simulate`: what a federation would bring, tried on one file before anything is deployed. Splits
 * the file into banks, runs a real coordinator and real agents over loopback, and holds the result against
 * pooled training and each bank alone, all judged on the same test rows.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunView } from '#coordinator/http/run-view.ts';
import { inferContract } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import type { ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { auditBundle, exportBundle, exitCodeOf, type AuditReport } from '#scripts/commands/audit.ts';
import { EXIT, print, printJson, say, table as textTable } from '#scripts/commands/output.ts';
import { LocalConsortium } from '#scripts/consortium/local-consortium.ts';
import { fedavgPlan, readContractFile, type ModelName } from '#scripts/operator/plan-file.ts';
import { watchRun } from '#scripts/operator/watch-run.ts';
import {
  partitionByColumn,
  partitionByDirichlet,
  partitionEvenly,
  splitTest,
  tableCsv,
  type Partition,
} from '#scripts/simulate/partition.ts';
import { judgeModel, trainHere } from '#scripts/simulate/reference.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { concatTables, selectRows, type Column, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import { SESSION_BANKS_MIN } from '#shared/secure-sum/thresholds.ts';

export interface SimulateOptions {
  readonly data: string;
  readonly target: string;
  readonly positive: string;
  readonly exclude?: string;
  readonly partitionBy?: string;
  readonly banks: string;
  readonly skew?: string;
  readonly model: ModelName;
  readonly rounds: string;
  readonly testFraction: string;
  readonly seed: string;
  readonly contract?: string;
  readonly masked?: boolean;
  readonly plain?: boolean;
  readonly json?: boolean;
}

/** A bank's rows, and where its agent reads them. */
interface SimulatedBank {
  readonly id: string;
  readonly table: Table;
}

export interface Comparison {
  readonly federated: ExactMetrics;
  readonly pooled: ExactMetrics;
  /** AUC of each bank's own model. */
  readonly local: { readonly aucMean: number; readonly aucMin: number; readonly aucMax: number };
}

export interface FederatedResult {
  readonly view: RunView;
  readonly artefact: Uint8Array;
  readonly audit: AuditReport;
  readonly trainingSeconds: number;
}

export async function simulate(options: SimulateOptions): Promise<number> {
  const started = performance.now();
  const { contract, banks, test } = await prepare(options);
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-simulate-'));
  const consortium = new LocalConsortium(folder);
  const interrupted = stopOnSignal(consortium);
  try {
    await writeBanks(folder, contract, banks);
    const plan = fedavgPlan({
      name: `simulate ${options.model}`,
      model: options.model,
      rounds: Number(options.rounds),
      participants: banks.map((bank) => bank.id),
      minimum: banks.length,
      seed: options.seed,
      aggregation: options.plain === true ? 'plain' : 'masked',
    });
    if (plan.aggregation === 'masked' && banks.length < SESSION_BANKS_MIN) {
      throw new FederationError(
        'USAGE',
        `masked sums are for ${SESSION_BANKS_MIN} banks or more: with ${banks.length}, each would learn the other's part. Use more banks, or --plain`,
      );
    }
    await startConsortium(consortium, banks, Math.min(3, banks.length));
    const result = await trainFederated(consortium, contract, plan, options.json === true);
    await consortium.stop();
    const comparison = await compare(result, contract, banks, test);
    report(options, banks, result, comparison, (performance.now() - started) / 1000);
    return exitCodeOf(result.audit);
  } catch (error) {
    if (interrupted()) return EXIT.interrupted;
    throw error;
  } finally {
    await consortium.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function prepare(
  options: SimulateOptions,
): Promise<{ contract: DataContract; banks: SimulatedBank[]; test: Table }> {
  const count = Number(options.banks);
  if (!Number.isInteger(count) || count < 2)
    throw new FederationError('USAGE', `expected --banks of 2 or more, got "${options.banks}"`);
  const partitionColumn = options.partitionBy;
  const source = await contractFor(options);
  const { table, report, extra } = await loadTable(
    options.data,
    source,
    partitionColumn === undefined ? {} : { extraColumns: [partitionColumn] },
  );
  for (const finding of report.findings) say(`  ${finding.severity}: ${finding.message}`);
  const split = splitTest(table.bad, Number(options.testFraction), options.seed);
  let parts: Partition[];
  if (partitionColumn !== undefined)
    parts = partitionByColumn(extra[partitionColumn]!, split.training, count);
  else parts = partitionBySkew(options.skew ?? 'iid', table.bad, split.training, count, options.seed);
  const contract = withoutDerivations(source);
  const all = { ...table, columns: underContract(table, contract) };
  const banks = parts.map(({ id, rows }) => ({ id, table: selectRows(all, rows) }));
  say(
    `${table.rowCount} rows: ${split.test.length} to test on, the others at ${banks.length} banks of ${banks.map((b) => b.table.rowCount).join(', ')}`,
  );
  return { contract, banks, test: selectRows(all, split.test) };
}

/** Banks' files are written from the table, where derived features are columns like the others. */
function withoutDerivations(contract: DataContract): DataContract {
  const features = contract.features.map((feature) => {
    if (feature.type === 'category') return feature;
    const { derive: _, ...plain } = feature;
    return plain;
  });
  return { ...contract, features };
}

function underContract(table: Table, { features }: DataContract): Column[] {
  return table.columns.map((column, j) => ({ ...column, feature: features[j] }) as Column);
}

async function contractFor(options: SimulateOptions): Promise<DataContract> {
  if (options.contract !== undefined) return readContractFile(options.contract);
  const exclude = [
    ...(options.exclude?.split(',') ?? []),
    ...(options.partitionBy === undefined ? [] : [options.partitionBy]),
  ];
  const { contract, notes } = await inferContract(options.data, {
    target: options.target,
    bad: options.positive,
    exclude,
  });
  say('No --contract: inferred one from the file, assuming');
  for (const note of notes) say(`  ${note}`);
  return contract;
}

function partitionBySkew(
  skew: string,
  bad: Uint8Array,
  rows: Uint32Array,
  banks: number,
  seed: string,
): Partition[] {
  if (skew === 'iid') return partitionEvenly(rows, banks, seed);
  const alpha = /^dirichlet:(\d*\.?\d+)$/.exec(skew)?.[1];
  if (alpha === undefined || Number(alpha) <= 0)
    throw new FederationError('USAGE', `expected --skew iid or dirichlet:ALPHA, got "${skew}"`);
  return partitionByDirichlet(bad, rows, banks, Number(alpha), seed);
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

/** Kills nobody's work but ours: on Ctrl-C everything stops, and `simulate` ends through its `finally`. */
export function stopOnSignal(consortium: LocalConsortium): () => boolean {
  let stopped = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopped) process.exit(EXIT.interrupted); // what we started ends with our end of its input
      stopped = true;
      say('\nStopping …');
      void consortium.stop();
    });
  }
  return () => stopped;
}

export async function startConsortium(
  consortium: LocalConsortium,
  banks: readonly { readonly id: string }[],
  minimumCohort: number,
): Promise<void> {
  say('Starting the coordinator (it creates its database) …');
  await consortium.startCoordinator('simulation');
  say(`Starting ${banks.length} agents …`);
  await Promise.all(
    banks.map(({ id }) => consortium.join({ id, dataFile: dataFile(consortium.folder, id) }, minimumCohort)),
  );
}

/**
 * Proposes the plan, watches it to the end, fetches the model and verifies the ledger offline.
 * @param disturb runs beside the training, until its signal aborts
 */
export async function trainFederated(
  consortium: LocalConsortium,
  contract: DataContract,
  plan: ReturnType<typeof fedavgPlan>,
  quiet: boolean,
  disturb: (until: AbortSignal) => Promise<void> = () => Promise.resolve(),
): Promise<FederatedResult> {
  const { client } = consortium;
  const started = performance.now();
  const proposed = await client.post<RunView>('/v1/runs', { contract, plan });
  const over = new AbortController();
  const disturbed = disturb(AbortSignal.any([over.signal, consortium.ended]));
  const run = await watchRun(client, proposed.run, { quiet, signal: consortium.ended });
  over.abort();
  await disturbed;
  consortium.ended.throwIfAborted();
  const trainingSeconds = (performance.now() - started) / 1000;
  if (run.phase.name !== 'finished' || run.phase.result.outcome !== 'completed') {
    const why = run.phase.name === 'finished' ? run.phase.result.reason : run.phase.name;
    throw new FederationError(
      'COHORT',
      `the run did not complete: ${why}. Logs are in ${join(consortium.folder, 'logs')}`,
    );
  }
  say('Exporting the ledger and verifying it offline …');
  const bundle = join(consortium.folder, 'bundle');
  await exportBundle(client, bundle, true);
  return {
    view: await client.run(proposed.run),
    artefact: await client.body(run.phase.result.artefact!),
    audit: await auditBundle(bundle, consortium.charter),
    trainingSeconds,
  };
}

export async function compare(
  result: FederatedResult,
  contract: DataContract,
  banks: readonly SimulatedBank[],
  test: Table,
): Promise<Comparison> {
  say('Training the same model on all rows in one place, and at each bank alone, to compare …');
  const plan: Plan = result.view.plan;
  const pooled = await trainHere(plan, contract, [concatTables(banks.map((bank) => bank.table))]);
  const aucs: number[] = [];
  for (const { table } of banks)
    aucs.push(judgeModel((await trainHere(plan, contract, [table])).artefact, test).auc);
  return {
    federated: judgeModel(result.artefact, test),
    pooled: judgeModel(pooled.artefact, test),
    local: {
      aucMean: aucs.reduce((a, b) => a + b, 0) / aucs.length,
      aucMin: Math.min(...aucs),
      aucMax: Math.max(...aucs),
    },
  };
}

function report(
  options: SimulateOptions,
  banks: readonly SimulatedBank[],
  { view, audit, trainingSeconds }: FederatedResult,
  { federated, pooled, local }: Comparison,
  totalSeconds: number,
): void {
  const brief = ({ auc, ks, logLoss, brier }: ExactMetrics) => ({ auc, ks, logLoss, brier });
  if (options.json === true) {
    printJson({
      banks: banks.map(({ id, table }) => ({ id, rows: table.rowCount, badRate: badRate(table) })),
      model: options.model,
      masked: options.plain !== true,
      rounds: view.rounds.filter((r) => r.kind === 'train' && r.outcome === 'closed').length,
      federated: brief(federated),
      pooled: brief(pooled),
      local,
      modelHash: view.result!.artefact,
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
