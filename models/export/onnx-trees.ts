/**
 * Decisions on raw values as one TreeEnsembleRegressor of ai.onnx.ml: gradient-boosted trees as they are, and a
 * scorecard as one small tree a characteristic.
 *
 * A node compares x ≤ threshold or x = value; where x is NaN no comparison holds and the node's own flag decides.
 * Special values and sets of categories are chains of equalities. Several of them may lead to the same node, and
 * only by their "true" branch, which is what runtimes expect of such chains (LightGBM's converter makes them too).
 */
import type { GbdtParameters, ScorecardParameters } from '#models/artefact.ts';
import type { OnnxGraph } from '#models/export/onnx-graph.ts';
import { binsLeft } from '#models/gbdt/tree.ts';
import { binCount, orderedBins, type FeatureBins } from '#models/preprocessing/bins.ts';

interface Nodes {
  readonly feature: number[];
  readonly mode: string[];
  readonly value: number[];
  readonly whenTrue: number[];
  readonly whenFalse: number[];
  readonly missingIsTrue: number[];
  readonly leaf: boolean[];
}

type Tree = GbdtParameters['trees'][number];

/**
 * @param row name of the input, [rows, features], float64
 * @returns the name of the log-odds, [rows, 1], float32: the operator has no other
 */
export function addForest(
  graph: OnnxGraph,
  row: string,
  { trees, baseLogit }: GbdtParameters,
  features: readonly FeatureBins[],
): string {
  return addEnsemble(
    graph,
    row,
    trees.map((tree) => forestTree(tree, features)),
    baseLogit,
  );
}

export function addScorecard(
  graph: OnnxGraph,
  row: string,
  { characteristics, intercept }: ScorecardParameters,
  features: readonly FeatureBins[],
): string {
  const trees = characteristics.map(({ feature, groups, woe, coefficient }) => {
    const valueOfBin = groups.map((group) => coefficient * woe[group]!);
    return lookupTree(feature, features[feature]!, valueOfBin);
  });
  return addEnsemble(graph, row, trees, intercept);
}

function addEnsemble(graph: OnnxGraph, row: string, given: readonly Nodes[], base: number): string {
  const trees = given.length > 0 ? given : [leafTree(0)]; // the operator wants a node
  const all = <Value>(list: (tree: Nodes) => readonly Value[]): Value[] =>
    trees.flatMap((tree) => [...list(tree)]);
  const leaves = trees.flatMap((tree, treeId) =>
    tree.leaf.flatMap((leaf, node) => (leaf ? [{ treeId, node, value: tree.value[node]! }] : [])),
  );
  return graph.node(
    'TreeEnsembleRegressor',
    [row],
    {
      n_targets: { integer: 1 },
      aggregate_function: { text: 'SUM' },
      post_transform: { text: 'NONE' },
      base_values_as_tensor: { doubles: [base] },
      nodes_treeids: { integers: trees.flatMap((tree, treeId) => tree.mode.map(() => treeId)) },
      nodes_nodeids: { integers: trees.flatMap((tree) => tree.mode.map((_, node) => node)) },
      nodes_featureids: { integers: all((tree) => tree.feature) },
      nodes_modes: { texts: all((tree) => tree.mode) },
      nodes_values_as_tensor: { doubles: trees.flatMap((t) => t.value.map((v, i) => (t.leaf[i]! ? 0 : v))) },
      nodes_truenodeids: { integers: all((tree) => tree.whenTrue) },
      nodes_falsenodeids: { integers: all((tree) => tree.whenFalse) },
      nodes_missing_value_tracks_true: { integers: all((tree) => tree.missingIsTrue) },
      target_treeids: { integers: leaves.map((leaf) => leaf.treeId) },
      target_nodeids: { integers: leaves.map((leaf) => leaf.node) },
      target_ids: { integers: leaves.map(() => 0) },
      target_weights_as_tensor: { doubles: leaves.map((leaf) => leaf.value) },
    },
    { domain: 'ai.onnx.ml' },
  );
}

function emptyTree(): Nodes {
  return { feature: [], mode: [], value: [], whenTrue: [], whenFalse: [], missingIsTrue: [], leaf: [] };
}

function leafTree(value: number): Nodes {
  const nodes = emptyTree();
  addNode(nodes, value);
  return nodes;
}

/** Room for one node, to be filled later. @returns its index */
function addNode(nodes: Nodes, leafValue?: number): number {
  nodes.feature.push(0);
  nodes.mode.push('LEAF');
  nodes.value.push(leafValue ?? 0);
  nodes.whenTrue.push(0);
  nodes.whenFalse.push(0);
  nodes.missingIsTrue.push(0);
  nodes.leaf.push(leafValue !== undefined);
  return nodes.mode.length - 1;
}

interface Comparison {
  readonly feature: number;
  readonly mode: 'BRANCH_LEQ' | 'BRANCH_EQ';
  readonly value: number;
  readonly whenTrue: number;
  readonly whenFalse: number;
  readonly missingIsTrue?: boolean;
}

function setNode(nodes: Nodes, at: number, of: Comparison): void {
  nodes.feature[at] = of.feature;
  nodes.mode[at] = of.mode;
  nodes.value[at] = of.value;
  nodes.whenTrue[at] = of.whenTrue;
  nodes.whenFalse[at] = of.whenFalse;
  nodes.missingIsTrue[at] = of.missingIsTrue === true ? 1 : 0;
}

