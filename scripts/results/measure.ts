/** One data set and one model: a real consortium under masks, beside pooled training and each bank alone. */
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import type { ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { isVerified } from '#scripts/commands/audit.ts';
import type { ModelName } from '#scripts/operator/models.ts';
import { planFor, type ProposedPlan } from '#scripts/operator/plan-file.ts';
import type { DataSet } from '#scripts/results/data-sets.ts';
import type { Measured } from '#scripts/results/results-file.ts';
import { compare } from '#scripts/simulate/compare.ts';
import { federate } from '#scripts/simulate/federate.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import { splitFile, type SplitFile } from '#scripts/simulate/split-file.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { countBads, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { plan as planSchema, type Plan } from '#shared/protocol/plan.ts';

const TEST_FRACTION = 0.3;
/** Of every split, of training and of what is drawn at random. */
const SEED = '0';

type Outcome = NonNullable<Measured['outcome']>;

interface Trained {
  readonly plan: Plan;
  readonly artefact: Uint8Array;
  readonly root: string;
  readonly consortium?: NonNullable<Outcome['consortium']>;
}

/** @param folder holds the data set's file @throws FederationError STOPPED when it was interrupted */
export async function measure(set: DataSet, model: ModelName, folder: string): Promise<Measured> {
  const split = await splitFile({
    data: join(folder, set.file),
    inferred: { target: set.target, positive: [set.bad], exclude: set.exclude },
    partitionBy: set.partitionBy,
    skew: set.skew,
    banks: set.banks,
    testFraction: TEST_FRACTION,
    seed: SEED,
  });
  const { contract, banks, test } = split;
  const settings = JSON.stringify(set.settings?.[model] ?? {});
  const about = {
    dataSet: set.name,
    model,
    settings,
    features: contract.features.length,
    banks: Object.fromEntries(banks.map(({ id, table }) => [id, sizeOf(table)])),
    test: sizeOf(test),
  };
  const plan = planFor({
    name: `results ${model}`,
    model,
    settings,
    participants: banks.map((bank) => bank.id),
    minimum: banks.length,
    seed: SEED,
    aggregation: 'masked',
  });
  try {
    const trained = await (set.inProcess === undefined
      ? trainConsortium(split, plan)
      : trainInProcess(split, plan));
    const { federated, pooled, pooledRoot, local } = await compare(
      trained.artefact,
      trained.plan,
      contract,
      banks,
      test,
    );
    return {
      ...about,
      outcome: {
        federated: discrimination(federated),
        pooled: discrimination(pooled),
        local,
        sameModel: trained.root === pooledRoot,
        ...(trained.consortium === undefined ? {} : { consortium: trained.consortium }),
      },
    };
  } catch (error) {
    // that a model cannot be made of so few rows is a result; that we were stopped, or a fault of ours, is not
    const isResult = error instanceof FederationError && !['STOPPED', 'INTERNAL'].includes(error.code);
    if (isResult) return { ...about, failure: error.message };
    throw error;
  }
}

async function trainConsortium(split: SplitFile, proposed: ProposedPlan): Promise<Trained> {
  const before = loadavg()[0]!;
  const { result, sent } = await federate(split, proposed, true);
  const { view, audit } = result;
  return {
    plan: view.plan,
    artefact: result.artefact,
    root: view.result!.artefact!,
    consortium: {
      rounds: view.rounds.filter((round) => round.outcome === 'closed').length,
      bytesPerBank: Math.round(sent.reduce((a, b) => a + b, 0) / sent.length),
      trainingSeconds: result.trainingSeconds,
      ledgerVerified: isVerified(audit),
      load: { before, after: loadavg()[0]! },
      cores: cpus().length,
    },
  };
}

async function trainInProcess({ contract, banks }: SplitFile, proposed: ProposedPlan): Promise<Trained> {
  const plan = planSchema.parse({ ...proposed, contract: contractHash(contract) });
  const { artefact, root } = await trainHere(
    plan,
    contract,
    banks.map(({ table }) => table),
  );
  return { plan, artefact, root };
}

function discrimination({ auc, ks }: ExactMetrics): { auc: number; ks: number } {
  return { auc, ks };
}

function sizeOf(table: Table): { rows: number; bads: number } {
  return { rows: table.rowCount, bads: countBads(table) };
}
