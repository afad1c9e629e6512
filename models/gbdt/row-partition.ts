/**
 * Which rows are in which node of a growing tree: one array of row indices in which the rows of a node lie
 * together, split stably as the tree splits. Never leaves the bank.
 */
import type { BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { binsLeft, type Tree } from '#models/gbdt/tree.ts';

export class RowPartition {
  private readonly rows: Uint32Array;
  private readonly spare: Uint32Array;
  /** Where the rows of each node known so far start and end. */
  private readonly starts: number[] = [0];
  private readonly ends: number[];
  private readonly done: boolean[] = [];

  /** @param rows indices of the rows in the root; copied */
  constructor(rows: Uint32Array) {
    this.rows = rows.slice();
    this.spare = new Uint32Array(rows.length);
    this.ends = [rows.length];
  }

  /**
   * Catches up with the tree: splits the rows of every inner node that are not split yet.
   * @param features of the contract, all of them
   * @param columns bins of all rows, one array for each contract feature
   */
  follow(tree: Tree, features: readonly BinnedFeature[], columns: readonly Uint16Array[]): void {
    for (let node = 0; node < tree.feature.length; node++) {
      const index = tree.feature[node]!;
      if (index < 0 || this.done[node] === true) continue;
      const { orderedBins, bins } = features[index]!;
      const goesLeft = binsLeft(tree, node, orderedBins, bins);
      const middle = this.split(this.starts[node]!, this.ends[node]!, columns[index]!, goesLeft);
      const left = tree.left[node]!;
      this.starts[left] = this.starts[node]!;
      this.ends[left] = middle;
      this.starts[left + 1] = middle;
      this.ends[left + 1] = this.ends[node]!;
      this.done[node] = true;
    }
  }

  /** Indices of the rows in a node, a view that holds until the next split. */
  rowsOf(node: number): Uint32Array {
    return this.rows.subarray(this.starts[node], this.ends[node]);
  }

  /** Rows that go left first, each part in its old order; returns where the second part starts. */
  private split(start: number, end: number, column: Uint16Array, goesLeft: Uint8Array): number {
    const { rows, spare } = this;
    let left = start;
    let right = 0;
    for (let i = start; i < end; i++) {
      // written to both and kept in one: no branch to predict, which takes half of the time
      const row = rows[i]!;
      const isLeft = goesLeft[column[row]!]!;
      rows[left] = row;
      spare[right] = row;
      left += isLeft;
      right += 1 - isLeft;
    }
    rows.set(spare.subarray(0, right), left);
    return left;
  }
}
