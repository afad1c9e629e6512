/**
 * Networks over banks whose bad rates differ by far, against all rows in one place: five banks, labels dealt out by a
 * Dirichlet distribution of 0.5 (Hsu et al. 2019), so that one bank may have no bads and the next only bads. Several
 * partitions, because one says little. Every option is judged on the same 30 % of the rows, which nobody trained on,
 * and held against one yardstick: the plan that is proposed by default, but for forty rounds, trained on all other
 * rows.
 *
 * The public data set is read from the folder that TALLYSTICK_DATA names; it is no part of the project.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NETWORKS, SKEWED_BANKS, type FedavgSettingsInput } from '#models/fedavg/settings.ts';
import type { ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { inferContract } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { say } from '#scripts/commands/output.ts';
import { planFor as planOf } from '#scripts/operator/plan-file.ts';
import { partitionByDirichlet, splitTest } from '#scripts/simulate/partition.ts';
import { judgeModel, trainHere } from '#scripts/simulate/reference.ts';
import { contractHash, type DataContract } from '#shared/contract/contract.ts';
import { badRateOf, selectRows, type Table } from '#shared/contract/table.ts';
import { plan, type Plan } from '#shared/protocol/plan.ts';

const FILE = 'taiwan_default.csv.gz';
const BANKS = 5;
const ALPHA = 0.5;
const TEST_FRACTION = 0.3;
/** An easy one and a hard one: in partition 4 the largest bank has no bads to speak of. */
const SEEDS = ['0', '4'];
const ROUNDS = 40;

type Option = Pick<FedavgSettingsInput, 'local' | 'server' | 'stop'>;

const STEPS = { epochs: 1, batchSize: 128, learningRate: 0.003 };
const stop = { rounds: ROUNDS };
/** `undefined` is the plan proposed by default: local Adam, server momentum 0.8. */
const OPTIONS: Readonly<Record<string, Option | undefined>> = {
  'as proposed': undefined,
  'plain averaging': { local: STEPS, server: { momentum: 0 }, stop },
  'FedProx 0.1': { local: { ...STEPS, proximal: 0.1 }, server: { momentum: 0.8 }, stop },
  'cosine rate': { local: { ...STEPS, schedule: { kind: 'cosine' } }, server: { momentum: 0.8 }, stop },
  FedAdam: { local: STEPS, server: { optimizer: 'fedadam' }, stop },
  'full-batch FedAdam': SKEWED_BANKS,
};

export interface SkewCost {
  /** Of split, partition and plan. */
  readonly seed: string;
  readonly option: string;
  readonly rounds: number;
  readonly federated: ExactMetrics;
  /** The yardstick: the proposed plan on all training rows. */
  readonly pooled: ExactMetrics;
  /** Of all rounds, in one process. */
  readonly seconds: number;
}

/** @returns nothing when the data set is not there, which it says */
export async function benchSkew(): Promise<SkewCost[]> {
  const folder = process.env['TALLYSTICK_DATA'];
  if (folder === undefined || !existsSync(join(folder, FILE))) {
    say(`Skew: not measured. Set TALLYSTICK_DATA to a folder with ${FILE}.`);
    return [];
  }
  const path = join(folder, FILE);
  const target = { target: 'default.payment.next.month', bad: '1', exclude: ['ID'] };
  const { contract } = await inferContract(path, { ...target, name: 'taiwan' });
  const { table } = await loadTable(path, contract);
  const costs: SkewCost[] = [];
  for (const seed of SEEDS) costs.push(...(await benchPartition(contract, table, seed)));
  return costs;
}

async function benchPartition(contract: DataContract, table: Table, seed: string): Promise<SkewCost[]> {
  const split = splitTest(table.bad, TEST_FRACTION, seed);
  const test = selectRows(table, split.test);
  const parts = partitionByDirichlet(table.bad, split.training, BANKS, ALPHA, seed);
  const banks = parts.map(({ rows }) => selectRows(table, rows));
  say(`Skew, partition ${seed}: ${banks.map(described).join(', ')} …`);
  const known = selectRows(table, split.training);
  const yardstick = await trainHere(planFor(contract, seed, 1, undefined), contract, [known]);
  const pooled = judgeModel(yardstick.artefact, test);
  const costs: SkewCost[] = [];
  for (const [option, settings] of Object.entries(OPTIONS)) {
    const started = performance.now();
    const { artefact } = await trainHere(planFor(contract, seed, BANKS, settings), contract, banks);
    const seconds = (performance.now() - started) / 1000;
    const { rounds } = settings?.stop ?? stop;
    costs.push({ seed, option, rounds, federated: judgeModel(artefact, test), pooled, seconds });
  }
  return costs;
}

function described(table: Table): string {
  return `${table.rowCount} rows with ${(100 * badRateOf(table)).toFixed(0)} % bads`;
}

function planFor(contract: DataContract, seed: string, banks: number, option: Option | undefined): Plan {
  const participants = Array.from({ length: banks }, (_, i) => `bank-${i + 1}`);
  const common = { name: 'skew', participants, minimum: 1, seed, aggregation: 'plain' } as const;
  const proposed = planOf({ ...common, model: 'mlp', rounds: ROUNDS });
  const settings = option === undefined ? proposed.program.settings : { network: NETWORKS.mlp, ...option };
  return plan.parse({ ...proposed, contract: contractHash(contract), program: { name: 'fedavg', settings } });
}
