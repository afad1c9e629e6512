/**
 * How the numbers of a column are written, from its texts: only what can mean one thing is recognised. A comma before
 * three digits may stand before decimals or between thousands: other cells must say which, or it stays unclear.
 */
import type { ColumnCells } from '#participant-agent/data/column-cells.ts';
import { notationReader, numberNotation, type NumberNotation } from '#shared/contract/number-notation.ts';

/** Share of the filled cells that must be numbers in the notation. */
const SHARE_MIN = 0.99;
/** So many whole-looking cells without a comma say that commas stand between thousands. */
const WITNESSES_MIN = 3;

const CURRENCY =
  '(?:US\\$|HK\\$|R\\$|[$€£¥￥₩₹₽₺]|USD|EUR|GBP|CNY|RMB|CHF|JPY|HKD|PLN|SEK|INR|Fr\\.|kr\\.?|Rs\\.?|zł|Euro|TEUR|T€|人民币)';
const UNIT =
  '(?:[%％‰]|Mio\\.?(?: ?(?:€|EUR))?|Tsd\\.?|万元|亿元|元|万|亿|个月|月|年|岁|天|日|期|个|家|人|笔|days?|months?|mths?|mos?|years?|yrs?|weeks?|hours?|Tage?|Monate?|Jahre?|Stk\\.?|pp|bps?|pcs|km|kg|sqm|m²|qm|[kKmM]|bn|mn)';
/** A letter in front of digits makes a name of them; a currency does not. */
const BEHIND = `${CURRENCY}|${UNIT}`;
const SPACES = ' \u00a0\u2009\u202f';
const SIGN = '[+\\-\u2212]';
const LOOSE = new RegExp(
  `^(${CURRENCY})?\\s*(\\()?\\s*(${SIGN})?\\s*(${CURRENCY})?\\s*(${SIGN})?(\\d[\\d.,'\u2019${SPACES}]*|[.,]\\d+)(${BEHIND})?\\s*(\\))?\\s*(${BEHIND})?(-)?$`,
  'i',
);

export type Recognition =
  | { readonly kind: 'none' }
  | { readonly kind: 'notation'; readonly notation: NumberNotation }
  /** Numbers that may mean two things; a clause. */
  | { readonly kind: 'unclear'; readonly why: string };

/** @param cells with missing markers taken out */
export function recogniseNotation(cells: ColumnCells): Recognition {
  const filled = cells.numberRows + cells.textRows;
  if (cells.numberRows >= SHARE_MIN * filled) return { kind: 'none' };
  const seen = new Seen();
  let loose = 0;
  for (const [text, [good, bad]] of cells.texts) if (seen.take(text, good + bad)) loose += good + bad;
  if (loose + cells.numberRows < SHARE_MIN * filled) return { kind: 'none' };
  const found = seen.notation(cells);
  if (typeof found === 'string') return { kind: 'unclear', why: found };
  const parsed = numberNotation.safeParse(found);
  if (!parsed.success) return { kind: 'none' };
  const numberOf = notationReader(parsed.data);
  let read = 0;
  for (const [text, [good, bad]] of cells.texts) if (!Number.isNaN(numberOf(text))) read += good + bad;
  return read + cells.numberRows >= SHARE_MIN * filled
    ? { kind: 'notation', notation: parsed.data }
    : { kind: 'none' };
}

/** What the texts have in common. */
class Seen {
  private readonly affixes = new Map<string, number>();
  private readonly negatives = new Set<NonNullable<NumberNotation['negative']>>();
  private thousands: ',' | '.' | undefined;
  private blanks = false;
  private apostrophes = false;
  private decimalComma = false;
  private decimalPoint = false;
  /** Rows with one comma and three digits behind it. */
  private eitherComma = 0;
  private isContradictory = false;

