/**
 * Path-dependent TreeSHAP (Lundberg, Erion and Lee 2018, algorithm 2): Shapley values of a game in which a
 * feature outside the coalition sends the row to both children, in proportion to the training rows that went
 * to each (`cover`). It needs no background rows, only the model; what it explains is the distance to the mean
 * over training rows. Contract features are the players.
 */
import type { CompiledForest, PlacedRow } from '#models/gbdt/compiled-forest.ts';

/** One feature on the path from the root. */
interface PathElement {
  readonly feature: number;
  /** Share of coalitions without the feature that flow through, and of those with it (0 or 1). */
  readonly zero: number;
  readonly one: number;
  /** Weight of the coalitions of as many members as the element's place says. */
  weight: number;
}

/**
 * @param features number of contract features
 * @returns one value a contract feature; their sum is output(row) − `expectedOutput`
 */
export function treeShap(forest: CompiledForest, row: PlacedRow, features: number): Float64Array {
  const values = new Float64Array(features);
  for (const root of forest.roots) {
    visit({ forest, row, values }, root, [], { feature: -1, zero: 1, one: 1 });
  }
  return values;
}

/** Mean output over the training rows, as the covers say: what `treeShap` starts from, without the base. */
export function expectedOutput(forest: CompiledForest): number {
  const meanOf = (node: number): number => {
    const left = forest.left[node]!;
    if (left < 0) return forest.value[node]!;
    const [a, b] = [forest.cover[left]!, forest.cover[left + 1]!];
    return (a * meanOf(left) + b * meanOf(left + 1)) / (a + b);
  };
  let total = 0;
  for (const root of forest.roots) total += meanOf(root);
  return total;
}

interface Task {
  readonly forest: CompiledForest;
  readonly row: PlacedRow;
  readonly values: Float64Array;
}

function visit(
  task: Task,
  node: number,
  before: readonly PathElement[],
  step: { readonly feature: number; readonly zero: number; readonly one: number },
): void {
  const { forest, row, values } = task;
  const path = extend(before, step);
  const left = forest.left[node]!;
  if (left < 0) {
    for (let i = 1; i < path.length; i++) {
      const weight = unwind(path, i).reduce((sum, element) => sum + element.weight, 0);
      const { feature, one, zero } = path[i]!;
      values[feature]! += weight * (one - zero) * forest.value[node]!;
    }
    return;
  }
  const feature = forest.feature[node]!;
  const hot = forest.childOf(node, row);
  const cold = hot === left ? left + 1 : left;
  const total = forest.cover[left]! + forest.cover[left + 1]!;
  const seen = path.findIndex((element, i) => i > 0 && element.feature === feature);
  const { zero, one } = seen < 0 ? { zero: 1, one: 1 } : path[seen]!;
  const rest = seen < 0 ? path : unwind(path, seen);
  visit(task, hot, rest, { feature, zero: (zero * forest.cover[hot]!) / total, one });
  visit(task, cold, rest, { feature, zero: (zero * forest.cover[cold]!) / total, one: 0 });
}

/** The path with one more feature. */
function extend(
  before: readonly PathElement[],
  { feature, zero, one }: { readonly feature: number; readonly zero: number; readonly one: number },
): PathElement[] {
  const size = before.length;
  const path = before.map((element) => ({ ...element }));
  path.push({ feature, zero, one, weight: size === 0 ? 1 : 0 });
  for (let i = size - 1; i >= 0; i--) {
    path[i + 1]!.weight += (one * path[i]!.weight * (i + 1)) / (size + 1);
    path[i]!.weight = (zero * path[i]!.weight * (size - i)) / (size + 1);
  }
  return path;
}

/** The path as if its feature `at` had never been on it: the reverse of `extend`. */
function unwind(path: readonly PathElement[], at: number): PathElement[] {
  const last = path.length - 1;
  const { zero, one } = path[at]!;
  const weights = path.map((element) => element.weight);
  let next = weights[last]!;
  for (let i = last - 1; i >= 0; i--) {
    if (one !== 0) {
      const weight = weights[i]!;
      weights[i] = (next * (last + 1)) / ((i + 1) * one);
      next = weight - (weights[i]! * zero * (last - i)) / (last + 1);
    } else {
      weights[i] = (weights[i]! * (last + 1)) / (zero * (last - i));
    }
  }
  const others = path.filter((_, i) => i !== at);
  return others.map((element, i) => ({ ...element, weight: weights[i]! }));
}
