/** From what an operator says on the command line, or in a plan file, to a plan. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { assertOptionsFit, DEFAULT_ROUNDS, type ProposalName } from '#scripts/operator/models.ts';
import type { StopMetric } from '#models/evaluation/stop-metrics.ts';
import { NETWORKS, type FedavgSettingsInput } from '#models/fedavg/settings.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import type { PlanInput } from '#shared/protocol/plan.ts';

export interface PlanOptions {
  readonly name: string;
  readonly model: ProposalName;
  /** Rounds of training of a network, trees of an ensemble; the other models stop by themselves. */
  readonly rounds?: number | undefined;
  readonly participants: readonly string[];
  readonly minimum: number;
  readonly seed: string;
  readonly patience?: number | undefined;
  /** By which figure on rows kept back one model is better than another. */
  readonly chosenBy?: StopMetric | undefined;
  readonly targetAuc?: number | undefined;
  /** Settings of the program as JSON, in place of the ones it would get. */
  readonly settings?: string | undefined;
  readonly deadlines?: PlanInput['deadlines'];
  /** Masked unless said otherwise. */
  readonly aggregation?: PlanInput['aggregation'];
}

export type ProposedPlan = Omit<PlanInput, 'contract'>;

/** @throws FederationError USAGE */
export function planFor(options: PlanOptions): ProposedPlan {
  assertOptionsFit(options.model, options);
  return {
    v: 1,
    name: options.name,
    program: programFor(options),
    participants: [...options.participants].sort((a, b) => (a < b ? -1 : 1)),
    cohort: { minimum: options.minimum },
    aggregation: options.aggregation ?? 'masked',
    seed: options.seed,
    ...(options.deadlines === undefined ? {} : { deadlines: options.deadlines }),
  };
}

type Settings = Extract<PlanInput['program']['settings'], Record<string, unknown>>;

function programFor(options: PlanOptions): PlanInput['program'] {
  const { model } = options;
  const given = settingsFrom(options.settings);
  switch (model) {
    case 'mlp':
      return { name: 'fedavg', settings: { ...networkSettings(options), ...given } };
    case 'gbdt':
      return {
        name: 'gbdt',
        settings: { trees: options.rounds ?? DEFAULT_ROUNDS.gbdt, ...stopFor(options), ...given },
      };
    case 'logistic':
    case 'profile':
    case 'scorecard':
      return { name: model, settings: given };
  }
}

function networkSettings({ rounds = DEFAULT_ROUNDS.mlp, ...options }: PlanOptions): Settings {
  const settings: FedavgSettingsInput = {
    network: { hidden: [...NETWORKS.mlp.hidden], dropout: NETWORKS.mlp.dropout },
    // measured on the demo's banks and on real lenders: small local steps and server momentum lose least
    // against pooled training where banks differ
    local: { epochs: 1, batchSize: 128, learningRate: 0.003 },
    server: { momentum: 0.8 },
    stop: { rounds, ...stopFor(options) },
  };
  return settings as Settings;
}

function stopFor({
  patience,
  chosenBy,
  targetAuc,
}: Pick<PlanOptions, 'patience' | 'chosenBy' | 'targetAuc'>) {
  return {
    ...(patience === undefined ? {} : { patience }),
    ...(chosenBy === undefined ? {} : { chosenBy }),
    ...(targetAuc === undefined ? {} : { target: { metric: 'auc' as const, value: targetAuc } }),
  };
}

/** @throws FederationError USAGE */
export function settingsFrom(text: string | undefined): Settings {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Settings;
  } catch {
    // said below
  }
  throw new FederationError('USAGE', 'expected --settings with a JSON object, such as \'{"depth":3}\'');
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
