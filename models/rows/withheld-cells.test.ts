import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withheldCells } from '#models/rows/withheld-cells.ts';

test('nothing is withheld where every count is large enough or none', () => {
  expect(withheldCells([20, 0, 31], 20)).toEqual([false, false, false]);
});

test('no subset that a reader can work out from the total is small, unless nothing but small ones is there', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 8 }), (counts) => {
      const withheld = withheldCells(counts, 20);
      const unsaid = counts.filter((_, i) => withheld[i]);
      counts.forEach((n, i) => {
        if (!withheld[i]) expect(n === 0 || n >= 20).toBe(true);
      });
      if (unsaid.length === 0) return;
      const everything = unsaid.length === counts.filter((n) => n > 0).length;
      const sum = unsaid.reduce((a, b) => a + b, 0);
      expect(everything || (unsaid.length >= 2 && sum >= 20)).toBe(true);
    }),
  );
});
