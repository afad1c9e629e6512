/**
 * Numbers as people and spreadsheets write them. A contract says of a column how its numbers are written where that
 * is not the plain way (digits, a decimal point, a minus in front); nothing is guessed when cells are read.
 */
import { z } from 'zod';

export const numberNotation = z
  .strictObject({
    /** A comma in front of the decimals. */
    decimal: z.literal(',').optional(),
    /** Between groups of three digits; `' '` is any kind of space, `"'"` any apostrophe. May be left out in a cell. */
    thousands: z.enum([',', '.', ' ', "'"]).optional(),
    /** Before or after the number: a currency, `%`, a unit. The number is taken as it stands: 7 % is 7. */
    affix: z.string().min(1).max(20).optional(),
    /** How negative numbers are written besides a minus in front: (12), 12-, or with the typographic minus. */
    negative: z.enum(['parentheses', 'trailing-minus', 'minus-sign']).optional(),
  })
  .refine((n) => n.thousands !== (n.decimal ?? '.'), {
    message: 'thousands and decimals cannot have the same separator',
  });
export type NumberNotation = z.infer<typeof numberNotation>;

const SEPARATORS = { ',': ',', '.': '\\.', ' ': '[ \u00a0\u2009\u202f]', "'": "['\u2019]" } as const;

/** @returns a function from trimmed text to the number, NaN where it is none in this notation */
export function notationReader(notation: NumberNotation): (text: string) => number {
  const { affix, negative } = notation;
  const point = notation.decimal === undefined ? '\\.' : ',';
  const groups = notation.thousands && `\\d{1,3}(?:${SEPARATORS[notation.thousands]}\\d{3})+|`;
  const digits = `((?:${groups ?? ''}\\d+)(?:${point}\\d*)?|${point}\\d+)`;
  const unit = affix === undefined ? '' : `(?:${affix.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')})?\\s*`;
  const minus = negative === 'minus-sign' ? '[+\\-\u2212]?' : '[+-]?';
  const signed = new RegExp(
    `^(${minus})\\s*${unit}(${minus})${digits}\\s*${unit}(${negative === 'trailing-minus' ? '-?' : ''})$`,
  );
  const enclosed = new RegExp(`^${unit}\\(\\s*${unit}()()${digits}\\s*${unit}\\)\\s*${unit}()$`);
  // a plain number beside per cents may be a share of one
  const isNeeded = affix !== undefined && '%％‰'.includes(affix);
  const strip = notation.thousands && new RegExp(SEPARATORS[notation.thousands], 'g');
  return (text) => {
    if (isNeeded && !text.includes(affix)) return Number.NaN;
    const inParentheses = negative === 'parentheses' && text.includes('(');
    const parts = (inParentheses ? enclosed : signed).exec(text);
    if (parts === null) return Number.NaN;
    const [, before, after, body, behind] = parts as unknown as [string, string, string, string, string];
    const signs = [before, after, behind].filter((sign) => sign !== '');
    if (signs.length > 1) return Number.NaN;
    const plain = (strip === undefined ? body : body.replaceAll(strip, '')).replace(',', '.');
    const value = Number(plain);
    return inParentheses || (signs.length === 1 && signs[0] !== '+') ? -value : value;
  };
}

/** In words: `decimal commas and thousands points`. */
export function notationName({ decimal, thousands, affix, negative }: NumberNotation): string {
  const groups = { ',': 'commas', '.': 'points', ' ': 'blanks', "'": 'apostrophes' } as const;
  const parts = [
    ...(decimal === undefined ? [] : ['decimal commas']),
    ...(thousands === undefined ? [] : [`${groups[thousands]} between thousands`]),
    ...(affix === undefined ? [] : [`"${affix}" beside the number`]),
    ...(negative === undefined
      ? []
      : [
          {
            parentheses: 'negative numbers in parentheses',
            'trailing-minus': 'the minus behind the number',
            'minus-sign': 'a typographic minus',
          }[negative],
        ]),
  ];
  return parts.join(', ');
}