/** A trained tree: its nodes first, at their own indices, then the equalities that some of its splits need. */
function forestTree(tree: Tree, features: readonly FeatureBins[]): Nodes {
  const nodes = emptyTree();
  tree.feature.forEach((feature, node) => addNode(nodes, feature === -1 ? tree.value[node]! : undefined));
  tree.feature.forEach((feature, node) => {
    if (feature === -1) return;
    const bins = features[feature]!;
    const goesLeft = Array.from(
      binsLeft(tree, node, orderedBins(bins), binCount(bins)),
      (goes) => goes === 1,
    );
    const [left, right] = [tree.left[node]!, tree.right[node]!];
    const childOf = (bin: number): number => (goesLeft[bin]! ? left : right);
    if ('categories' in bins) {
      splitCategories(nodes, node, feature, bins.categories, goesLeft, left, right);
      return;
    }
    const ordered = bins.edges.length + 1;
    let at = node;
    bins.special.forEach((value, i) => {
      const next = addNode(nodes);
      setNode(nodes, at, {
        feature,
        mode: 'BRANCH_EQ',
        value,
        whenTrue: childOf(ordered + i),
        whenFalse: next,
      });
      at = next;
    });
    const leftBins = goesLeft.slice(0, ordered).filter(Boolean).length; // a prefix: splits of numbers are by order
    const missingLeft = goesLeft.at(-1)!;
    // every number, infinite ones too, is at most infinity: so a side that has all of them is asked for
    const [value, whenTrue, whenFalse] =
      leftBins === 0
        ? [Infinity, right, left]
        : [leftBins === ordered ? Infinity : bins.edges[leftBins - 1]!, left, right];
    const missingIsTrue = missingLeft === (whenTrue === left);
    setNode(nodes, at, { feature, mode: 'BRANCH_LEQ', value, whenTrue, whenFalse, missingIsTrue });
  });
  return nodes;
}

/** By equalities with the codes of the side that has fewer; the last "false" is the other side. */
function splitCategories(
  nodes: Nodes,
  node: number,
  feature: number,
  categories: number,
  goesLeft: readonly boolean[],
  left: number,
  right: number,
): void {
  const codeOfBin = (bin: number): number => (bin === categories + 1 ? 0 : bin + 1);
  const codes = (side: boolean): number[] =>
    goesLeft.flatMap((goes, bin) => (goes === side ? [codeOfBin(bin)] : []));
  const fewerLeft = codes(true).length <= codes(false).length;
  const listed = codes(fewerLeft);
  const [whenListed, otherwise] = fewerLeft ? [left, right] : [right, left];
  if (listed.length === 0) listed.push(-1); // no code: nothing is listed, all go the other way
  let at = node;
  listed.forEach((value, i) => {
    const whenFalse = i === listed.length - 1 ? otherwise : addNode(nodes);
    setNode(nodes, at, { feature, mode: 'BRANCH_EQ', value, whenTrue: whenListed, whenFalse });
    at = whenFalse;
  });
}

/** A value for each bin: special values and missing first, then a search among the edges. */
function lookupTree(feature: number, bins: FeatureBins, valueOfBin: readonly number[]): Nodes {
  const nodes = emptyTree();
  const root = addNode(nodes);
  const leaf = (bin: number): number => addNode(nodes, valueOfBin[bin]);
  if ('categories' in bins) {
    // codes 0 (missing) … k + 1 (other) are 0, 1, 2, …: in order, so that they can be searched like numbers
    const values = [valueOfBin[bins.categories + 1]!, ...valueOfBin.slice(0, bins.categories + 1)];
    search(
      nodes,
      root,
      feature,
      values.slice(0, -1).map((_, code) => code + 0.5),
      values,
    );
    return nodes;
  }
  const ordered = bins.edges.length + 1;
  let at = root;
  bins.special.forEach((value, i) => {
    const whenTrue = leaf(ordered + i);
    const whenFalse = addNode(nodes);
    setNode(nodes, at, { feature, mode: 'BRANCH_EQ', value, whenTrue, whenFalse });
    at = whenFalse;
  });
  const [number, missing] = [addNode(nodes), leaf(ordered + bins.special.length)];
  // every number is at most infinity, which may be one; NaN is not
  setNode(nodes, at, {
    feature,
    mode: 'BRANCH_LEQ',
    value: Infinity,
    whenTrue: number,
    whenFalse: missing,
  });
  search(nodes, number, feature, bins.edges, valueOfBin.slice(0, ordered));
  return nodes;
}

/** At node `at`: values[number of edges below x], by halving; edges between equal values are left out. */
function search(
  nodes: Nodes,
  at: number,
  feature: number,
  edges: readonly number[],
  values: readonly number[],
): void {
  const kept = edges.flatMap((edge, i) => (values[i] === values[i + 1] ? [] : [i]));
  const place = (node: number, from: number, to: number): void => {
    if (from === to) {
      nodes.value[node] = from < kept.length ? values[kept[from]!]! : values.at(-1)!;
      nodes.leaf[node] = true;
      return;
    }
    const middle = (from + to) >> 1;
    const [whenTrue, whenFalse] = [addNode(nodes), addNode(nodes)];
    setNode(nodes, node, { feature, mode: 'BRANCH_LEQ', value: edges[kept[middle]!]!, whenTrue, whenFalse });
    place(whenTrue, from, middle);
    place(whenFalse, middle + 1, to);
  };
  place(at, 0, kept.length);
}
