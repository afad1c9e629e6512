/**
 * Growing one tree level by level, a pure fold over summed histograms. A round brings the histograms of the
 * left children of the last level's splits (of the root in a tree's first round); the right children's are
 * their parents' minus these. It is always the left child: the smaller one differs from bank to bank.
 *
 * A node is open while it may still be split: it is above the depth limit and has twice the rows and hessian
 * that one side needs. Where neither child is open, nobody is asked.
 */
import {
  GRADIENT_UNITS,
  difference,
  emptyHistogram,
  nodeHistogram,
  subtract,
  type Histogram,
  type HistogramLayout,
} from '#models/gbdt/histogram.ts';
import {
  bestSplit,
  FREE,
  leafWeight,
  totalOf,
  type Bounds,
  type NodeSums,
  type Split,
  type SplitRules,
} from '#models/gbdt/split.ts';
import type { Tree } from '#models/gbdt/tree.ts';

export interface GrowthRules extends SplitRules {
  /** Levels of splits. */
  readonly depth: number;
  readonly learningRate: number;
}

interface OpenNode {
  readonly node: number;
  readonly sums: NodeSums;
  readonly bounds: Bounds;
}

/** Two children that wait for the left one's histogram. */
interface Pair {
  readonly parent: Histogram;
  readonly left: OpenNode;
  readonly right: OpenNode;
}

/** A tree while it grows; what is not split yet is a leaf with its value. `grow` changes it in place. */
export interface Growth {
  readonly layout: HistogramLayout;
  readonly rules: GrowthRules;
  readonly tree: Tree;
  /** Splits between the root and the nodes asked for. */
  readonly level: number;
  /** Undefined before the root's histogram is known. */
  readonly pairs: readonly Pair[] | undefined;
}

/** A tree that is a root with nothing known about it. */
export function startTree(layout: HistogramLayout, rules: GrowthRules): Growth {
  const tree: Tree = {
    feature: [],
    bin: [],
    missingLeft: [],
    left: [],
    right: [],
    value: [],
    cover: [],
  };
  return { layout, rules, tree, level: 0, pairs: undefined };
}

/** The nodes whose histograms are needed next, in their order; none when the tree is grown. */
export function nodesAsked({ pairs }: Growth): number[] {
  return pairs === undefined ? [0] : pairs.map(({ left }) => left.node);
}

/** The tree so far. */
export function treeOf({ tree }: Growth): Tree {
  return tree;
}

/**
 * One level further.
 * @param histogram summed over all banks, of the nodes that `nodesAsked` names, in that order
 */
export function grow(growth: Growth, histogram: Histogram): Growth {
  const { layout, rules } = growth;
  const level = growth.level + 1;
  const pairs: Pair[] = [];
  const trySplit = (open: OpenNode, cells: () => Histogram): void => {
    if (!mayBeSplit(open.sums, growth.level, rules)) return;
    const parent = cells();
    const split = bestSplit(parent, layout, open.sums, open.bounds, rules);
    if (split === undefined) return;
    const { left, right } = splitNode(growth, open.node, split);
    if (mayBeSplit(left.sums, level, rules) || mayBeSplit(right.sums, level, rules)) {
      pairs.push({ parent, left, right });
    }
  };
  if (growth.pairs === undefined) {
    const root = { node: 0, sums: totalOf(histogram, layout), bounds: FREE };
    addLeaf(growth, root);
    trySplit(root, () => histogram);
    return { ...growth, level, pairs };
  }
  // nothing looks back at the last level: one piece of memory serves all its right children
  const scratch = level === rules.depth ? emptyHistogram(layout.cells) : undefined;
  growth.pairs.forEach(({ parent, left, right }, i) => {
    const ofLeft = nodeHistogram(histogram, i, layout.cells);
    trySplit(left, () => ofLeft);
    trySplit(right, () => {
      if (scratch === undefined) return difference(parent, ofLeft);
      subtract(parent, ofLeft, scratch);
      return scratch;
    });
  });
  return { ...growth, level, pairs };
}

function mayBeSplit({ count, h }: NodeSums, level: number, rules: GrowthRules): boolean {
  return level < rules.depth && count >= 2 * rules.minCount && h >= 2 * rules.minHessian * GRADIENT_UNITS;
}

function splitNode(
  { tree, ...growth }: Growth,
  node: number,
  split: Split,
): { left: OpenNode; right: OpenNode } {
  const at = tree.feature.length;
  tree.feature[node] = split.feature;
  tree.bin[node] = typeof split.bin === 'number' ? split.bin : [...split.bin];
  tree.missingLeft[node] = split.missingLeft;
  tree.left[node] = at;
  tree.right[node] = at + 1;
  tree.value[node] = 0;
  const left = { node: at, sums: split.left, bounds: split.leftBounds };
  const right = { node: at + 1, sums: split.right, bounds: split.rightBounds };
  addLeaf({ tree, ...growth }, left);
  addLeaf({ tree, ...growth }, right);
  return { left, right };
}

function addLeaf({ tree, rules }: Growth, { sums, bounds }: OpenNode): void {
  tree.feature.push(-1);
  tree.bin.push(0);
  tree.missingLeft.push(false);
  tree.left.push(-1);
  tree.right.push(-1);
  tree.value.push(rules.learningRate * leafWeight(sums, bounds, rules) + 0); // + 0 makes −0 a 0
  tree.cover.push(sums.count);
}
