/** What a contract's draft has found in its features, for whoever consents to a plan or reads a model. */
import type { Concern, DataContract } from '#shared/contract/contract.ts';

const MEANING: Record<Concern, string> = {
  'separates-outcome': 'tells bad from good nearly alone: is it known when a decision is made?',
  'filled-after': 'is filled for one outcome and empty for the other: is it known when a decision is made?',
  strong: 'has an information value above 1: is it known when a decision is made?',
  'protected-ground': 'may be a protected ground: does the law let it decide on credit?',
};

/** One sentence a concern, in contract order. */
export function concernsIn({ features }: Pick<DataContract, 'features'>): string[] {
  return features.flatMap(({ name, concerns = [] }) =>
    concerns.map((concern) => `${name} ${MEANING[concern]}`),
  );
}
