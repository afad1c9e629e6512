/**
 * One regression tree: flat arrays over its nodes, node 0 the root, children after their parent and in pairs
 * (the right child follows the left one). Splits are in terms of bins, so that a tree means the same at every
 * bank; `compiled-forest.ts` turns them into thresholds on raw values.
 *
 * A forest travels between `next` and the answerers as one Float64Array, which costs little to checksum. Each
 * tree in it lies as
 *
 *   words, nodes, nodes × [feature, bin, missingLeft, left, value, cover], sets
 *
 * where `words` counts all of these, and a split by a set of bins has −(position of its set, from the start of
 * the tree) in place of its bin; a set is its size and then its bins.
 */

export interface Tree {
  /** Index into the contract's features; −1 makes the node a leaf. */
  readonly feature: number[];
  /**
   * A number: bins in order up to this one go left. A list: exactly these bins go left. In a leaf 0. What has
   * no order (missing, special values) goes by `missingLeft` in the first case; in the second only missing.
   */
  readonly bin: (number | number[])[];
  readonly missingLeft: boolean[];
  /** Index of the left child; −1 in a leaf. */
  readonly left: number[];
  /** Index of the right child; −1 in a leaf. */
  readonly right: number[];
  /** Log-odds that a leaf adds; 0 in inner nodes. */
  readonly value: number[];
  /** Training rows that reached the node. */
  readonly cover: number[];
}

const NODE_WORDS = 6;
const HEAD_WORDS = 2;

/** The tree as numbers, laid out as above. */
export function encodeTree(tree: Tree): Float64Array {
  const nodes = tree.feature.length;
  const words: number[] = [0, nodes];
  for (let node = 0; node < nodes; node++) {
    const bin = tree.bin[node]!;
    const word = typeof bin === 'number' ? bin : 0; // a set's position is not known yet
    words.push(tree.feature[node]!, word, tree.missingLeft[node]! ? 1 : 0, tree.left[node]!);
    words.push(tree.value[node]!, tree.cover[node]!);
  }
  for (let node = 0; node < nodes; node++) {
    const bin = tree.bin[node]!;
    if (typeof bin === 'number') continue;
    words[HEAD_WORDS + node * NODE_WORDS + 1] = -words.length;
    words.push(bin.length, ...bin);
  }
  words[0] = words.length;
  return Float64Array.from(words);
}

/** The trees that lie one after the other in `forest`, from word `start` on. */
export function decodeForest(forest: Float64Array, start = 0): Tree[] {
  const trees: Tree[] = [];
  for (let at = start; at < forest.length; at += forest[at]!) {
    trees.push(decodeTree(forest.subarray(at, at + forest[at]!)));
  }
  return trees;
}

/** The reverse of `encodeTree`. */
export function decodeTree(words: Float64Array): Tree {
  const tree: Tree = { feature: [], bin: [], missingLeft: [], left: [], right: [], value: [], cover: [] };
  const nodes = words[1]!;
  for (let node = 0, at = HEAD_WORDS; node < nodes; node++, at += NODE_WORDS) {
    const bin = words[at + 1]!;
    const left = words[at + 3]!;
    tree.feature.push(words[at]!);
    tree.bin.push(bin < 0 ? [...words.subarray(1 - bin, 1 - bin + words[-bin]!)] : bin);
    tree.missingLeft.push(words[at + 2] === 1);
    tree.left.push(left);
    tree.right.push(left < 0 ? -1 : left + 1);
    tree.value.push(words[at + 4]!);
    tree.cover.push(words[at + 5]!);
  }
  return tree;
}

/** Appends to a forest; the old array stays as it is, and the new one may share its memory. */
export function appendTree(forest: Float64Array, tree: Tree): Float64Array {
  const words = encodeTree(tree);
  const length = forest.length + words.length;
  const room = forest.buffer.byteLength / Float64Array.BYTES_PER_ELEMENT;
  let buffer = forest.buffer;
  if (length > room) {
    const grown = new Float64Array(Math.max(length, 2 * room));
    grown.set(forest);
    buffer = grown.buffer;
  }
  const longer = new Float64Array(buffer, 0, length);
  longer.set(words, forest.length);
  return longer;
}

/**
 * For every bin of the node's feature whether it goes left, which is all there is to know about a split.
 * @param orderedBins how many of the bins, from 0, are ordered values
 * @param bins all bins of the feature; the last one holds missing values
 */
export function binsLeft(tree: Tree, node: number, orderedBins: number, bins: number): Uint8Array {
  const left = new Uint8Array(bins);
  const bin = tree.bin[node]!;
  const apart = tree.missingLeft[node]! ? 1 : 0;
  if (typeof bin === 'number') {
    left.fill(1, 0, bin + 1);
    left.fill(apart, orderedBins);
  } else {
    for (const b of bin) left[b] = 1;
    left[bins - 1] = apart;
  }
  return left;
}
