/**
 * How far a bank's applicants have moved from those a model was made with: of the score, and of a scorecard's
 * characteristics. The consortium's side is counts in the artefact (hold-out rows by score, training rows by group);
 * the bank's side is counted here and stays here.
 */
import type { ModelArtefact } from '#models/artefact.ts';
import type { CalibrationRecord } from '#models/evaluation/calibration-map.ts';
import { stabilityOf, type Stability } from '#models/metrics/stability.ts';
import { scorecardStability } from '#models/scorecard/stability.ts';
import type { Table } from '#shared/contract/table.ts';

export interface ModelStability {
  /** Undefined where the artefact has no two groups of scores, or, made by an older version, not their borders. */
  readonly score: Stability | undefined;
  /** Of a scorecard, one for each characteristic whose counts it says. */
  readonly characteristics: readonly ({ readonly name: string } & Stability)[];
}

/**
 * @param table the bank's rows under the artefact's contract; outcomes are not looked at
 * @param logits the model's log-odds of the same rows, before calibration
 */
export function modelStability(
  { kind, contract, parameters, transform, calibration }: ModelArtefact,
  table: Table,
  logits: Float64Array,
): ModelStability {
  const characteristics = kind === 'scorecard' ? scorecardStability(parameters, transform, table) : [];
  return {
    score: scoreStability(calibration.table, logits),
    characteristics: characteristics.map(({ feature, ...found }) => ({
      name: contract.features[feature]!.name,
      ...found,
    })),
  };
}

function scoreStability(groups: CalibrationRecord['table'], logits: Float64Array): Stability | undefined {
  const borders = groups.slice(0, -1).flatMap((group) => group.logitBelow ?? []);
  if (groups.length < 2 || borders.length < groups.length - 1) return undefined;
  const counts = groups.map(() => 0);
  for (const logit of logits) {
    let group = 0;
    while (group < borders.length && logit >= borders[group]!) group++;
    counts[group]! += 1;
  }
  return stabilityOf(
    groups.map(({ rows }) => rows),
    counts,
  );
}
