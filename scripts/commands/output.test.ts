import { afterEach, describe, expect, test, vi } from 'vitest';
import { paint, painted, print, printJson, table } from '#scripts/commands/output.ts';
import { breakLines, clip } from '#scripts/commands/text-width.ts';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const how of undo.splice(0)) how();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** As on a terminal of so many columns, with colours. */
function onTerminal(columns: number): string[] {
  vi.stubEnv('NO_COLOR', undefined);
  vi.stubEnv('FORCE_COLOR', '1');
  const out = process.stdout;
  const was = { isTTY: Object.getOwnPropertyDescriptor(out, 'isTTY'), columns: out.columns };
  Object.defineProperty(out, 'isTTY', { value: true, configurable: true });
  out.columns = columns;
  undo.push(() => {
    if (was.isTTY === undefined) delete (out as { isTTY?: boolean }).isTTY;
    else Object.defineProperty(out, 'isTTY', was.isTTY);
    out.columns = was.columns;
  });
  const written: string[] = [];
  vi.spyOn(out, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  return written;
}

// eslint-disable-next-line no-control-regex
const plain = (text: string): string => text.replace(/\u001b\[\d+m/g, '');

describe('a table', () => {
  test('has the same columns with colours as without', () => {
    const rows = [
      ['b1', painted('green', 'yes'), '0.5'],
      ['b22', 'no', '12.25'],
    ];
    const without = table(['bank', 'connected', 'figure'], rows, [2]);
    onTerminal(80);
    const withColours = table(['bank', 'connected', 'figure'], rows, [2]);
    expect(withColours).toContain('\u001b[32myes\u001b[39m');
    expect(plain(withColours)).toBe(without);
  });

  test('counts wide characters twice and accents not at all', () => {
    const text = table(
      ['名称', 'n'],
      [
        ['银行一', '1'],
        ['e\u0301te\u0301', '2'],
        ['🏦', '3'],
        ['abc', '4'],
      ],
      [1],
    );
    expect(text.split('\n')).toEqual([
      '名称    n',
      '──────  ─',
      '银行一  1',
      'e\u0301te\u0301     2',
      '🏦      3',
      'abc     4',
    ]);
  });

  test('breaks its widest columns of text where a terminal ends, and keeps numbers whole', () => {
    onTerminal(40);
    const text = table(
      ['feature', 'points'],
      [
        ['a long name of a feature that has many words', '-123'],
        ['b', '5'],
      ],
      [1],
    );
    expect(text.split('\n')).toEqual([
      'feature                           points',
      '────────────────────────────────  ──────',
      'a long name of a feature that       -123',
      'has many words',
      'b                                      5',
    ]);
  });

  test('shows foreign cells on one line, whatever is in them', () => {
    const name = 'spring\u001b[2A\r✓ verified\n\u202e';
    const lines = table(['run', 'name'], [['9dbf', name]]).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]).toBe('9dbf  spring\\u{1b}[2A\\u{d}✓ verified\\u{a}\\u{202e}');
  });
});

test('what is printed has no control characters but our colours and line ends', () => {
  const written = onTerminal(80);
  print(`${paint('red', 'error')} of "\u001b[8m\u009b2J\u202e"\nnext`);
  printJson({ name: '\u009b8m\u202e' });
  expect(written).toEqual([
    '\u001b[31merror\u001b[39m of "\\u{1b}[8m\\u{9b}2J\\u{202e}"\nnext\n',
    '{"name":"\\u009b8m\\u202e"}\n',
  ]);
});

test('lines are cut and broken by what is seen of them', () => {
  expect(clip('\u001b[32m银行一\u001b[39m x', 5)).toBe('\u001b[32m银行\u001b[39m');
  expect(breakLines('one two three', 7)).toEqual(['one two', 'three']);
  expect(breakLines('银行银行银行', 5)).toEqual(['银行', '银行', '银行']);
  expect(breakLines('', 5)).toEqual(['']);
});
