/**
 * Which characteristic leaves a fitted scorecard next: one a round, so that the others are fitted again without it.
 * Weights of evidence have the direction of the risk, so a negative coefficient turns a characteristic round.
 */
import type { Inference } from '#models/newton/newton.ts';
import type { Characteristic } from '#models/scorecard/characteristics.ts';
import type { ScorecardSettings } from '#models/scorecard/settings.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/**
 * @param inferred of the intercept and of each of `selected`
 * @returns an index into `inferred`, and why, in words for the artefact; undefined when all may stay
 */
export function nextToGo(
  contract: DataContract,
  selection: ScorecardSettings['selection'],
  selected: readonly Characteristic[],
  inferred: readonly Inference[],
): { index: number; reason: string } | undefined {
  if (selection.method === 'iv' || selection.features !== undefined) {
    const index = againstDirection(contract, selected, inferred);
    return index === undefined ? undefined : { index, reason: 'its PD moves against the agreed direction' };
  }
  const most = (of: (i: Inference) => number, limit: number): number | undefined => {
    let worst: number | undefined;
    inferred.forEach((i, j) => {
      if (j > 0 && of(i) > limit && (worst === undefined || of(i) > of(inferred[worst]!))) worst = j;
    });
    return worst;
  };
  const negative = most((i) => -i.wald, 0);
  if (negative !== undefined) return { index: negative, reason: 'its coefficient has the wrong sign' };
  const weak = most((i) => i.p, selection.pMax);
  if (weak !== undefined) return { index: weak, reason: `its Wald p is above ${selection.pMax}` };
  const inflated = most((i) => i.vif, selection.vifMax);
  if (inflated === undefined) return undefined;
  return { index: inflated, reason: `its variance inflation is above ${selection.vifMax}` };
}

/** @throws FederationError DIVERGED when no rounds were left to take out what moves against the contract */
export function assertDirections(
  contract: DataContract,
  selected: readonly Characteristic[],
  inferred: readonly Inference[],
): void {
  const against = againstDirection(contract, selected, inferred);
  if (against === undefined) return;
  const { name } = contract.features[selected[against - 1]!.feature]!;
  throw new FederationError(
    'DIVERGED',
    `the PD moves with "${name}" against the direction of the contract, and newton.rounds are used up; allow more`,
  );
}

/** The most negative of those whose direction the contract gives. */
function againstDirection(
  contract: DataContract,
  selected: readonly Characteristic[],
  inferred: readonly Inference[],
): number | undefined {
  let worst: number | undefined;
  selected.forEach(({ feature: f }, i) => {
    const feature = contract.features[f]!;
    const { wald } = inferred[i + 1]!;
    if (feature.type === 'category' || feature.monotone === undefined || wald >= 0) return;
    if (worst === undefined || wald < inferred[worst]!.wald) worst = i + 1;
  });
  return worst;
}
