/** Everything a validation report says about PDs whose outcomes have come in: ranking, calibration, lift. */
import { sigmoid } from '#models/arithmetic/exp-log.ts';
import { delongInterval, type AucInterval } from '#models/metrics/auc-interval.ts';
import {
  brierSplit,
  expectedCalibrationError,
  hosmerLemeshow,
  jeffreysP,
  pdGroups,
  spiegelhalter,
  type BrierSplit,
  type HosmerLemeshow,
  type PdGroup,
} from '#models/metrics/calibration-tests.ts';
import { exactMetrics, type ExactMetrics } from '#models/metrics/exact-metrics.ts';
import { liftTable, type LiftRow } from '#models/metrics/lift.ts';

const GROUPS = 10;

export interface Validation extends ExactMetrics {
  readonly gini: number;
  /** Around the AUC. */
  readonly interval: AucInterval;
  readonly brierSplit: BrierSplit;
  readonly expectedCalibrationError: number;
  readonly hosmerLemeshow: HosmerLemeshow;
  readonly spiegelhalter: { readonly z: number; readonly p: number };
  /** By ascending PD; `jeffreysP` below 0.05 means that the group's PD is too low. */
  readonly groups: readonly (PdGroup & { readonly jeffreysP: number })[];
  /** By descending PD. */
  readonly lift: readonly LiftRow[];
}

/**
 * @param logits calibrated log-odds of bad, one a row, on rows the model was not fitted to
 * @throws FederationError DATA_SOURCE with fewer than two bads or two goods
 */
export function validationOf(logits: Float64Array, bad: Uint8Array): Validation {
  const interval = delongInterval(logits, bad);
  const pds = logits.map(sigmoid);
  const groups = pdGroups(pds, bad, GROUPS);
  return {
    ...exactMetrics(logits, bad),
    gini: 2 * interval.auc - 1,
    interval,
    brierSplit: brierSplit(groups),
    expectedCalibrationError: expectedCalibrationError(groups),
    hosmerLemeshow: hosmerLemeshow(groups),
    spiegelhalter: spiegelhalter(pds, bad),
    groups: groups.map((group) => ({ ...group, jeffreysP: jeffreysP(group.rows, group.bads, group.meanPd) })),
    lift: liftTable(logits, bad, GROUPS),
  };
}
