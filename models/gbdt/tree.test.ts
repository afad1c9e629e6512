import { expect, test } from 'vitest';
import { appendTree, binsLeft, decodeForest, decodeTree, encodeTree, type Tree } from '#models/gbdt/tree.ts';

/** A threshold at the root; below it a set on the left, and leaves. */
const tree: Tree = {
  feature: [2, 5, -1, -1, -1],
  bin: [7, [0, 3, 11], 0, 0, 0],
  missingLeft: [true, false, false, false, false],
  left: [1, 3, -1, -1, -1],
  right: [2, 4, -1, -1, -1],
  value: [0, 0, -0.25, 1 / 3, 0.1],
  cover: [1000, 400, 600, 150, 250],
};
const stump: Tree = {
  feature: [-1],
  bin: [0],
  missingLeft: [false],
  left: [-1],
  right: [-1],
  value: [0.5],
  cover: [1000],
};

test('a tree comes back from its words as it was', () => {
  expect(decodeTree(encodeTree(tree))).toEqual(tree);
  expect(decodeTree(encodeTree(stump))).toEqual(stump);
});

test('a forest is its trees one after the other, and can be read from any tree on', () => {
  const first = appendTree(new Float64Array(), tree);
  const second = appendTree(first, stump);
  const third = appendTree(second, tree);
  expect(decodeForest(third)).toEqual([tree, stump, tree]);
  expect(decodeForest(third, first.length)).toEqual([stump, tree]);
  expect(decodeForest(third, third.length)).toEqual([]);
});

test('appending leaves the forest that a question already carries as it is', () => {
  const first = appendTree(appendTree(new Float64Array(), tree), stump);
  const before = first.slice();
  appendTree(first, tree);
  expect(first).toEqual(before);
});

test('the words are laid out as the header says', () => {
  expect([...encodeTree(tree).subarray(0, 14)]).toEqual([36, 5, 2, 7, 1, 1, 0, 1000, 5, -32, 0, 3, 0, 400]);
  expect([...encodeTree(tree).subarray(32)]).toEqual([3, 0, 3, 11]);
});

test('of a threshold the ordered bins up to it go left, and all others together', () => {
  // 9 ordered bins, 2 special values, missing
  expect([...binsLeft(tree, 0, 9, 12)]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1]);
  const other = { ...tree, missingLeft: [false, false, false, false, false] };
  expect([...binsLeft(other, 0, 9, 12)]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
});

test('of a set exactly its bins go left, and missing by its own flag', () => {
  expect([...binsLeft(tree, 1, 0, 13)]).toEqual([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
  const other = { ...tree, missingLeft: [true, true, false, false, false] };
  expect([...binsLeft(other, 1, 0, 13)]).toEqual([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
});
