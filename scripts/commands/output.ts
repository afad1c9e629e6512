/**
 * What every command keeps to: data on stdout, progress and errors on stderr, `--json` for machines, and
 * the same exit codes everywhere.
 */
import { styleText } from 'node:util';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';

export const EXIT = {
  ok: 0,
  /** It was done, and the answer is no: a failed run, a ledger that does not verify, data that do not pass. */
  failed: 1,
  /** It could not be done or not completely: wrong usage, something missing or not reachable. */
  incomplete: 2,
  interrupted: 130,
} as const;

/** The answer is no: nothing went wrong with the command, which ends with exit code 1. */
export class NegativeOutcome extends FederationError {}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Progress, on stderr. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

type Style = Parameters<typeof styleText>[0];

/** Colour where it is seen by a person; NO_COLOR is respected. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return stream.isTTY && process.env['NO_COLOR'] === undefined ? styleText(style, text) : text;
}

const WHAT_NEXT: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: 'Give --token, set TALLYSTICK_TOKEN, or name the coordinator folder with --data.',
  INVITATION: 'The operator makes a new one with "tallystick bank invite ID".',
  USAGE: 'Options of a command: tallystick COMMAND --help',
};

/** What the system refuses that the user can put right, and what to do about it. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ['USAGE', 'does not exist; check the path'],
  EEXIST: ['USAGE', 'exists already, and nothing is overwritten; choose another name'],
  EACCES: ['USAGE', 'may not be read or written by this user; check its owner and mode'],
  EPERM: ['USAGE', 'may not be read or written by this user; check its owner and mode'],
  EISDIR: ['USAGE', 'is a folder, where a file was expected'],
  ENOTDIR: ['USAGE', 'leads through a file, where a folder was expected'],
  EROFS: ['STORAGE', 'is on a file system that is read-only'],
  ENOSPC: ['STORAGE', 'cannot be written: the disk is full; make room and try again'],
  EDQUOT: ['STORAGE', 'cannot be written: the quota is used up; make room and try again'],
};

/** Of anything thrown: its code, and a sentence. */
function explain(error: unknown): { code: ErrorCode; message: string } {
  const message = describeError(error);
  if (error instanceof FederationError) return { code: error.code, message };
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  const known = syscall === undefined || code === undefined ? undefined : SYSTEM_ERRORS[code];
  if (known === undefined) return { code: 'INTERNAL', message };
  return { code: known[0], message: `${path ?? 'a file'} ${known[1]}` };
}

/** Prints an error as people and machines need it. @returns the exit code */
export function reportError(error: unknown, json: boolean): number {
  const { code, message } = explain(error);
  const next = WHAT_NEXT[code];
  if (json) printJson({ error: { code, message, ...(next === undefined ? {} : { next }) } });
  say(
    `${paint('red', 'error', process.stderr)} ${code}: ${message}${next === undefined ? '' : `\n  ${next}`}`,
  );
  if (code === 'INTERNAL' && error instanceof Error && process.env['TALLYSTICK_DEBUG'] !== undefined)
    say(error.stack ?? '');
  return error instanceof NegativeOutcome ? EXIT.failed : EXIT.incomplete;
}

/** For machines, what the parser of the command line has told people. */
export function printUsageError(said: string): void {
  const message = said.replace(/^error: /, '');
  printJson({ error: { code: 'USAGE', message, next: WHAT_NEXT.USAGE } });
}

/** Columns aligned by display width; `right` lists the columns of numbers. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const widths = header.map((title, j) => Math.max(width(title), ...rows.map((row) => width(row[j] ?? ''))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, j) => {
        const gap = ' '.repeat(widths[j]! - width(cell));
        return right.includes(j) ? gap + cell : cell + gap;
      })
      .join('  ')
      .trimEnd();
  return [line(header), line(widths.map((w) => '─'.repeat(w))), ...rows.map(line)].join('\n');
}

/** Terminal columns: East Asian wide characters take two. */
function width(text: string): number {
  let columns = 0;
  for (const character of text)
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/.test(
        character,
      )
        ? 2
        : 1;
  return columns;
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(1)} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
}
