import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberRange } from '#participant-agent/data/number-range.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const generator = new SeededGenerator('number range');
const u = () => generator.nextUnit();
const many = (value: () => number, rows = 2000): number[] => Array.from({ length: rows }, value);
const shares = many(() => Math.round(1e4 * u() * u()) / 1e4);
const counts = many(() => Math.floor(12 * u()));
const amounts = many(() => Math.round(Math.exp(8 + 0.8 * (u() + u() + u() + u() - 2))));
const ages = many(() => 18 + Math.floor(60 * u()));

function range(values: readonly number[], codes: Readonly<Record<string, number>> = {}) {
  const coded = Object.entries(codes).flatMap(([code, rows]) => many(() => Number(code), rows));
  const found = numberRange(Float64Array.from([...values, ...coded]).sort());
  return { ...found, special: found.special.map(({ value }) => value) };
}
const ends = (values: readonly number[]): [number, number] => [Math.min(...values), Math.max(...values)];

describe('codes among the numbers of a column', () => {
  it.each([-999, -1, 99, 9999, 99_999_999, 999_999_999, 1e12, -9999.99])(
    '%d in eight of a hundred rows is proposed, and does not stretch the range',
    (code) => {
      const { special, min, max } = range(shares, { [code]: 170 });
      expect(special).toEqual([code]);
      expect([min, max]).toEqual(ends(shares));
    },
  );

  it('of several kinds are all found', () => {
    expect(range(counts, { '-9999': 100, '-1': 100, '99': 200 })).toMatchObject({
      special: [-9999, -1, 99],
      min: 0,
      max: 11,
    });
    expect(range(counts, { '96': 5, '98': 250 }).special).toEqual([96, 98]);
    expect(range(ages, { '-9': 300, '-8': 40, '-7': 10 }).special).toEqual([-9, -8, -7]);
    expect(range(ages, { '999': 4000 }).special).toEqual([999]);
  });

  it('are not seen in ordinary columns', () => {
    const changes = many(() => Math.floor(9 * u()) - 4);
    const zeros = many(() => (u() < 0.7 ? 0 : 1 + Math.floor(-3 * Math.log(u()))));
    const losses = many(() => Math.floor(40 * u()) - 3);
    const years = [
      ...many(() => 1972 + Math.floor(10 * u()), 300),
      ...many(() => 1997 + Math.floor(10 * u())),
    ];
    const twoKinds = many(() => (u() < 0.5 ? 1000 + 100 * u() : 5000 + 100 * u()));
    for (const values of [shares, counts, amounts, ages, changes, losses, zeros, years, twoKinds]) {
      const { special, cut, min, max } = range(values);
      expect(special).toEqual([]);
      expect([cut, min, max]).toEqual([0, ...ends(values)]);
    }
  });
});

describe('the range', () => {
  it('is not stretched by single cells far outside', () => {
    for (const extreme of [1e7, 999_999_999, 1e12, -1e12]) {
      for (const values of [shares, amounts, ages, shares.slice(0, 60)]) {
        const { special, min, max, cut } = range([...values, extreme]);
        expect(special).toEqual([]);
        expect([min, max]).toEqual(ends(values));
        expect(cut).toBe(1);
      }
    }
  });

  it('holds at least 98 % of the values that are no codes, and never more than there is', () => {
    const value = fc.oneof(
      fc.integer({ min: -100, max: 100 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (values) => {
        const { min, max, values: cutValues, cut } = numberRange(Float64Array.from(values).sort());
        const [lowest, highest] = ends(values);
        expect(min >= lowest && max <= highest && min <= max).toBe(true);
        expect(cut).toBeLessThanOrEqual(Math.max(2, 0.02 * values.length));
        expect([...cutValues].every((x) => x >= min && x <= max)).toBe(true);
      }),
    );
  });
});
