/**
 * A forest in terms of raw values, in flat typed arrays: what scoring and explaining walk through. A node sends
 * x left when x ≤ threshold and right when x > threshold. Neither holds where x has no place in the order
 * (missing, special, a category): then the node's own flag or table decides. So the common step is one
 * comparison, and a number goes where its bin went in training: x ≤ edges[b] is what "bin ≤ b" means.
 */
import { binsLeft, type Tree } from '#models/gbdt/tree.ts';
import { binCount, binOf, orderedBins, type FeatureBins } from '#models/preprocessing/bins.ts';

/** One row, prepared for the walk; slots by contract feature. */
export interface PlacedRow {
  /** The number, or NaN where there is none in the order. */
  readonly ordered: Float64Array;
  /** The bin, where `ordered` is NaN. */
  readonly bins: Int32Array;
}

export class CompiledForest {
  /** First node of each tree. */
  readonly roots: Int32Array;
  /** Contract feature of each node, −1 in leaves. */
  readonly feature: Int32Array;
  /** Left child of each node; the right one is the next. −1 in leaves. */
  readonly left: Int32Array;
  /** What a leaf adds. */
  readonly value: Float64Array;
  readonly cover: Float64Array;
  private readonly threshold: Float64Array;
  /** Where a node's table starts in `tables`: for each bin of its feature whether it goes left. */
  private readonly tableAt: Int32Array;
  private readonly tables: Uint8Array;
  private readonly features: readonly FeatureBins[];

  /** @param features the bins of each contract feature */
  constructor(trees: readonly Tree[], features: readonly FeatureBins[]) {
    const nodes = trees.reduce((n, tree) => n + tree.feature.length, 0);
    this.features = features;
    this.roots = new Int32Array(trees.length);
    this.feature = new Int32Array(nodes);
    this.left = new Int32Array(nodes);
    this.value = new Float64Array(nodes);
    this.cover = new Float64Array(nodes);
    this.threshold = new Float64Array(nodes);
    this.tableAt = new Int32Array(nodes);
    const tables: Uint8Array[] = [];
    let tableBytes = 0;
    let root = 0;
    trees.forEach((tree, t) => {
      this.roots[t] = root;
      for (let node = 0; node < tree.feature.length; node++) {
        const at = root + node;
        const index = tree.feature[node]!;
        this.feature[at] = index;
        this.left[at] = index < 0 ? -1 : root + tree.left[node]!;
        this.value[at] = tree.value[node]!;
        this.cover[at] = tree.cover[node]!;
        if (index < 0) continue;
        const bins = features[index]!;
        this.threshold[at] = thresholdOf(tree.bin[node]!, bins);
        const table = binsLeft(tree, node, orderedBins(bins), binCount(bins));
        this.tableAt[at] = tableBytes;
        tables.push(table);
        tableBytes += table.length;
      }
      root += tree.feature.length;
    });
    this.tables = new Uint8Array(tableBytes);
    let at = 0;
    for (const table of tables) {
      this.tables.set(table, at);
      at += table.length;
    }
  }

  /** Room for a row, to be filled by `place`. */
  emptyRow(): PlacedRow {
    return {
      ordered: new Float64Array(this.features.length).fill(Number.NaN),
      bins: new Int32Array(this.features.length),
    };
  }

  /** @param row one slot a contract feature: the number (NaN missing) or the category's code (0 missing) */
  place(row: Float64Array, into: PlacedRow): PlacedRow {
    const { features } = this;
    for (let f = 0; f < features.length; f++) {
      const bins = features[f]!;
      const value = row[f]!;
      if ('categories' in bins) into.bins[f] = binOf(bins, value);
      else if (Number.isNaN(value) || (bins.special.length > 0 && bins.special.includes(value))) {
        into.ordered[f] = Number.NaN;
        into.bins[f] = binOf(bins, value);
      } else into.ordered[f] = value;
    }
    return into;
  }

  /** The child of an inner node that a row goes to. */
  childOf(node: number, { ordered, bins }: PlacedRow): number {
    const f = this.feature[node]!;
    const x = ordered[f]!;
    const threshold = this.threshold[node]!;
    const child = this.left[node]!;
    if (x <= threshold) return child;
    if (x > threshold) return child + 1;
    return this.tables[this.tableAt[node]! + bins[f]!] === 1 ? child : child + 1;
  }

  /** Sum of the leaves the row reaches, tree after tree, starting from `base`. */
  sum(base: number, row: PlacedRow): number {
    let total = base;
    for (let t = 0; t < this.roots.length; t++) {
      let node = this.roots[t]!;
      while (this.left[node]! >= 0) node = this.childOf(node, row);
      total += this.value[node]!;
    }
    return total;
  }
}

/** The largest value whose bin goes left; −Infinity or NaN where no ordered value does. */
function thresholdOf(bin: number | readonly number[], bins: FeatureBins): number {
  if ('categories' in bins) return Number.NaN;
  if (typeof bin !== 'number') return -Infinity;
  return bin < bins.edges.length ? bins.edges[bin]! : Infinity;
}
