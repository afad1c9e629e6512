import { describe, expect, test } from 'vitest';
import {
  brierSplit,
  expectedCalibrationError,
  hosmerLemeshow,
  jeffreysP,
  pdGroups,
  spiegelhalter,
  type PdGroup,
} from '#models/metrics/calibration-tests.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const PDS = [0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.4, 0.6];
const BADS = [1, 3, 2, 6, 7, 14, 16, 29, 38, 63];
const GROUPS: PdGroup[] = PDS.map((meanPd, i) => ({ rows: 100, bads: BADS[i]!, meanPd }));

const TEN_PDS = Float64Array.of(0.05, 0.1, 0.15, 0.2, 0.35, 0.35, 0.4, 0.6, 0.8, 0.3);
const TEN_BAD = Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 1, 1, 0);

describe('hosmerLemeshow', () => {
  test('gives the known chi-square and p', () => {
    const validation = hosmerLemeshow(GROUPS);
    expect(validation.chiSquare).toBeCloseTo(3.2450332, 7);
    expect(validation.degrees).toBe(10);
    expect(validation.p).toBeCloseTo(0.9750553, 7);
  });

  test('does not count groups without rows', () => {
    const withEmpty = [...GROUPS, { rows: 0, bads: 0, meanPd: 0.5 }];
    expect(hosmerLemeshow(withEmpty)).toEqual(hosmerLemeshow(GROUPS));
    expect(hosmerLemeshow([])).toEqual({ chiSquare: 0, degrees: 0, p: 1 });
  });
});

describe('jeffreysP', () => {
  test.each([
    [1000, 12, 0.01, 0.2523812],
    [1000, 18, 0.01, 0.0098318],
    [200, 0, 0.01, 0.9551738],
    [5000, 100, 0.02, 0.4935446],
  ])('of %d rows with %d bads at PD %d is %d', (rows, bads, pd, p) => {
    expect(jeffreysP(rows, bads, pd)).toBeCloseTo(p, 7);
  });
});

describe('spiegelhalter', () => {
  test('gives the known z', () => {
    const { z, p } = spiegelhalter(TEN_PDS, TEN_BAD);
    expect(z).toBeCloseTo(0.0659829, 7);
    expect(p).toBeCloseTo(0.947, 3);
  });

  test('finds nothing in PDs of 0 and 1 that came true, and everything in one that did not', () => {
    expect(spiegelhalter(Float64Array.of(0, 1), Uint8Array.of(0, 1))).toEqual({ z: 0, p: 1 });
    expect(spiegelhalter(Float64Array.of(0, 1), Uint8Array.of(1, 1))).toEqual({ z: Infinity, p: 0 });
    expect(spiegelhalter(Float64Array.of(NaN, 0.5), Uint8Array.of(0, 1)).p).toBeNaN();
  });
});

describe('brierSplit', () => {
  test('adds up to the Brier score when each group has one PD', () => {
    const brier =
      GROUPS.reduce(
        (sum, { rows, bads, meanPd }) => sum + bads * (1 - meanPd) ** 2 + (rows - bads) * meanPd ** 2,
        0,
      ) / 1000;
    const { reliability, resolution, uncertainty } = brierSplit(GROUPS);
    expect(reliability - resolution + uncertainty).toBeCloseTo(brier, 12);
    expect(uncertainty).toBeCloseTo(0.179 * 0.821, 12);
    expect(reliability).toBeGreaterThan(0);
    expect(resolution).toBeGreaterThan(reliability);
  });

  test('of ten applicants each a group is their Brier score', () => {
    const split = brierSplit(pdGroups(TEN_PDS, TEN_BAD, 10));
    expect(split.reliability - split.resolution + split.uncertainty).toBeCloseTo(0.177, 12);
  });
});

describe('expectedCalibrationError', () => {
  test('is the mean gap between bad rate and PD, weighted by rows', () => {
    const groups = [
      { rows: 30, bads: 3, meanPd: 0.2 },
      { rows: 10, bads: 4, meanPd: 0.1 },
    ];
    expect(expectedCalibrationError(groups)).toBeCloseTo((30 * 0.1 + 10 * 0.3) / 40, 12);
    expect(expectedCalibrationError([])).toBe(0);
  });
});

describe('pdGroups', () => {
  test('are of equal size, ascending, and lose no row', () => {
    const generator = new SeededGenerator('groups');
    const pds = Float64Array.from({ length: 1000 }, () => generator.nextUnit());
    const bad = Uint8Array.from(pds, (p) => (generator.nextUnit() < p ? 1 : 0));
    const groups = pdGroups(pds, bad, 8);
    expect(groups.map((g) => g.rows)).toEqual(Array<number>(8).fill(125));
    const means = groups.map((g) => g.meanPd);
    expect(means).toEqual(means.toSorted((a, b) => a - b));
    expect(groups.reduce((sum, g) => sum + g.bads, 0)).toBe(bad.reduce((a, b) => a + b, 0));
  });

  test('keep equal PDs together', () => {
    const pds = Float64Array.of(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 0.4);
    const groups = pdGroups(pds, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 1), 4);
    expect(groups.map((g) => [g.rows, g.bads])).toEqual([
      [6, 1],
      [2, 1],
    ]);
  });
});
