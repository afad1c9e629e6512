/**
 * How a bank's applicants differ from those a scorecard was trained on, characteristic by characteristic. The
 * consortium's side is the group counts in the artefact; the bank's side is counted here and stays here.
 */
import type { BinsTransform, ScorecardParameters } from '#models/artefact.ts';
import { stabilityOf, type Stability } from '#models/metrics/stability.ts';
import { binColumn } from '#models/preprocessing/bins.ts';
import type { Table } from '#shared/contract/table.ts';

export interface CharacteristicStability extends Stability {
  /** Index into `contract.features`. */
  readonly feature: number;
  /** The bank's rows in each group. */
  readonly rows: readonly number[];
}

/**
 * One for each characteristic; a characteristic whose counts the artefact withholds is left out.
 * @param table the bank's rows under the artefact's contract; outcomes are not looked at
 */
export function scorecardStability(
  { characteristics }: ScorecardParameters,
  transform: BinsTransform,
  table: Table,
): CharacteristicStability[] {
  return characteristics.flatMap(({ feature, groups, woe, counts }) => {
    const expected = counts?.flatMap((count) => (count === null ? [] : [count.rows])) ?? [];
    if (expected.length !== woe.length) return [];
    const rows = woe.map(() => 0);
    for (const bin of binColumn(table.columns[feature]!, transform.features[feature]!))
      rows[groups[bin]!]! += 1;
    return [{ feature, rows, ...stabilityOf(expected, rows) }];
  });
}
