import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberNotation, notationReader, type NumberNotation } from '#shared/contract/number-notation.ts';

const read = (notation: NumberNotation, text: string) => notationReader(numberNotation.parse(notation))(text);

describe('numbers in a notation', () => {
  it.each<[NumberNotation, Record<string, number>]>([
    [
      { decimal: ',' },
      { '2242,34': 2242.34, '-0,5': -0.5, ',5': 0.5, '7': 7, '+3,': 3, '1.5': NaN, '1,5,0': NaN },
    ],
    [
      { thousands: ',' },
      { '2,242.34': 2242.34, '1,234,567': 1234567, '971.88': 971.88, '12,34': NaN, '1234,567': NaN },
    ],
    [
      { decimal: ',', thousands: '.' },
      { '1.234,5': 1234.5, '1.234': 1234, '12': 12, '1.23': NaN },
    ],
    [
      { thousands: ' ', decimal: ',' },
      { '1 234,5': 1234.5, '1\u00a0234\u202f567': 1234567, '12 34': NaN },
    ],
    [{ thousands: "'" }, { "1'234.50": 1234.5, '1’234': 1234 }],
    [{ affix: '%' }, { '0.7%': 0.7, '-12 %': -12, '%5': 5, '5': NaN, '%': NaN }],
    [
      { affix: '$', thousands: ',' },
      { '$1,200': 1200, '-$5': -5, '$-5': -5, '1,200 $': 1200, '5': 5, '€5': NaN, '-$-5': NaN },
    ],
    [{ affix: '万元' }, { '3.5万元': 3.5, '3.5 万元': 3.5 }],
    [
      { negative: 'parentheses' },
      { '(123)': -123, '( 1.5 )': -1.5, '-2': -2, '3': 3, '(-1)': NaN, '(1': NaN, '1)': NaN },
    ],
    [
      { negative: 'parentheses', affix: '€' },
      { '(€12)': -12, '€(12)': -12, '(12 €)': -12, '(12) €': -12 },
    ],
    [{ negative: 'trailing-minus' }, { '12-': -12, '-12': -12, '-12-': NaN, '12': 12 }],
    [{ negative: 'minus-sign' }, { '\u221212': -12, '-12': -12 }],
  ])('%j', (notation, cells) => {
    for (const [text, value] of Object.entries(cells)) expect(read(notation, text), text).toBe(value);
  });

  it('come back from every way of writing them', () => {
    const notation = fc.record(
      {
        decimal: fc.constant(',' as const),
        thousands: fc.constantFrom(' ' as const, "'" as const),
        affix: fc.constantFrom('€', '%', 'CHF', '元'),
        negative: fc.constantFrom('parentheses' as const, 'trailing-minus' as const, 'minus-sign' as const),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), notation, (hundredths, n) => {
        const [whole, decimals] = (Math.abs(hundredths) / 100).toFixed(2).split('.') as [string, string];
        const grouped = n.thousands === undefined ? whole : whole.replaceAll(/\B(?=(\d{3})+$)/g, n.thousands);
        const size = `${grouped}${n.decimal ?? '.'}${decimals}${n.affix ?? ''}`;
        const signs = {
          parentheses: `(${size})`,
          'trailing-minus': `${size}-`,
          'minus-sign': `\u2212${size}`,
        };
        const text = hundredths >= 0 ? size : n.negative === undefined ? `-${size}` : signs[n.negative];
        expect(read(n, text), text).toBe(Number(`${hundredths < 0 ? '-' : ''}${whole}.${decimals}`) || 0);
      }),
    );
  });

  it('do not take one separator for both', () => {
    expect(numberNotation.safeParse({ thousands: '.' }).success).toBe(false);
    expect(numberNotation.safeParse({ thousands: ',', decimal: ',' }).success).toBe(false);
  });
});
