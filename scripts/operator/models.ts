/** The models that commands make plans for; a plan file can say more. */
export const MODELS = ['mlp', 'logistic', 'scorecard', 'gbdt'] as const;
export type ModelName = (typeof MODELS)[number];

/** What can be proposed: a model, or the consortium's statistics, which are a run like any other. */
export const PROPOSALS = [...MODELS, 'profile'] as const;
export type ProposalName = (typeof PROPOSALS)[number];

/** Models of exact programs: the federated one is the pooled one, bit for bit. */
export function isExact(model: ModelName): boolean {
  return model !== 'mlp';
}
