/** What an applicant's points are counted from: one typical applicant, or the mean of those a model was made with. */
import type { ModelArtefact } from '#models/artefact.ts';
import { createCoverAttribution } from '#models/gbdt/score.ts';
import type { Scorer } from '#models/scorer.ts';
import { rowOfBaseline } from '#models/scoring/row.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/**
 * `baseline`: the baseline applicant of the artefact, whatever the model. `training`: the mean log-odds of the
 * training rows, by path-dependent Shapley values of the trees' covers; other models do not keep what it takes.
 */
export type Against = 'baseline' | 'training';

export interface Attribution {
  /** Log-odds before calibration that contributions start from. */
  readonly from: number;
  /** What each contract feature adds; from + Σ is the row's log-odds. */
  contributions(row: Float64Array): Float64Array;
}

/** @throws FederationError USAGE when the model has nothing of that kind */
export function attributionOf(artefact: ModelArtefact, scorer: Scorer, against: Against): Attribution {
  const { kind, parameters, transform, contract, baseline } = artefact;
  if (against === 'baseline') {
    const from = scorer.logit(rowOfBaseline(contract, baseline.row));
    return { from, contributions: (row) => scorer.contributions(row) };
  }
  if (kind === 'gbdt') return createCoverAttribution(parameters, transform, contract);
  throw new FederationError(
    'USAGE',
    `only trees know the mean of their training rows, this is a ${kind}: explain it against its baseline`,
  );
}
