/** The artefact of a network, made of what the federation knows when training ends. */
import { createArtefact } from '#models/artefact.ts';
import type { SegmentRecord } from '#models/evaluation/segments.ts';
import type { CalibrationRecord } from '#models/evaluation/calibration-map.ts';
import type { Link } from '#models/fedavg/losses/loss.ts';
import type { NetworkShape } from '#models/fedavg/network.ts';
import { type Standardisation } from '#models/preprocessing/transform.ts';
import { fromUnit } from '#models/preprocessing/unit-range.ts';
import type { Metrics } from '#models/program.ts';
import type { Cutoffs } from '#models/scoring/cutoffs.ts';
import type { Scaling } from '#models/scoring/scaling.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { Base64Text, type Json } from '#shared/crypto/canonical-json.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

export interface TrainedNetwork {
  readonly contract: DataContract;
  readonly fit: Standardisation;
  /** The most frequent category of each category feature. */
  readonly modes: readonly (string | null)[];
  readonly shape: NetworkShape;
  readonly weights: Float32Array;
  /** What the loss it was trained on did to its log-odds. */
  readonly link: Link | undefined;
  readonly calibration: CalibrationRecord;
  readonly metrics: Metrics;
  readonly segments: readonly SegmentRecord[];
  readonly scaling: Scaling;
  readonly cutoffs: Cutoffs | undefined;
}

/** The baseline is the mean of each number, which for a log scale is the mean on that scale, and the modes. */
export function networkArtefact(trained: TrainedNetwork): Json {
  const { contract, fit, modes, shape, weights, link, calibration, metrics, segments, scaling, cutoffs } =
    trained;
  let numberIndex = 0;
  let categoryIndex = 0;
  const row = contract.features.map((feature) =>
    feature.type === 'number' ? fromUnit(feature, fit.means[numberIndex++]!) : modes[categoryIndex++]!,
  );
  return createArtefact<'network'>({
    kind: 'network',
    contract,
    transform: { kind: 'standardised', means: [...fit.means], deviations: [...fit.deviations] },
    parameters: {
      network: {
        inputs: shape.inputs,
        hidden: [...shape.hidden],
        dropout: shape.dropout,
        ...(shape.activations === undefined ? {} : { activations: [...shape.activations] }),
        ...(shape.dropouts === undefined ? {} : { dropouts: [...shape.dropouts] }),
      },
      weights: new Base64Text(bytesOf(weights)),
      ...(link === undefined ? {} : { link }),
    },
    calibration,
    scaling,
    cutoffs,
    baseline: { kind: 'mean-mode', row },
    metrics: { ...metrics },
    segments: [...segments],
  });
}
