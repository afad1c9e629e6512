import { expect, test } from 'vitest';
import { logLine } from '#shared/protocol/log-line.ts';

const line = (more: object): string =>
  `${JSON.stringify({ level: 40, time: '2026-12-01T05:06:07.890Z', ...more })}\n`;

test('people read time, level, what happened and with what; machines the whole', () => {
  const said = line({ run: 'spring', round: 3, err: { type: 'Error', message: 'no route' }, msg: 'cut off' });
  expect(logLine(said, true)).toBe('05:06:07 warn  cut off  no route  run=spring  round=3\n');
  expect(logLine(said, false)).toBe(said);
});

test('a name in a log neither moves the cursor nor turns the line, for whomever it is written', () => {
  const said = line({ name: 'spring\u001b[2A\u009b8m\u202e', msg: 'run proposed' });
  expect(logLine(said, true)).toMatch(/^[ -~]*\n$/);
  expect(logLine(said, false)).toMatch(/^[ -~]*\n$/);
  expect(JSON.parse(logLine(said, false))).toEqual(JSON.parse(said));
});
