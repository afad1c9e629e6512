import { describe, expect, test } from 'vitest';
import {
  inference,
  newtonStep,
  shorterStep,
  triangleLength,
  withoutInput,
  type LikelihoodSums,
} from '#models/newton/newton.ts';
import { weightOfEvidence } from '#models/scorecard/woe.ts';

/**
 * UCI Statlog (German Credit Data), CC BY 4.0, counted by checking account, credit history and housing:
 * [level, level, level, goods, bads].
 */
// prettier-ignore
const GERMAN_CREDIT = [
  [0,0,0,0,5],[0,0,1,3,3],[0,0,2,0,2],[0,1,0,1,4],[0,1,1,4,8],[0,1,2,1,4],[0,2,0,17,19],[0,2,1,51,53],
  [0,2,2,10,10],[0,3,0,1,1],[0,3,1,2,6],[0,3,2,0,2],[0,4,0,10,7],[0,4,1,32,8],[0,4,2,7,3],[1,0,0,0,4],
  [1,0,1,6,5],[1,0,2,0,3],[1,1,0,0,3],[1,1,1,4,3],[1,1,2,2,3],[1,2,0,14,16],[1,2,1,70,34],[1,2,2,5,7],
  [1,3,0,7,0],[1,3,1,15,7],[1,3,2,4,2],[1,4,0,4,0],[1,4,1,31,17],[1,4,2,2,1],[2,0,1,1,1],[2,1,0,1,0],
  [2,1,1,1,1],[2,2,0,5,0],[2,2,1,23,5],[2,2,2,2,2],[2,3,1,2,1],[2,4,0,1,1],[2,4,1,10,2],[2,4,2,3,1],
  [3,0,0,1,0],[3,0,1,4,2],[3,1,0,1,0],[3,1,1,6,2],[3,2,0,33,7],[3,2,1,117,15],[3,2,2,14,1],[3,3,0,1,1],
  [3,3,1,25,7],[3,3,2,3,1],[3,4,0,12,2],[3,4,1,120,6],[3,4,2,11,2],
] as const;

interface Rows {
  readonly x: readonly number[];
  readonly good: number;
  readonly bad: number;
}

function germanCredit(): Rows[] {
  const weights = [4, 5, 3].map((levels, j) => {
    const sum = (at: 3 | 4) =>
      Array.from({ length: levels }, (_, level) =>
        GERMAN_CREDIT.reduce((n, cell) => n + (cell[j] === level ? cell[at] : 0), 0),
      );
    return weightOfEvidence(sum(4), sum(3)).woe;
  });
  return GERMAN_CREDIT.map(([a, b, c, good, bad]) => ({
    x: [1, weights[0]![a]!, weights[1]![b]!, weights[2]![c]!],
    good,
    bad,
  }));
}

/** Plain sums with the engine's own exponential. */
function sumsOf(rows: readonly Rows[], coefficients: readonly number[]): LikelihoodSums {
  const size = coefficients.length;
  const gradient = new Float64Array(size);
  const information = new Float64Array(triangleLength(size));
  for (const { x, good, bad } of rows) {
    const p = 1 / (1 + Math.exp(-x.reduce((z, v, j) => z + v * coefficients[j]!, 0)));
    let at = 0;
    for (let j = 0; j < size; j++) {
      gradient[j]! += (bad - (good + bad) * p) * x[j]!;
      for (let k = j; k < size; k++) information[at++]! += (good + bad) * p * (1 - p) * x[j]! * x[k]!;
    }
  }
  return { gradient, information };
}

function fit(rows: readonly Rows[], ridge: number) {
  let coefficients = rows[0]!.x.map(() => 0);
  for (let round = 0; round < 20; round++) {
    const sums = sumsOf(rows, coefficients);
    const result = newtonStep(sums, coefficients, ridge);
    if (result.kind === 'collinear') return result;
    coefficients = coefficients.map((c, j) => c + result.step[j]!);
    if (result.step.every((s) => Math.abs(s) < 1e-12)) {
      return {
        kind: 'fitted',
        coefficients,
        inferred: inference(sums.information, coefficients, ridge),
      } as const;
    }
  }
  throw new Error('did not converge');
}

function fitted(rows: readonly Rows[], ridge = 0) {
  const result = fit(rows, ridge);
  if (result.kind === 'collinear') throw new Error('collinear');
  return result;
}

