/**
 * A network with its preprocessing as ONNX operators, in float64 but for the one rounding to float32 that inputs
 * get in training. See `preprocessing/transform.ts` for what is done, `fedavg/network.ts` for the layers.
 */
import type { NetworkParameters, StandardisedTransform } from '#models/artefact.ts';
import type { OnnxGraph } from '#models/export/onnx-graph.ts';
import { log } from '#models/arithmetic/exp-log.ts';
import { trueLogit, type Link } from '#models/fedavg/losses/loss.ts';
import { activationOf, layersOf } from '#models/fedavg/network.ts';
import { networkWeights } from '#models/fedavg/network-weights.ts';
import { inputRanges, INPUT_LIMIT } from '#models/preprocessing/transform.ts';
import { numberFeatures, unitRange } from '#models/preprocessing/unit-range.ts';
import type { DataContract } from '#shared/contract/contract.ts';

const OPERATORS = { relu: 'Relu', sigmoid: 'Sigmoid', linear: undefined } as const;

/**
 * @param row name of the input, [rows, features], float64
 * @returns the name of the log-odds, [rows, 1], float64
 */
export function addNetwork(
  graph: OnnxGraph,
  row: string,
  parameters: NetworkParameters,
  transform: StandardisedTransform,
  contract: DataContract,
): string {
  const { inputs, order } = addInputs(graph, row, transform, contract);
  const weights = networkWeights(parameters);
  let values = inputs;
  layersOf(parameters.network).forEach((layer, l, layers) => {
    const kernel = weights.slice(layer.kernelAt, layer.biasAt);
    const rows = l === 0 ? order : Array.from({ length: layer.inputs }, (_, i) => i);
    const ordered = rows.flatMap((i) => [...kernel.subarray(i * layer.outputs, (i + 1) * layer.outputs)]);
    values = graph.node('Gemm', [
      values,
      graph.doubles(ordered, [layer.inputs, layer.outputs]),
      graph.doubles(weights.slice(layer.biasAt, layer.end), [layer.outputs]),
    ]);
    if (l === layers.length - 1) return;
    const operator = OPERATORS[activationOf(parameters.network, l)];
    if (operator !== undefined) values = graph.node(operator, [values]);
  });
  return parameters.link === undefined ? values : addLink(graph, values, parameters.link);
}

/** From the network's output to log-odds of the true PD; see `fedavg/losses/`. */
function addLink(graph: OnnxGraph, output: string, link: Link): string {
  const number = (value: number): string => graph.doubles([value], [1]);
  if (link.kind === 'class-weighted') return graph.node('Add', [output, number(trueLogit(link, 0))]);
  const { alpha, gamma } = link;
  const risen = graph.node('Mul', [output, number(gamma + 1)]);
  const shifted = graph.node('Add', [risen, number(log((1 - alpha) / alpha))]);
  const logOf = (z: string): string =>
    graph.node('Log', [
      graph.node('Add', [graph.node('Mul', [addRatio(graph, z), number(gamma)]), number(1)]),
    ]);
  const below = logOf(graph.node('Neg', [output]));
  return graph.node('Sub', [graph.node('Add', [shifted, below]), logOf(output)]);
}

/** Beyond this e^z·ln(1 + e^−z) is taken from the series of the logarithm, whose argument is too near 1. */
const SERIES_FROM = 12;

/** r(z) = e^z·ln(1 + e^−z); above SERIES_FROM 1 − t/2 + t²/3 with t = e^−z, which is closer than 1e-15. */
function addRatio(graph: OnnxGraph, z: string): string {
  const number = (value: number): string => graph.doubles([value], [1]);
  const near = graph.node('Min', [z, number(SERIES_FROM)]);
  // Softplus as max(−z, 0) + ln(1 + e^−|z|): runtimes have the operator for float32 only
  const small = graph.node('Exp', [graph.node('Neg', [graph.node('Abs', [near])])]);
  const soft = graph.node('Add', [
    graph.node('Max', [graph.node('Neg', [near]), number(0)]),
    graph.node('Log', [graph.node('Add', [small, number(1)])]),
  ]);
  const direct = graph.node('Mul', [graph.node('Exp', [near]), soft]);
  const t = graph.node('Exp', [graph.node('Neg', [graph.node('Max', [z, number(SERIES_FROM)])])]);
  const third = graph.node('Sub', [graph.node('Mul', [t, number(1 / 3)]), number(0.5)]);
  const series = graph.node('Add', [graph.node('Mul', [t, third]), number(1)]);
  return graph.node('Where', [graph.node('Greater', [z, number(SERIES_FROM)]), series, direct]);
}

/**
 * All numbers first, then their indicators of missing, then categories one-hot.
 * @returns `order`: for each column, which input of the network it is
 */
