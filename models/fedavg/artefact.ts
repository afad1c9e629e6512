/** The artefact of a network, made of what the federation knows when training ends. */
import { createArtefact } from '#models/artefact.ts';
import { sigmoid } from '#models/arithmetic/exp-log.ts';
import { groupBins, type CalibrationRecord } from '#models/evaluation/calibration.ts';
import { hosmerLemeshow } from '#models/metrics/calibration.ts';
import type { Link } from '#models/fedavg/losses/loss.ts';
import type { NetworkShape } from '#models/fedavg/network.ts';
import { binCentre } from '#models/metrics/score-histogram.ts';
import { fromUnit, type Standardisation } from '#models/preprocessing/transform.ts';
import type { Metrics } from '#models/program.ts';
import type { Cutoffs } from '#models/scoring/cutoffs.ts';
import type { Scaling } from '#models/scoring/scaling.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { toBase64 } from '#shared/crypto/base64.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

/** Fewest hold-out rows of a group whose counts are published. */
const GROUP_ROWS_MIN = 20;
const GROUPS_MAX = 10;

export interface TrainedNetwork {
  readonly contract: DataContract;
  readonly fit: Standardisation;
  readonly shape: NetworkShape;
  readonly weights: Float32Array;
  /** What the loss it was trained on did to its log-odds. */
  readonly link: Link | undefined;
  /** Hold-out rows by bins of the score, as `scoreBin` counts them. */
  readonly holdout: { readonly bad: Float64Array; readonly good: Float64Array };
  readonly metrics: Metrics;
  readonly scaling: Scaling;
  readonly cutoffs: Cutoffs | undefined;
}

/**
 * PDs are taken as they are (method identity): the hold-out rows chose the model, none are left to fit a map to.
 * The baseline is the mean of each number, which for a log scale is the mean on that scale, and the first category
 * of the vocabulary: a federation that trains a network does not count categories.
 */
export function networkArtefact(trained: TrainedNetwork): Json {
  const { contract, fit, shape, weights, link, holdout, metrics, scaling, cutoffs } = trained;
  let numberIndex = 0;
  const row = contract.features.map((feature) =>
    feature.type === 'number' ? fromUnit(feature, fit.means[numberIndex++]!) : feature.categories[0]!,
  );
  return createArtefact<'network'>({
    kind: 'network',
    contract,
    transform: { kind: 'standardised', means: [...fit.means], deviations: [...fit.deviations] },
    parameters: {
      network: { inputs: shape.inputs, hidden: [...shape.hidden], dropout: shape.dropout },
      weights: toBase64(bytesOf(weights)),
      ...(link === undefined ? {} : { link }),
    },
    calibration: calibrationOf(holdout),
    scaling,
    cutoffs,
    baseline: { row },
    metrics: { ...metrics },
  });
}

/** A score bin stands for its rows by its middle: 0.04 of log-odds wide, that moves a PD by less than 0.005. */
function calibrationOf({ bad, good }: TrainedNetwork['holdout']): CalibrationRecord {
  const bins = bad.length;
  const rows = bad.reduce((sum, b, i) => sum + b + good[i]!, 0);
  const logits = bad.map((b, i) => (b + good[i]!) * binCentre(i, bins));
  const groups = groupBins(
    { bad, good, logits },
    (group) => group.rows >= GROUP_ROWS_MIN && group.rows * GROUPS_MAX >= rows,
  );
  const table = groups.map(({ rows: n, bads, from, to }) => {
    let pd = 0;
    for (let i = from; i < to; i++) pd += (bad[i]! + good[i]!) * sigmoid(binCentre(i, bins));
    return { rows: n, bads, meanPd: pd / n };
  });
  return { map: { method: 'identity' }, table, hosmerLemeshow: hosmerLemeshow(table, 'validation') };
}