describe('the fit of German Credit', () => {
  // statsmodels 0.13.5, Logit(...).fit(method='newton', tol=1e-14); variance inflation from its WLS with
  // weights p(1 − p), 1 / (1 − R²)
  const { coefficients, inferred } = fitted(germanCredit());

  test('has the coefficients, standard errors and tests of statsmodels', () => {
    [-0.8492287723110956, 0.9155954080281733, 0.8099709966070839, 0.6666972754145779].forEach((c, j) =>
      expect(coefficients[j]).toBeCloseTo(c, 9),
    );
    [0.07716183911478593, 0.09782464742857253, 0.14216022374285345, 0.2584048811521591].forEach((s, j) =>
      expect(inferred[j]!.standardError).toBeCloseTo(s, 9),
    );
    [-11.00581300359862, 9.359557454032256, 5.697592303119895, 2.580049078182854].forEach((z, j) =>
      expect(inferred[j]!.wald).toBeCloseTo(z, 7),
    );
    [3.5826968520423677e-28, 8.007136108204421e-21, 1.2151119854776553e-8, 0.00987862746692533].forEach(
      (p, j) => expect(inferred[j]!.p / p).toBeCloseTo(1, 7),
    );
  });

  test('has the variance inflation of a weighted regression on the other inputs', () => {
    [0, 1.0061041019574108, 1.0037788365475415, 1.004864863183175].forEach((v, j) =>
      expect(inferred[j]!.vif).toBeCloseTo(v, 8),
    );
  });

  test('with a ridge of 5 has the coefficients of scikit-learn 1.2.1 with C = 1/5', () => {
    const ridged = fitted(germanCredit(), 5).coefficients;
    [-0.8405407808760404, 0.8810822808911923, 0.7431862706407825, 0.5099366492561124].forEach((c, j) =>
      expect(ridged[j]).toBeCloseTo(c, 6),
    );
  });
});

test('inputs that follow from others are named, all at once', () => {
  const rows = germanCredit().map(({ x, ...counts }) => ({ ...counts, x: [...x, 2 * x[1]! - x[3]! + 1] }));
  expect(fit(rows, 0)).toEqual({ kind: 'collinear', inputs: [4] });
  expect(fit(rows, 1).kind).toBe('fitted');
  const constant = germanCredit().map(({ x, ...counts }) => ({
    ...counts,
    x: [x[0]!, 3, x[1]!, x[2]!, x[1]! - x[2]!],
  }));
  expect(fit(constant, 0)).toEqual({ kind: 'collinear', inputs: [1, 4] });
});

test('a correlated pair inflates the variance as 1 / (1 − R²) says', () => {
  // at β = 0 every weight is ¼, so the weighted correlation is the plain one: here r = 0.8, four rows each
  const rows = [
    { x: [1, 1, 1], good: 9, bad: 9 },
    { x: [1, -1, -1], good: 9, bad: 9 },
    { x: [1, 1, -1], good: 1, bad: 1 },
    { x: [1, -1, 1], good: 1, bad: 1 },
  ];
  const { inferred } = fitted(rows);
  expect(inferred[1]!.vif).toBeCloseTo(1 / (1 - 0.8 ** 2), 10);
  expect(inferred[2]!.vif).toBeCloseTo(1 / (1 - 0.8 ** 2), 10);
});

test('far from the maximum a step is cut to a length of 3', () => {
  const information = Float64Array.of(1, 0, 1);
  const result = newtonStep({ gradient: Float64Array.of(12, -6), information }, [0, 0], 0);
  expect(result).toEqual({ kind: 'step', step: [3, -1.5], rise: 45 });
});

test('a step that went too far is cut to the least point of the parabola, within limits', () => {
  // φ(t) = 5 − 6t + 4t²: falls by 6 a unit at first, is 3 at t = 1; tried 2, where it is 9
  expect(shorterStep(2, 4, 6)).toBeCloseTo(0.75, 12);
  expect(shorterStep(1, 1000, 6)).toBe(0.1);
  expect(shorterStep(1, 1e-9, 6)).toBeCloseTo(0.5, 9);
});

test('without an input the others begin where the parabola with its coefficient at 0 is least', () => {
  const rows = germanCredit();
  const { coefficients } = fitted(rows);
  const { information } = sumsOf(rows, coefficients);
  const begun = withoutInput(information, coefficients, 2, 0);
  const parabola = (others: readonly number[]) => {
    const all = [...others.slice(0, 2), 0, ...others.slice(2)];
    const d = all.map((c, j) => c - coefficients[j]!);
    let [sum, at] = [0, 0];
    for (let j = 0; j < 4; j++)
      for (let k = j; k < 4; k++) sum += (j === k ? 1 : 2) * information[at++]! * d[j]! * d[k]!;
    return sum;
  };
  expect(begun).toHaveLength(3);
  for (let j = 0; j < 3; j++) {
    for (const by of [1e-4, -1e-4]) {
      expect(parabola(begun.map((c, i) => (i === j ? c + by : c)))).toBeGreaterThan(parabola(begun));
    }
  }
});
