import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeBins, type MergeSettings } from '#models/scorecard/merge-bins.ts';
import { weightOfEvidence } from '#models/scorecard/woe.ts';

const loose: MergeSettings = { shape: 'free', groupsMax: 20, minShare: 0, minBads: 1, minRows: 1 };
const ranges = (n: number, special: number[] = []) => ({
  edges: Array.from({ length: n - 1 }, (_, i) => i),
  special,
});
const groupRates = (groups: number[], { bad, good }: { bad: number[]; good: number[] }) => {
  const size = Math.max(...groups) + 1;
  const [b, n] = [Array<number>(size).fill(0), Array<number>(size).fill(0)];
  groups.forEach((g, i) => {
    b[g]! += bad[i]!;
    n[g]! += bad[i]! + good[i]!;
  });
  return { bads: b, rows: n, rates: b.map((x, g) => x / n[g]!) };
};
const falls = (xs: number[]) => xs.every((x, i) => i === 0 || xs[i - 1]! > x);
const rises = (xs: number[]) => falls(xs.toReversed());

const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);

describe('ranges', () => {
  const count = fc.nat({ max: 60 });
  test('merge into neighbours only, monotone, large enough, and no more than asked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 14 }).chain((n) =>
          fc.record({
            n: fc.constant(n),
            bad: fc.array(count, { minLength: n + 1, maxLength: n + 1 }),
            good: fc.array(count, { minLength: n + 1, maxLength: n + 1 }),
          }),
        ),
        fc.constantFrom('increasing' as const, 'decreasing' as const, undefined),
        fc.integer({ min: 1, max: 5 }),
        ({ n, bad, good }, direction, groupsMax) => {
          fc.pre(bad.some((b) => b > 0) && good.some((g) => g > 0));
          const settings: MergeSettings = {
            shape: 'monotone',
            groupsMax,
            minShare: 0.05,
            minBads: 8,
            minRows: 20,
          };
          const groups = mergeBins(ranges(n), { bad, good }, direction, settings);
          const { bads, rows, rates } = groupRates(groups, { bad, good });
          expect(new Set(groups).size).toBe(rates.length);
          if (rates.length === 1) return;
          const ofRanges = groups.slice(0, n);
          expect(ofRanges).toEqual(ofRanges.toSorted((a, b) => a - b)); // neighbours only
          const kept = new Set(ofRanges).size;
          expect(kept).toBeLessThanOrEqual(groupsMax);
          rows.forEach((r, g) => {
            expect(r).toBeGreaterThanOrEqual(20);
            // seen, or to be expected of so many rows
            expect(Math.max(bads[g]!, (r * sum(bad)) / sum([...bad, ...good]))).toBeGreaterThanOrEqual(8);
            expect(Math.max(r - bads[g]!, (r * sum(good)) / sum([...bad, ...good]))).toBeGreaterThanOrEqual(
              8,
            );
          });
          const trend = rates.slice(0, kept);
          expect(
            direction === 'increasing'
              ? rises(trend)
              : direction === 'decreasing'
                ? falls(trend)
                : rises(trend) || falls(trend),
          ).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  // bad rates 10, 30, 50, 20 %, missing 25 %
  const hump = { bad: [10, 30, 50, 20, 25], good: [90, 70, 50, 80, 75] };
  test('obey the direction agreed on, and without one keep what tells most', () => {
    const shaped = { ...loose, shape: 'monotone' } as const;
    expect(mergeBins(ranges(4), hump, 'increasing', shaped)).toEqual([0, 1, 2, 2, 3]);
    expect(mergeBins(ranges(4), hump, 'decreasing', shaped)).toEqual([0, 0, 0, 1, 2]);
    expect(mergeBins(ranges(4), hump, undefined, shaped)).toEqual([0, 1, 2, 2, 3]);
    const mirrored = { bad: [20, 50, 30, 10, 25], good: [80, 50, 70, 90, 75] };
    expect(mergeBins(ranges(4), mirrored, undefined, shaped)).toEqual([0, 0, 1, 2, 3]);
  });

  test('keep their shape when it is free and no direction was agreed on', () => {
    expect(mergeBins(ranges(4), hump, undefined, loose)).toEqual([0, 1, 2, 3, 4]);
    expect(mergeBins(ranges(4), hump, 'decreasing', loose)).toEqual([0, 0, 0, 1, 2]);
  });

  test('above the limit, the pair is joined that loses least information value', () => {
    const groups = mergeBins(ranges(4), hump, undefined, { ...loose, groupsMax: 3 });
    const ivWithout = (pair: number) => {
      const join = (xs: number[]) => {
        const out = [...xs];
        out.splice(pair, 2, xs[pair]! + xs[pair + 1]!);
        return out;
      };
      return weightOfEvidence(join(hump.bad), join(hump.good)).iv;
    };
    const best = [0, 1, 2].reduce((a, b) => (ivWithout(b) > ivWithout(a) ? b : a));
    expect(groups.slice(0, 4)).toEqual([0, 1, 2, 3].map((i) => (i > best ? i - 1 : i)));
  });

  test('too small ones join the neighbour with the nearer bad rate; empty ones go along', () => {
    const counts = { bad: [20, 2, 40, 0, 10], good: [80, 3, 60, 0, 40] };
    expect(mergeBins(ranges(4), counts, undefined, { ...loose, minBads: 5 })).toEqual([0, 1, 1, 1, 2]);
  });
});

describe('special values and missing', () => {
  // ranges 10 % and 30 %, special 60 %, missing 12 %
  const counts = { bad: [10, 30, 60, 12], good: [90, 70, 40, 88] };

  test('are groups of their own, even where they fit the neighbours', () => {
    expect(mergeBins(ranges(2, [-1]), counts, undefined, loose)).toEqual([0, 1, 2, 3]);
  });

  test('join the group of the nearest weight when they are small', () => {
    const small = { bad: [10, 30, 6, 1], good: [90, 70, 4, 9] };
    expect(mergeBins(ranges(2, [-1]), small, undefined, { ...loose, minBads: 7 })).toEqual([0, 1, 1, 0]);
  });

  test('what nobody has seen joins the group nearest to the population', () => {
    const unseen = { bad: [10, 30, 0, 0], good: [90, 70, 0, 0] };
    // the population's rate is 20 %: weights −0.81 and 0.54
    expect(mergeBins(ranges(2, [-1]), unseen, undefined, loose)).toEqual([0, 1, 1, 1]);
  });

  test('stay groups where the ordinary values are too few even together, which join the nearest', () => {
    // ordinary 15 rows of 20 %, special 2000 of 5 %, missing 3000 of 15 %
    const few = { bad: [1, 2, 100, 450], good: [4, 8, 1900, 2550] };
    const settings = { ...loose, minBads: 10, minRows: 20 };
    expect(mergeBins(ranges(2, [-1]), few, 'increasing', settings)).toEqual([1, 1, 0, 1]);
  });

  test('without any ordinary value there are still groups', () => {
    const only = { bad: [0, 0, 30, 10], good: [0, 0, 30, 50] };
    // weights 0.69 and −0.92: a number, which nobody has had, is nearer to the special value
    expect(mergeBins(ranges(2, [-1]), only, undefined, loose)).toEqual([0, 0, 0, 1]);
  });
});

describe('categories', () => {
  test('are grouped by bad rate, whatever their order in the contract', () => {
    // 30, 10, 28, 11 %, other 60 %, missing 20 %
    const counts = { bad: [30, 10, 28, 11, 60, 20], good: [70, 90, 72, 89, 40, 80] };
    const groups = mergeBins({ categories: 4 }, counts, undefined, { ...loose, groupsMax: 3 });
    expect(groups).toEqual([1, 0, 1, 0, 2, 3]);
  });

  test('that nobody has join the group nearest to the population', () => {
    const counts = { bad: [30, 0, 10, 0, 0], good: [70, 0, 90, 0, 0] };
    expect(mergeBins({ categories: 3 }, counts, undefined, loose)).toEqual([1, 1, 0, 1, 1]);
  });
});

test('a feature with no two large enough groups has one', () => {
  const counts = { bad: [5, 3, 0], good: [60, 60, 0] };
  expect(mergeBins(ranges(2), counts, undefined, { ...loose, minBads: 6 })).toEqual([0, 0, 0]);
  expect(mergeBins(ranges(2), counts, undefined, { ...loose, minBads: 9 })).toEqual([0, 0, 0]);
});
