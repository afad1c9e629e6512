import { describe, expect, test } from 'vitest';
import { SESSION_BANKS_MAX, SESSION_BANKS_MIN, thresholdsFor } from '#shared/secure-sum/thresholds.ts';

/** Section 1 of the design. */
const TABLE = [
  { banks: 3, colluders: 1, quorum: 3, threshold: 2, minimum: 3, dropouts: 0 },
  { banks: 4, colluders: 1, quorum: 3, threshold: 3, minimum: 3, dropouts: 1 },
  { banks: 5, colluders: 1, quorum: 4, threshold: 3, minimum: 3, dropouts: 1 },
  { banks: 6, colluders: 2, quorum: 5, threshold: 4, minimum: 4, dropouts: 1 },
  { banks: 10, colluders: 3, quorum: 7, threshold: 7, minimum: 5, dropouts: 3 },
  { banks: 20, colluders: 6, quorum: 14, threshold: 13, minimum: 8, dropouts: 6 },
  { banks: 50, colluders: 16, quorum: 34, threshold: 33, minimum: 18, dropouts: 16 },
  { banks: 100, colluders: 33, quorum: 67, threshold: 67, minimum: 35, dropouts: 33 },
];

const EVERY_SIZE = Array.from({ length: 126 }, (_, i) => ({ banks: i + 3, ...thresholdsFor(i + 3) }));

function upTo(last: number): number[] {
  return Array.from({ length: last + 1 }, (_, i) => i);
}

/** Whether votes can be spread so that two different sets of survivors get a certificate each. */
function canCertifyTwice(banks: number, colluders: number, quorum: number): boolean {
  const honest = banks - colluders; // each votes once; a colluder votes for both
  return upTo(honest).some((first) => first + colluders >= quorum && honest - first + colluders >= quorum);
}

/** The most shares of a slot that can still come together after a quorum of votes to abort it. */
function sharesAfterAbort(banks: number, colluders: number, quorum: number): number {
  const honest = banks - colluders;
  const possible = upTo(colluders).filter((lying) => quorum - lying <= honest);
  // the colluders among the voters reveal all the same; the honest voters never do
  return Math.max(...possible.map((lying) => honest - (quorum - lying) + colluders));
}

describe('the numbers of banks', () => {
  test.each(TABLE)('for N = $banks are those of the design', ({ banks, dropouts, ...expected }) => {
    const thresholds = thresholdsFor(banks);
    expect(thresholds).toEqual(expected);
    const { quorum, threshold, minimum } = thresholds;
    expect(banks - Math.max(quorum, threshold, minimum)).toBe(dropouts);
  });

  test('are defined for 3 to 128 banks', () => {
    expect([SESSION_BANKS_MIN, SESSION_BANKS_MAX]).toEqual([3, 128]);
    expect(EVERY_SIZE.at(-1)!.banks).toBe(128);
  });

  test.each([2, 1, 0, -4, 129, 255, 3.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'are refused for %d banks',
    (banks) => {
      expect(() => thresholdsFor(banks)).toThrow(expect.objectContaining({ code: 'COHORT' }));
    },
  );
});

describe('for every N from 3 to 128', () => {
  test('a third of the banks may collude, and one of three', () => {
    for (const { banks, colluders } of EVERY_SIZE) {
      expect(colluders).toBeGreaterThanOrEqual(1);
      expect(colluders * 3).toBeLessThanOrEqual(banks);
      expect((colluders + 1) * 3).toBeGreaterThan(banks);
    }
  });

  test('no spread of the votes certifies two sets of survivors, and one vote less would allow it', () => {
    for (const { banks, colluders, quorum } of EVERY_SIZE) {
      expect(canCertifyTwice(banks, colluders, quorum), `N = ${banks}`).toBe(false);
      expect(canCertifyTwice(banks, colluders, quorum - 1), `N = ${banks}`).toBe(true);
      expect(2 * quorum).toBeGreaterThan(banks + colluders);
    }
  });

  test('colluders alone hold too few shares to open a seed', () => {
    for (const { colluders, threshold } of EVERY_SIZE) expect(colluders).toBeLessThan(threshold);
  });

  test('colluders alone cannot certify anything', () => {
    for (const { colluders, quorum } of EVERY_SIZE) expect(quorum - colluders).toBeGreaterThanOrEqual(1);
  });

  test('after a quorum of votes to abort too few shares are left to open the slot', () => {
    for (const { banks, colluders, quorum, threshold } of EVERY_SIZE) {
      const left = sharesAfterAbort(banks, colluders, quorum);
      expect(left, `N = ${banks}`).toBeLessThan(threshold);
      expect(left).toBe(banks + colluders - quorum);
    }
  });

  test('the threshold is the smallest with these two properties', () => {
    for (const { banks, colluders, quorum, threshold } of EVERY_SIZE) {
      const oneLess = threshold - 1;
      const opened = colluders >= oneLess || sharesAfterAbort(banks, colluders, quorum) >= oneLess;
      expect(opened, `N = ${banks}`).toBe(true);
    }
  });

  test('a sum has at least three banks, two of them honest', () => {
    for (const { colluders, minimum } of EVERY_SIZE) {
      expect(minimum).toBeGreaterThanOrEqual(3);
      expect(minimum - colluders).toBeGreaterThanOrEqual(2);
      expect(minimum === 3 || minimum - colluders === 2).toBe(true);
    }
  });

  test('the banks that certify can also open, and all banks together can do everything', () => {
    for (const { banks, quorum, threshold, minimum } of EVERY_SIZE) {
      expect(threshold).toBeLessThanOrEqual(quorum);
      expect(quorum).toBeLessThanOrEqual(banks);
      expect(minimum).toBeLessThanOrEqual(banks);
    }
  });

  test('the honest banks alone reach the quorum, except that three, six, nine, … banks lack one', () => {
    const stuck = EVERY_SIZE.filter(({ banks, colluders, quorum }) => banks - colluders < quorum);
    for (const { banks, colluders, quorum } of stuck) expect(quorum - (banks - colluders)).toBe(1);
    expect(stuck.map(({ banks }) => banks)).toEqual(
      EVERY_SIZE.map((s) => s.banks).filter((n) => n % 3 === 0),
    );
  });
});