  /** @returns whether the text may be a number */
  take(text: string, rows: number): boolean {
    const parts = LOOSE.exec(text);
    if (parts === null) return false;
    const [, a, open, sign1, b, sign2, digits, c, close, d, trailing] = parts;
    for (const affix of [a, b, c, d])
      if (affix !== undefined) this.affixes.set(affix, (this.affixes.get(affix) ?? 0) + rows);
    if (open !== undefined && close !== undefined) this.negatives.add('parentheses');
    if (trailing !== undefined) this.negatives.add('trailing-minus');
    if (sign1 === '\u2212' || sign2 === '\u2212') this.negatives.add('minus-sign');
    this.takeDigits(digits!.trim(), rows);
    return true;
  }

  private takeDigits(written: string, rows: number): void {
    if (/[ \u00a0\u2009\u202f]/.test(written)) this.blanks = true;
    if (/['\u2019]/.test(written)) this.apostrophes = true;
    const digits = written.replaceAll(/[ \u00a0\u2009\u202f'\u2019]/g, '');
    const commas = digits.split(',').length - 1;
    const points = digits.split('.').length - 1;
    if (commas > 0 && points > 0) {
      const isDecimalComma = digits.lastIndexOf(',') > digits.lastIndexOf('.');
      if (isDecimalComma) this.decimalComma = true;
      else this.decimalPoint = true;
      this.setThousands(isDecimalComma ? '.' : ',');
    } else if (commas > 1) this.setThousands(',');
    else if (points > 1) this.setThousands('.');
    else if (points === 1) this.decimalPoint = true;
    else if (commas === 1) {
      if (/^[1-9]\d{0,2},\d{3}$/.test(digits) && digits === written) this.eitherComma += rows;
      else this.decimalComma = true;
    }
  }

  private setThousands(separator: ',' | '.'): void {
    if (this.thousands !== undefined && this.thousands !== separator) this.isContradictory = true;
    this.thousands = separator;
  }

  /** The notation, or why it is not clear. */
  notation(cells: ColumnCells): NumberNotation | string {
    let { thousands } = this;
    if (this.isContradictory || (this.decimalComma && (thousands === ',' || this.decimalPoint)))
      return 'some of its numbers have decimal commas and others decimal points; write all of them with a point';
    if (this.decimalPoint && thousands === '.')
      return 'its numbers have points both as decimals and between thousands';
    if (this.eitherComma > 0 && !this.decimalComma && thousands === undefined) {
      const isThousands = cells.dotted > 0 || this.decimalPoint || isBelowThousand(cells);
      if (!isThousands)
        return 'its numbers have a comma before three digits, which may be a decimal comma or stand between thousands; write them with a decimal point and nothing between thousands';
      thousands = ',';
    }
    const isDecimalComma = this.decimalComma || thousands === '.';
    if (isDecimalComma && cells.dotted > 0) {
      if (cells.dotted > cells.grouped)
        return 'some of its numbers have decimal commas and others decimal points; write all of them with a point';
      thousands = '.';
    }
    if (this.affixes.size > 1)
      return `its numbers have several units (${[...this.affixes.keys()].slice(0, 4).join(', ')}); write all of them in one`;
    const [affix] = this.affixes.keys();
    const isPercent = affix === '%' || affix === '％' || affix === '‰';
    const filled = cells.numberRows + cells.textRows;
    if (affix !== undefined && isPercent && this.affixes.get(affix)! < SHARE_MIN * filled)
      return 'some of its numbers are per cents and others are not; write all of them one way';
    if (this.negatives.size > 1)
      return 'its negative numbers are written in several ways; write a minus in front';
    const [negative] = this.negatives;
    const grouping = this.blanks ? ' ' : this.apostrophes ? "'" : thousands;
    return {
      ...(isDecimalComma ? { decimal: ',' as const } : {}),
      ...(grouping === undefined ? {} : { thousands: grouping }),
      ...(affix === undefined ? {} : { affix }),
      ...(negative === undefined ? {} : { negative }),
    };
  }
}

/** Whether numbers without a comma are there, and all are too small to need one between thousands. */
function isBelowThousand(cells: ColumnCells): boolean {
  const sorted = cells.sortedNumbers();
  return sorted.length >= WITNESSES_MIN && sorted[0]! > -1000 && sorted.at(-1)! < 1000;
}
