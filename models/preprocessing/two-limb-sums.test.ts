import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readTwoLimbs, twoLimbFields, TwoLimbSums } from '#models/preprocessing/two-limb-sums.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { assertNoOverflow, vectorLength } from '#shared/ring/field.ts';
import { addInto, createWords, RingSum } from '#shared/ring/ring-sum.ts';

const fields = twoLimbFields('x', 2);

function summed(banks: readonly (readonly number[])[]): Float64Array {
  const sum = createWords('u64', vectorLength(fields));
  for (const values of banks) {
    const sums = new TwoLimbSums(2);
    for (const value of values) sums.add(1, value);
    addInto(sum, encodeFields(sums.answer('x'), fields, 'u64', 's'));
  }
  return readTwoLimbs(new RingSum(sum, fields, banks.length), 'x');
}

test('a sum is right to 2^-45 a value and does not depend on how the values are spread', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 60 }),
      (values) => {
        const [untouched, total] = summed([values]);
        expect(untouched).toBe(0);
        expect(Math.abs(total! - values.reduce((a, b) => a + b, 0))).toBeLessThanOrEqual(
          values.length * 2 ** -45 + 1e-13,
        );
        const odd = values.filter((_, i) => i % 2 === 1);
        const even = values.filter((_, i) => i % 2 === 0);
        expect(summed([odd.toReversed(), even])[1]).toBe(total);
      },
    ),
  );
});

test('multiples of 2^-44 are exact, values beyond ±8 are limited, and 128 full banks fit', () => {
  expect(summed([[2 ** -44, 5, -5, 2 ** -44], [-(2 ** -43)]])[1]).toBe(0);
  expect(summed([[100], [-9, 3]])[1]).toBe(3);
  expect(() => assertNoOverflow(fields, 'u64', 128)).not.toThrow();
});
