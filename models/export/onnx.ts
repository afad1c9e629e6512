/**
 * A model as an ONNX file. Takes raw applicants, so preprocessing, calibration and all are inside:
 *
 *   applicants  float64 [rows, features], in contract order, derived features computed: the number (NaN where
 *               missing), or the category's code:
 *               0 missing, 1 … k its place in the vocabulary, k + 1 any other value
 *   logit       float64 [rows, 1]: calibrated log-odds of bad
 *   pd          float64 [rows, 1]
 *
 * The contract and the scaling are in the metadata, as JSON. Trees come out of their operator as float32: there log-odds
 * agree with ours to about six digits, of networks to about twelve.
 */
import type { ModelArtefact } from '#models/artefact.ts';
import type { CalibrationMap } from '#models/evaluation/calibration-map.ts';
import { OnnxGraph } from '#models/export/onnx-graph.ts';
import { addNetwork } from '#models/export/onnx-network.ts';
import { addForest, addScorecard } from '#models/export/onnx-trees.ts';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';

export function exportOnnx(artefact: ModelArtefact): Uint8Array {
  const { contract, calibration, scaling } = artefact;
  const graph = new OnnxGraph();
  const row = graph.input('applicants', contract.features.length);
  const logit = addCalibration(graph, addModel(graph, row, artefact), calibration.map);
  graph.node('Identity', [logit], {}, { output: 'logit' });
  graph.node('Sigmoid', [logit], {}, { output: 'pd' });
  graph.output('logit', 1);
  graph.output('pd', 1);
  return graph.toBytes(artefact.kind, `${artefact.kind} of contract ${contract.name}`, {
    contract: canonicalJson(contract),
    scaling: canonicalJson(scaling),
  });
}

function addModel(graph: OnnxGraph, row: string, artefact: ModelArtefact): string {
  switch (artefact.kind) {
    case 'network':
      return addNetwork(graph, row, artefact.parameters, artefact.transform, artefact.contract);
    case 'scorecard':
      return graph.cast(addScorecard(graph, row, artefact.parameters, artefact.transform.features), 'double');
    case 'gbdt':
      return graph.cast(addForest(graph, row, artefact.parameters, artefact.transform.features), 'double');
  }
}

/** An isotonic map is a sum over its pieces: v₀ + Σ slope_i · (z cut to the piece − its start). */
function addCalibration(graph: OnnxGraph, logit: string, map: CalibrationMap): string {
  if (map.method === 'identity') return logit;
  if (map.method === 'platt') {
    const scaled = graph.node('Mul', [logit, graph.doubles([map.slope], [1])]);
    return graph.node('Add', [scaled, graph.doubles([map.intercept], [1])]);
  }
  const { logits, values } = map;
  const first = graph.doubles([values[0]!], [1]);
  const pieces = logits.slice(1).flatMap((end, i) => (end > logits[i]! ? [i] : []));
  if (pieces.length === 0)
    return graph.node('Add', [graph.node('Mul', [logit, graph.doubles([0], [1])]), first]);
  const list = (of: (i: number) => number): string => graph.doubles(pieces.map(of), [pieces.length]);
  const cut = graph.node('Min', [
    graph.node('Max', [logit, list((i) => logits[i]!)]),
    list((i) => logits[i + 1]!),
  ]);
  const along = graph.node('Sub', [cut, list((i) => logits[i]!)]);
  const slopes = pieces.map((i) => (values[i + 1]! - values[i]!) / (logits[i + 1]! - logits[i]!));
  return graph.node('Add', [graph.node('MatMul', [along, graph.doubles(slopes, [pieces.length, 1])]), first]);
}
