/**
 * One bank's part in the growth of one tree: which of its rows are in which node, and the histograms of nodes
 * over its own rows.
 *
 * The bank's histogram of a parent is kept for a level. Of two children it then sums the one with fewer rows
 * here and takes the other as what is left of the parent; integers make that the same bits as summing it.
 */
import type { BinMatrix } from '#models/gbdt/bin-matrix.ts';
import type { BinnedFeature } from '#models/gbdt/binned-feature.ts';
import {
  difference,
  emptyHistogram,
  nodeHistogram,
  subtract,
  type Histogram,
  type HistogramLayout,
} from '#models/gbdt/histogram.ts';
import { RowPartition } from '#models/gbdt/row-partition.ts';
import type { Tree } from '#models/gbdt/tree.ts';

/** What a tree grows on inside a bank. */
export interface LocalRows {
  /** Of the contract, all of them. */
  readonly features: readonly BinnedFeature[];
  /** Bins of all training rows, one array for each contract feature. */
  readonly columns: readonly Uint16Array[];
  /** The same bins in the order of histograms, with the gradients the tree is grown on. */
  readonly matrix: BinMatrix;
  /** The features the tree may split on. */
  readonly layout: HistogramLayout;
  /** Rows the tree is grown on. */
  readonly rows: Uint32Array;
}

export class LocalTree {
  private readonly on: LocalRows;
  private readonly partition: RowPartition;
  private tree: Tree | undefined;
  /** Histograms over this bank's rows that the next level may subtract from, by node; made when needed. */
  private known: ReadonlyMap<number, () => Histogram> = new Map();

  constructor(on: LocalRows) {
    this.on = on;
    this.partition = new RowPartition(on.rows);
  }

  /** Takes the splits found since. */
  follow(tree: Tree): void {
    this.tree = tree;
    this.partition.follow(tree, this.on.features, this.on.columns);
  }

  /** Adds each leaf's value to the log-odds of its rows, when the tree is finished and was grown on all rows. */
  addTo(logits: Float64Array, finished: Tree): void {
    this.follow(finished);
    finished.left.forEach((left, node) => {
      if (left >= 0) return;
      const value = finished.value[node]!;
      const rows = this.partition.rowsOf(node);
      for (let i = 0; i < rows.length; i++) logits[rows[i]!]! += value;
    });
  }

  /** @param nodes the root, or left children of the tree followed last */
  histograms(nodes: readonly number[], progress: (fraction: number) => void): Histogram {
    const { cells } = this.on.layout;
    const answer = emptyHistogram(nodes.length * cells);
    const known = new Map<number, () => Histogram>();
    nodes.forEach((node, i) => {
      const own = nodeHistogram(answer, i, cells);
      const sibling = this.fill(own, node);
      known.set(node, () => own);
      if (sibling !== undefined) known.set(node + 1, sibling);
      progress((i + 1) / nodes.length);
    });
    this.known = known;
    return answer;
  }

  /** Sums a node's rows into `own`. @returns the sibling's histogram when the parent's is known */
  private fill(own: Histogram, node: number): (() => Histogram) | undefined {
    const { matrix, layout } = this.on;
    const rows = this.partition.rowsOf(node);
    const parent = node === 0 ? undefined : this.known.get(this.tree!.left.indexOf(node))?.();
    if (parent === undefined) {
      matrix.addRows(own, layout, rows);
      return undefined;
    }
    const others = this.partition.rowsOf(node + 1);
    if (rows.length <= others.length) {
      matrix.addRows(own, layout, rows);
      return () => difference(parent, own);
    }
    const sibling = emptyHistogram(own.counts.length);
    matrix.addRows(sibling, layout, others);
    subtract(parent, sibling, own);
    return () => sibling;
  }
}
