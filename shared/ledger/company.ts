/**
 * In whose company a bank's answer is added up. The least company follows from the consortium, not from whoever is in a
 * run: else who composes a run could choose it after knowing who colludes.
 */
import type { Company, FederationState, Run } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { Payload } from '#shared/protocol/messages.ts';

/** Where a charter says nothing: a third may collude, two honest banks are in each sum. */
const DEFAULT_TERMS: NonNullable<Payload<'charter'>['company']> = {
  oneColluderIn: 3,
  honest: 2,
  banks: 3,
};

/** As the charter and the number of admitted banks have it now. */
export function companyOf({ charter, participants }: FederationState): Company {
  const { oneColluderIn, honest, banks } = charter?.payload.company ?? DEFAULT_TERMS;
  const admitted = [...participants.values()].filter(({ status }) => status === 'admitted').length;
  const colluders = Math.max(1, Math.floor(admitted / oneColluderIn));
  return { colluders, minimum: Math.max(banks, colluders + honest) };
}

/**
 * Fewest banks that a run may start with: those its plan needs, and as many as each bank that consented has made a
 * condition of its consent.
 */
export function fewestToStart({ plan, consents }: Run): number {
  const conditions = [...consents.values()].flatMap(({ decision, fewest }) =>
    decision === 'granted' && fewest !== undefined ? [fewest] : [],
  );
  return Math.max(plan.cohort.minimum, ...conditions);
}

/** @throws FederationError COHORT when masked sums would be of fewer banks than the consortium has agreed on */
export function assertCompany({ minimum, colluders }: Company, plan: Run['plan']): void {
  if (plan.aggregation === 'plain' || plan.cohort.minimum >= minimum) return;
  throw new FederationError(
    'COHORT',
    `sums of ${plan.cohort.minimum} banks are planned; with ${colluders} that may collude, this consortium needs ${minimum} at least`,
  );
}