function addInputs(
  graph: OnnxGraph,
  row: string,
  transform: StandardisedTransform,
  contract: DataContract,
): { inputs: string; order: number[] } {
  const ranges = inputRanges(contract);
  const columns: string[] = [];
  const order: number[] = [];
  const at = contract.features.map((feature, j) => ({
    feature,
    j,
    start: ranges[j]!.start,
    end: ranges[j]!.end,
  }));

  const numbers = at.filter(({ feature }) => feature.type === 'number');
  if (numbers.length > 0) {
    const raw = graph.node('Gather', [row, graph.integers(numbers.map(({ j }) => j))], {
      axis: { integer: 1 },
    });
    const missing = graph.node('IsNaN', [raw]);
    const special = numbers.flatMap(({ feature, start }, k) =>
      (feature.type === 'number' ? (feature.special ?? []) : []).map((value, i) => ({
        k,
        value,
        input: start + 1 + i,
      })),
    );
    let apart = missing;
    if (special.length > 0) {
      const cells = graph.node('Gather', [raw, graph.integers(special.map(({ k }) => k))], {
        axis: { integer: 1 },
      });
      const wanted = graph.doubles(
        special.map(({ value }) => value),
        [special.length],
      );
      const flags = graph.cast(graph.node('Equal', [cells, wanted]), 'double');
      // [special, numbers]: which number each of them is one of
      const belongs = special.flatMap(({ k }) => numbers.map((_, n) => (n === k ? 1 : 0)));
      const hits = graph.node('MatMul', [flags, graph.doubles(belongs, [special.length, numbers.length])]);
      apart = graph.node('Or', [missing, graph.node('Greater', [hits, graph.doubles([0], [1])])]);
      columns.push(flags);
      order.push(...special.map(({ input }) => input));
    }
    columns.push(addStandardised(graph, raw, apart, transform, contract));
    order.push(...numbers.map(({ start }) => start));
    const flagged = numbers.flatMap(({ feature }, k) => (feature.missing === 'allowed' ? [k] : []));
    if (flagged.length > 0) {
      const flags = graph.cast(missing, 'double');
      columns.push(graph.node('Gather', [flags, graph.integers(flagged)], { axis: { integer: 1 } }));
      order.push(...flagged.map((k) => numbers[k]!.end - 1));
    }
  }

  const levels = at.flatMap(({ feature, j, start, end }) => {
    if (feature.type === 'number') return [];
    const known = feature.categories.length + 1; // "other" among them; the one after it is missing, code 0
    return Array.from({ length: end - start }, (_, i) => ({
      j,
      input: start + i,
      code: i < known ? i + 1 : 0,
    }));
  });
  if (levels.length > 0) {
    const codes = graph.node('Gather', [row, graph.integers(levels.map(({ j }) => j))], {
      axis: { integer: 1 },
    });
    const wanted = graph.doubles(
      levels.map(({ code }) => code),
      [levels.length],
    );
    columns.push(graph.cast(graph.node('Equal', [codes, wanted]), 'double'));
    order.push(...levels.map(({ input }) => input));
  }
  return { inputs: graph.node('Concat', columns, { axis: { integer: 1 } }), order };
}

/** Clip, scale, standardise, limit; 0 where missing or special. */
function addStandardised(
  graph: OnnxGraph,
  raw: string,
  apart: string,
  { means, deviations }: StandardisedTransform,
  contract: DataContract,
): string {
  const features = numberFeatures(contract);
  const list = (values: readonly number[]): string => graph.doubles(values, [values.length]);
  const zero = graph.doubles([0], [1]);
  const present = graph.node('Where', [apart, list(features.map((f) => f.min)), raw]);
  const above = graph.node('Max', [present, list(features.map((f) => f.min))]);
  const clipped = graph.node('Min', [above, list(features.map((f) => f.max))]);
  let onScale = clipped;
  if (features.some((f) => f.scale === 'log')) {
    const size = graph.node('Add', [graph.node('Abs', [clipped]), graph.doubles([1], [1])]);
    const signed = graph.node('Mul', [graph.node('Sign', [clipped]), graph.node('Log', [size])]);
    onScale = graph.node('Where', [graph.booleans(features.map((f) => f.scale === 'log')), signed, clipped]);
  }
  const ranges = features.map((feature) => unitRange(feature));
  const shifted = graph.node('Sub', [onScale, list(ranges.map(({ low }) => low))]);
  const unit = graph.node('Div', [shifted, list(ranges.map(({ span }) => span))]);
  const centred = graph.node('Sub', [unit, list(means)]);
  const scaled = graph.node('Div', [centred, list(deviations)]);
  const limited = graph.node('Min', [
    graph.node('Max', [scaled, graph.doubles([-INPUT_LIMIT], [1])]),
    graph.doubles([INPUT_LIMIT], [1]),
  ]);
  const rounded = graph.cast(graph.cast(limited, 'float'), 'double');
  return graph.node('Where', [apart, zero, rounded]);
}
