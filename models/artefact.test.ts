import { describe, expect, test } from 'vitest';
import { createArtefact, parseArtefact, type ModelParts } from '#models/artefact.ts';
import { dataContract } from '#shared/contract/contract.ts';
import { toBase64 } from '#shared/crypto/base64.ts';
import { messageHash } from '#shared/crypto/signed-message.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: [
    { name: 'age', type: 'number', min: 20, max: 70 },
    { name: 'home', type: 'category', categories: ['own', 'rent'] },
  ],
});

/** Bins: age ≤ 30, ≤ 50, above, missing; home own, rent, other, missing. */
const CARD: ModelParts<'scorecard'> = {
  kind: 'scorecard',
  contract,
  transform: { kind: 'bins', features: [{ edges: [30, 50], special: [] }, { categories: 2 }] },
  parameters: {
    intercept: -2,
    characteristics: [
      {
        feature: 0,
        groups: [0, 1, 1, 0],
        woe: [0.5, -0.25],
        mean: 0,
        coefficient: 1,
        points: [-43, 22],
        residual: [-0.28, -0.36],
        iv: 0.1,
        standardError: 0.1,
        wald: 10,
        p: 0,
        vif: 1,
      },
    ],
  },
  calibration: {
    map: { method: 'platt', slope: 1.1, intercept: 0.05 },
    table: [{ rows: 100, bads: 7, meanPd: 0.06 }],
    hosmerLemeshow: { chiSquare: 0.177, degrees: 1, p: 0.674 },
  },
  scaling: { score: 600, odds: 30, pdo: 60, min: 300, max: 850 },
  cutoffs: { approveBelow: 0.05, declineFrom: 0.2 },
  baseline: { row: [40, 'own'] },
  metrics: { auc: 0.7 },
};
const TREES: ModelParts<'gbdt'> = {
  ...CARD,
  kind: 'gbdt',
  parameters: {
    baseLogit: -2.5,
    trees: [
      {
        feature: [0, 1, -1, -1, -1],
        bin: [1, [0, 3], 0, 0, 0],
        missingLeft: [true, false, false, false, false],
        left: [1, 3, -1, -1, -1],
        right: [2, 4, -1, -1, -1],
        value: [0, 0, 0.4, -0.2, 0.1],
        cover: [1000, 700, 300, 400, 300],
      },
    ],
  },
};

const weightsOf = (...weights: number[]) => toBase64(bytesOf(Float32Array.from(weights)));
/** Inputs: age, age is missing, home own, rent, other, missing. */
const NETWORK: ModelParts<'network'> = {
  ...CARD,
  kind: 'network',
  transform: { kind: 'standardised', means: [0.4], deviations: [0.2] },
  parameters: {
    network: { inputs: 6, hidden: [], dropout: 0 },
    weights: weightsOf(1, 2, 3, 4, 5, 6, -2),
    link: { kind: 'focal', alpha: 0.75, gamma: 2 },
  },
};
const TREE = ['parameters', 'trees', 0] as const;

/** The artefact with one thing changed, at a path. */
function changed(parts: object, path: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(createArtefact(parts as typeof CARD)) as Record<string | number, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as typeof at;
  at[path.at(-1)!] = value;
  if (path[0] === 'transform') copy['transformHash'] = messageHash('transform', copy['transform']);
  return copy;
}

const refused = expect.objectContaining({ code: 'SCHEMA' });

