import { describe, expect, test } from 'vitest';
import { canonicalValue, levelCodes, numberOfText, trimBlanks } from '#shared/contract/cell-text.ts';

test('blanks of all kinds are trimmed at both ends, and only there', () => {
  expect(trimBlanks('\u00a0 a\tb \r\n\u3000')).toBe('a\tb');
  expect(trimBlanks(' \t ')).toBe('');
  expect(trimBlanks('as it is')).toBe('as it is');
});

test('whole numbers written as decimals are the whole number; codes stay codes', () => {
  expect(['2.0', '-3.000', ' 2.0 ', '2.5', '02', '2.', '1.0.0'].map(canonicalValue)).toEqual([
    '2',
    '-3',
    '2',
    '2.5',
    '02',
    '2.',
    '1.0.0',
  ]);
});

test.each([
  ['12', 12],
  [' -1.5e3 ', -1500],
  ['+.5', 0.5],
  ['6.', 6],
  ['', Number.NaN],
  ['.', Number.NaN],
  ['e3', Number.NaN],
  ['0x1f', Number.NaN],
  ['1_000', Number.NaN],
  ['1 000', Number.NaN],
  ['1,5', Number.NaN],
  ['Infinity', Number.NaN],
  ['1e999', Number.NaN],
  ['12 %', Number.NaN],
])('the number in %j is %d', (text, value) => {
  expect(numberOfText(text)).toBe(value);
});

describe('levelCodes', () => {
  test('finds a level under its own text and its canonical one, unless that is another level', () => {
    const codes = levelCodes(['a', '2.0', '3', '3.0', ' b ']);
    expect([...codes]).toEqual([
      ['a', 1],
      ['2.0', 2],
      ['3', 3],
      ['3.0', 4],
      ['b', 5],
      ['2', 2],
    ]);
  });
});
