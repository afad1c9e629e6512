/** The models that commands make plans for; a plan file can say more. */
import { FederationError } from '#shared/protocol/error-codes.ts';

export const MODELS = ['mlp', 'logistic', 'scorecard', 'gbdt'] as const;
export type ModelName = (typeof MODELS)[number];

/** What can be proposed: a model, or the consortium's statistics, which are a run like any other. */
export const PROPOSALS = [...MODELS, 'profile'] as const;
export type ProposalName = (typeof PROPOSALS)[number];

/** Models of exact programs: the federated one is the pooled one, bit for bit. */
export function isExact(model: ModelName): boolean {
  return model !== 'mlp';
}

/** Rounds of training of a network, trees of an ensemble; the other models stop by themselves. */
interface Rounds {
  readonly mlp: number;
  readonly gbdt: number;
}

/** What is proposed, simulated and measured (docs/results.md) when nobody says: one plan, whoever makes it. */
export const DEFAULT_ROUNDS: Rounds = { mlp: 60, gbdt: 100 };
/** Of the demonstration, which should not take long. */
export const DEMO_ROUNDS: Rounds = { mlp: 40, gbdt: 40 };

export function describeRounds({ mlp, gbdt }: Rounds): string {
  return `default: mlp ${mlp}, gbdt ${gbdt}`;
}

/** Undefined for a model that stops by itself. */
export function demoRounds(model: ModelName): number | undefined {
  return model === 'mlp' || model === 'gbdt' ? DEMO_ROUNDS[model] : undefined;
}

/** What of a plan's options only some models have. */
const ONLY_OF = {
  rounds: { flag: '--rounds', models: ['mlp', 'gbdt'] },
  patience: { flag: '--patience', models: ['mlp', 'gbdt'] },
  chosenBy: { flag: '--chosen-by', models: ['mlp', 'gbdt'] },
  targetAuc: { flag: '--target-auc', models: ['mlp', 'gbdt'] },
} as const satisfies Record<string, { flag: string; models: readonly ProposalName[] }>;

/** @throws FederationError USAGE naming the option and the model when the model has no such thing */
export function assertOptionsFit(
  model: ProposalName,
  options: { readonly [Name in keyof typeof ONLY_OF]?: unknown },
): void {
  for (const name of Object.keys(ONLY_OF) as (keyof typeof ONLY_OF)[]) {
    const { flag, models } = ONLY_OF[name];
    if (options[name] === undefined || models.some((one) => one === model)) continue;
    throw new FederationError(
      'USAGE',
      `${flag} is for --model ${models.join(' and ')}: a run of ${model} has no such thing`,
    );
  }
}
