/** From an artefact to something that scores rows: one line a kind of model. */
import type { ModelArtefact } from '#models/artefact.ts';
import { createNetworkModelScorer } from '#models/fedavg/score.ts';
import { createScorecardScorer } from '#models/scorecard/score.ts';
import { createGbdtScorer } from '#models/gbdt/score.ts';
import { rowOfBaseline } from '#models/scoring/row.ts';

/** A row is one slot a contract feature: the number, NaN where missing, or the category's code. */
export interface Scorer {
  /** Log-odds of bad, not yet calibrated. */
  logit(row: Float64Array): number;
  /** What each contract feature adds to the log-odds of the baseline row to make those of this row. */
  contributions(row: Float64Array): Float64Array;
}

/** @throws FederationError SHAPE when the parameters are not of the model's size */
export function scorerOf({ kind, parameters, transform, contract, baseline }: ModelArtefact): Scorer {
  const against = rowOfBaseline(contract, baseline.row);
  switch (kind) {
    case 'network':
      return createNetworkModelScorer(parameters, transform, contract, against);
    case 'scorecard':
      return createScorecardScorer(parameters, transform, contract, against);
    case 'gbdt':
      return createGbdtScorer(parameters, transform, contract, against);
  }
}
