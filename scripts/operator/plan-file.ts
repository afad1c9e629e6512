/** From what an operator says on the command line, or in a plan file, to a plan. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { NETWORKS, type FedavgSettingsInput } from '#models/fedavg/settings.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import type { PlanInput } from '#shared/protocol/plan.ts';

export type ModelName = keyof typeof NETWORKS;

export interface PlanOptions {
  readonly name: string;
  readonly model: ModelName;
  readonly rounds: number;
  readonly participants: readonly string[];
  readonly minimum: number;
  readonly seed: string;
  readonly patience?: number | undefined;
  readonly targetAuc?: number | undefined;
  readonly deadlines?: PlanInput['deadlines'];
  /** Masked unless said otherwise. */
  readonly aggregation?: PlanInput['aggregation'];
}

export type ProposedPlan = Omit<PlanInput, 'contract'>;

export function fedavgPlan(options: PlanOptions): ProposedPlan {
  const settings: FedavgSettingsInput = {
    network: { hidden: [...NETWORKS[options.model].hidden], dropout: NETWORKS[options.model].dropout },
    // measured on the demo's banks and on real lenders: small local steps and server momentum lose least
    // against pooled training where banks differ
    local: { epochs: 1, batchSize: 128, learningRate: 0.003 },
    server: { momentum: 0.8 },
    stop: {
      rounds: options.rounds,
      ...(options.patience === undefined ? {} : { patience: options.patience }),
      ...(options.targetAuc === undefined ? {} : { targetAuc: options.targetAuc }),
    },
  };
  return {
    v: 1,
    name: options.name,
    program: { name: 'fedavg', settings: settings as PlanInput['program']['settings'] },
    participants: [...options.participants].sort((a, b) => (a < b ? -1 : 1)),
    cohort: { minimum: options.minimum },
    aggregation: options.aggregation ?? 'masked',
    seed: options.seed,
    ...(options.deadlines === undefined ? {} : { deadlines: options.deadlines }),
  };
}

/** @throws FederationError CONTRACT naming the file and the field */
export async function readContractFile(path: string): Promise<DataContract> {
  const parsed = dataContract.safeParse(await readYamlFile(path, 'CONTRACT'));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FederationError('CONTRACT', `${path}: ${issue.path.join('.') || 'file'}: ${issue.message}`);
}

/** A plan file is YAML or JSON with the fields of a plan but `contract`. @throws FederationError PLAN */
export async function readPlanFile(path: string): Promise<ProposedPlan> {
  return (await readYamlFile(path, 'PLAN')) as ProposedPlan;
}

async function readYamlFile(path: string, code: 'CONTRACT' | 'PLAN'): Promise<unknown> {
  try {
    return parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FederationError(code, `${path} cannot be read: ${describeError(cause)}`, { cause });
  }
}