describe('an artefact', () => {
  test('of every kind reads back as it was made, with version and transform hash', () => {
    for (const parts of [CARD, TREES, NETWORK]) {
      expect(parseArtefact(createArtefact(parts as typeof CARD))).toEqual({
        ...parts,
        v: 2,
        transformHash: messageHash('transform', parts.transform),
      });
    }
  });

  test('made without cut-offs has none, rather than an empty one', () => {
    const { cutoffs: _, ...without } = CARD;
    expect(
      Object.keys(createArtefact<'scorecard'>({ ...without, cutoffs: undefined }) as object),
    ).not.toContain('cutoffs');
  });

  const whole = createArtefact(CARD) as Record<string, unknown>;
  test.each([
    ['nothing', null],
    ['text', 'model'],
    ['another kind of model', { ...whole, kind: 'forest' }],
    ['another version', { ...whole, v: 1 }],
    ['no parameters', { ...whole, parameters: undefined }],
    ['no contract', { ...whole, contract: {} }],
    ['the parameters of another kind', { ...whole, parameters: TREES.parameters }],
    ['a key nobody knows', { ...whole, comment: 'x' }],
    ['the hash of another transform', { ...whole, transformHash: 'a'.repeat(64) }],
  ])('is not seen in %s', (_what, value) => {
    expect(() => parseArtefact(value)).toThrow(refused);
  });

  const twice = [...CARD.parameters.characteristics, ...CARD.parameters.characteristics];
  test.each<readonly [string, object, readonly (string | number)[], unknown]>([
    ['a baseline with a cell too few', CARD, ['baseline', 'row'], [40]],
    ['a baseline whose number is a text', CARD, ['baseline', 'row', 0], 'forty'],
    ['a baseline whose category is a number', CARD, ['baseline', 'row', 1], 1],
    ['bins of another type', CARD, ['transform', 'features', 1], { edges: [], special: [] }],
    ['bins of another vocabulary', CARD, ['transform', 'features', 1], { categories: 3 }],
    ['bins for one feature only', CARD, ['transform', 'features'], [{ edges: [30, 50], special: [] }]],
    ['a characteristic of no feature', CARD, ['parameters', 'characteristics', 0, 'feature'], 2],
    ['a bin without a group', CARD, ['parameters', 'characteristics', 0, 'groups'], [0, 1, 1]],
    ['a group without points', CARD, ['parameters', 'characteristics', 0, 'groups'], [0, 1, 2, 0]],
    ['a cut-off upside down', CARD, ['cutoffs', 'approveBelow'], 0.3],
    ['a split of no feature', TREES, ['parameters', 'trees', 0, 'feature', 0], 2],
    ['a child that is its own parent', TREES, ['parameters', 'trees', 0, 'left', 0], 0],
    ['a child that is an ancestor', TREES, ['parameters', 'trees', 0, 'right', 1], 0],
    ['a child that is not there', TREES, ['parameters', 'trees', 0, 'right', 1], 5],
    ['a category split by order', TREES, ['parameters', 'trees', 0, 'bin', 1], 1],
    ['children that are no pair', TREES, [...TREE, 'right', 0], 3],
    ['a right child before the left one', TREES, [...TREE, 'left', 0], 3],
    ['a split behind the last range', TREES, [...TREE, 'bin', 0], 3],
    ['a split before the first range', TREES, [...TREE, 'bin', 0], -1],
    ['a category that the vocabulary has not', TREES, [...TREE, 'bin', 1], [0, 4]],
    ['ranges of a number as a set', TREES, [...TREE, 'bin', 0], [2]],
    ['two characteristics on one feature', CARD, ['parameters', 'characteristics'], twice],
    ['a weight too few', NETWORK, ['parameters', 'weights'], weightsOf(1, 2, 3, 4, 5, 6)],
    ['a weight that is no number', NETWORK, ['parameters', 'weights'], weightsOf(1, 2, 3, 4, 5, 6, NaN)],
    ['a weight without end', NETWORK, ['parameters', 'weights'], weightsOf(1, -Infinity, 3, 4, 5, 6, 7)],
    ['inputs of another contract', NETWORK, ['parameters', 'network', 'inputs'], 5],
    ['bent log-odds that nobody calibrated', NETWORK, ['calibration', 'table'], []],
    [
      'a tree without nodes',
      TREES,
      ['parameters', 'trees', 0],
      { feature: [], bin: [], missingLeft: [], left: [], right: [], value: [], cover: [] },
    ],
    ['node lists of unequal length', TREES, ['parameters', 'trees', 0, 'cover'], [1]],
  ])('is refused with %s', (_what, parts, path, value) => {
    expect(() => parseArtefact(changed(parts, path, value))).toThrow(refused);
  });
});
