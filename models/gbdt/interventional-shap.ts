/**
 * Interventional Shapley values of a forest: contract features are the players, and a coalition S is worth the
 * forest's output for a row that takes S from the applicant and the rest from a background row (Janzing et
 * al. 2020; Lundberg et al. 2020, "interventional"). Averaged over the background rows given.
 *
 * A leaf is reached by exactly the coalitions that contain the features at which the path follows the
 * applicant (a of them) and none of those at which it follows the background (b of them), nodes where both go
 * the same way set aside. So it adds to each of the first v·(a−1)!·b!/(a+b)! and takes from each of the second
 * v·a!·(b−1)!/(a+b)!, which the walk collects in one pass over the nodes that either row can reach.
 */
import type { CompiledForest, PlacedRow } from '#models/gbdt/compiled-forest.ts';

/**
 * @param row the applicant
 * @param background rows to compare with, at least one
 * @param features number of contract features
 * @returns one value a contract feature; their sum is output(row) − mean output(background)
 */
export function interventionalShap(
  forest: CompiledForest,
  row: PlacedRow,
  background: readonly PlacedRow[],
  features: number,
): Float64Array {
  const values = new Float64Array(features);
  for (const other of background) {
    const walk = new Walk(forest, row, other, values);
    for (const root of forest.roots) walk.visit(root, 0, 0);
  }
  for (let f = 0; f < features; f++) values[f] = values[f]! / background.length;
  return values;
}

const FROM_ROW = 1;
const FROM_BACKGROUND = 2;

class Walk {
  private readonly forest: CompiledForest;
  private readonly row: PlacedRow;
  private readonly background: PlacedRow;
  private readonly values: Float64Array;
  /** Which of the two each feature has been taken from on the present path; 0 while it is undecided. */
  private readonly side: Uint8Array;
  /** The features decided on the present path, in its order. */
  private readonly path: Int32Array;

  constructor(forest: CompiledForest, row: PlacedRow, background: PlacedRow, values: Float64Array) {
    this.forest = forest;
    this.row = row;
    this.background = background;
    this.values = values;
    this.side = new Uint8Array(values.length);
    this.path = new Int32Array(values.length);
  }

  /** @param fromRow, fromBackground how many features of the path are taken from each */
  visit(node: number, fromRow: number, fromBackground: number): void {
    const { forest, side } = this;
    if (forest.left[node]! < 0) {
      this.credit(forest.value[node]!, fromRow, fromBackground);
      return;
    }
    const feature = forest.feature[node]!;
    const ours = forest.childOf(node, this.row);
    const theirs = forest.childOf(node, this.background);
    const taken = side[feature]!;
    if (ours === theirs || taken === FROM_ROW) return this.visit(ours, fromRow, fromBackground);
    if (taken === FROM_BACKGROUND) return this.visit(theirs, fromRow, fromBackground);
    this.path[fromRow + fromBackground] = feature;
    side[feature] = FROM_ROW;
    this.visit(ours, fromRow + 1, fromBackground);
    side[feature] = FROM_BACKGROUND;
    this.visit(theirs, fromRow, fromBackground + 1);
    side[feature] = 0;
  }

  private credit(value: number, fromRow: number, fromBackground: number): void {
    const players = fromRow + fromBackground;
    // 1 / (n · C(n−1, k)) is k!·(n−1−k)!/n!
    const gain = fromRow > 0 ? value / (players * binomial(players - 1, fromRow - 1)) : 0;
    const loss = fromBackground > 0 ? value / (players * binomial(players - 1, fromRow)) : 0;
    for (let i = 0; i < players; i++) {
      const feature = this.path[i]!;
      if (this.side[feature] === FROM_ROW) this.values[feature]! += gain;
      else this.values[feature]! -= loss;
    }
  }
}

function binomial(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return result;
}
