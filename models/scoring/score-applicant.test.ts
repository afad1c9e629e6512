import { describe, expect, test } from 'vitest';
import { createArtefact, parseArtefact, type ModelArtefact } from '#models/artefact.ts';
import { createApplicantScorer } from '#models/scoring/score-applicant.ts';
import { dataContract } from '#shared/contract/contract.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const contract = dataContract.parse({
  v: 1,
  name: 'retail',
  target: { column: 'default', bad: '1' },
  features: NAMES.map((name) => ({
    name,
    type: 'number',
    min: 0,
    max: 1,
    missing: 'refused',
    ...(name === 'a' ? { reason: { en: 'too much of a', 'zh-CN': 'a过多' } } : {}),
    ...(name === 'b' ? { description: 'what b is', reason: { en: 'b says no' } } : {}),
    ...(name === 'c' ? { description: 'what c is' } : {}),
  })),
});
const B = 60 / Math.LN2;
/** logit = Σ w x − 2, and the baseline is all zeros: contributions are w x. */
const WEIGHTS = [1, 0.5, -2, 0.25, 2, 0.125];

function model(changes: Partial<ModelArtefact> = {}): ModelArtefact {
  const artefact = createArtefact<'network'>({
    kind: 'network',
    contract,
    transform: { kind: 'standardised', means: [0, 0, 0, 0, 0, 0], deviations: [1, 1, 1, 1, 1, 1] },
    parameters: {
      network: { inputs: 6, hidden: [], dropout: 0 },
      weights: Buffer.from(Float32Array.of(...WEIGHTS, -2).buffer).toString('base64'),
    },
    calibration: {
      map: { method: 'identity' },
      table: [],
      hosmerLemeshow: { chiSquare: 0, degrees: 0, p: 1 },
    },
    scaling: { score: 600, odds: 30, pdo: 60, min: 300, max: 850 },
    baseline: { row: [0, 0, 0, 0, 0, 0] },
    metrics: {},
  });
  return parseArtefact({ ...(artefact as object), ...changes });
}

const row = (...values: number[]) => Float64Array.from(values);
const calibrated = (map: ModelArtefact['calibration']['map']) =>
  model({ calibration: { map, table: [], hosmerLemeshow: { chiSquare: 0, degrees: 0, p: 1 } } });

describe('a score', () => {
  test('is made of the calibrated log-odds', () => {
    const x = row(1, 0, 0, 0, 0, 0); // logit −1
    const plain = createApplicantScorer(model()).score(x);
    expect(plain.pd).toBeCloseTo(1 / (1 + Math.E), 12);
    expect(plain.score).toBeCloseTo(305.58656426348887 + B, 8);
    expect(plain).toMatchObject({ scoreClipped: false, decision: undefined });
    const platt = createApplicantScorer(calibrated({ method: 'platt', slope: 1.5, intercept: 0.25 })).score(
      x,
    );
    expect(platt.pd).toBeCloseTo(1 / (1 + Math.exp(1.25)), 12);
  });

  test('beyond the range is cut, and says so; the PD is not', () => {
    const { score, scoreClipped, pd } = createApplicantScorer(
      calibrated({ method: 'platt', slope: 1, intercept: -6 }),
    ).score(row(0, 0, 0, 0, 0, 0));
    expect([score, scoreClipped]).toEqual([850, true]);
    expect(pd).toBeCloseTo(1 / (1 + Math.exp(8)), 12);
  });

  test.each([
    [0, 'approve'], // PD .119
    [0.5, 'refer'], // .182
    [1, 'decline'], // .269
  ])('leads to a decision where there are cut-offs: a = %d, %s', (a, decision) => {
    const scorer = createApplicantScorer(model({ cutoffs: { approveBelow: 0.15, declineFrom: 0.25 } }));
    expect(scorer.score(row(a, 0, 0, 0, 0, 0)).decision).toBe(decision);
  });

  test('at a cut-off falls on its stricter side', () => {
    const { pd } = createApplicantScorer(model()).score(row(0, 0, 0, 0, 0, 0));
    const at = (cutoffs: ModelArtefact['cutoffs']) =>
      createApplicantScorer(model({ cutoffs })).score(row(0, 0, 0, 0, 0, 0)).decision;
    expect(at({ approveBelow: pd, declineFrom: 0.9 })).toBe('refer');
    expect(at({ approveBelow: 0.01, declineFrom: pd })).toBe('decline');
  });
});

describe('reasons', () => {
  const { reasons } = createApplicantScorer(model());

  test('are the four that cost most points, the costliest first, and never what helped', () => {
    const found = reasons(row(1, 1, 1, 1, 1, 1));
    expect(found.map((r) => r.name)).toEqual(['e', 'a', 'b', 'd']);
    expect(found[0]!.pointsLost).toBeCloseTo(2 * B, 4);
    expect(found[3]!.pointsLost).toBeCloseTo(0.25 * B, 4);
  });

  test('are fewer where less counted against the applicant, and none for the baseline', () => {
    expect(reasons(row(0, 0.5, 1, 0, 0, 0)).map((r) => r.name)).toEqual(['b']);
    expect(reasons(row(0, 0, 0, 0, 0, 0))).toEqual([]);
    expect(reasons(row(0, 0, 1, 0, 0, 0))).toEqual([]);
  });

  test('of equal cost come in the order of the contract', () => {
    expect(reasons(row(0.25, 0.5, 0, 1, 0.125, 0)).map((r) => r.name)).toEqual(['a', 'b', 'd', 'e']);
  });

  test('use the words of the contract, in the language asked for where it has them', () => {
    const texts = (language?: 'en' | 'zh-CN') =>
      reasons(row(1, 1, 1, 1, 0, 0), language).map((reason) => reason.text);
    expect(texts()).toEqual(['too much of a', 'b says no', 'd']);
    expect(texts('zh-CN')).toEqual(['a过多', 'b says no', 'd']);
    const against = createApplicantScorer(model({ baseline: { row: [0, 0, 1, 0, 0, 0] } }));
    expect(against.reasons(row(0, 0, 0, 0, 0, 0))[0]!.text).toBe('c: what c is');
  });
});

describe('an explanation', () => {
  test.each([
    ['identity', { method: 'identity' }],
    ['platt', { method: 'platt', slope: 1.5, intercept: 0.25 }],
    ['isotonic', { method: 'isotonic', logits: [-2, 0, 1], values: [-1.5, -1, 2] }],
  ] as const)('adds up to the score whatever the calibration: %s', (_name, map) => {
    const scorer = createApplicantScorer(
      model({
        ...calibrated(map as ModelArtefact['calibration']['map']),
        baseline: { row: [0.5, 0, 0.5, 0, 0, 0] },
        scaling: { ...model().scaling, min: -1000 },
      }),
    );
    const x = row(1, 0.5, 0, 0.5, 0.75, 1);
    const { points, baselineScore, gap } = scorer.explain(x);
    expect(gap).toBeCloseTo(0, 6);
    expect(baselineScore + points.reduce((a, b) => a + b, 0)).toBeCloseTo(scorer.score(x).score, 4);
    expect(points[2]).toBeLessThan(0); // less of c than the baseline has
    expect(points[0]! / points[4]!).toBeCloseTo(0.5 / 1.5, 6); // calibration keeps the proportions
  });
});
