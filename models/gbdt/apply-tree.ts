/** Adds a finished tree to the log-odds of binned rows: how an ensemble grows inside a bank. */
import type { BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { binsLeft, type Tree } from '#models/gbdt/tree.ts';

/**
 * logits[i] += value of the leaf that row i reaches.
 * @param features of the contract, all of them
 * @param columns bins of the rows, one array for each contract feature
 */
export function applyTree(
  tree: Tree,
  features: readonly BinnedFeature[],
  columns: readonly Uint16Array[],
  logits: Float64Array,
): void {
  const goesLeft = tree.feature.map((index, node) =>
    index < 0 ? new Uint8Array() : binsLeft(tree, node, features[index]!.orderedBins, features[index]!.bins),
  );
  const column = tree.feature.map((index) => columns[index < 0 ? 0 : index]!);
  const left = Int32Array.from(tree.left);
  const value = Float64Array.from(tree.value);
  for (let row = 0; row < logits.length; row++) {
    let node = 0;
    let child = left[0]!;
    while (child >= 0) {
      node = goesLeft[node]![column[node]![row]!] === 1 ? child : child + 1;
      child = left[node]!;
    }
    logits[row]! += value[node]!;
  }
}
