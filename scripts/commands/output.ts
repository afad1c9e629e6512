/**
 * What every command keeps to: data on stdout, progress and errors on stderr, `--json` for machines, and
 * the same exit codes everywhere.
 */
import { styleText } from 'node:util';
import { breakLines, textWidth } from '#scripts/commands/text-width.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { inert, inertJson } from '#shared/protocol/foreign-text.ts';

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

/** Aborts when nobody reads what is written any more, as after `| head`. */
const unreadController = new AbortController();
export const unread = unreadController.signal;

/**
 * A reader who has seen enough is no error. What is written from then on is lost; commands that go on for long stop
 * at `unread`, the others end with the exit code that they would have had.
 */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      unreadController.abort();
    });
}

export function print(text: string): void {
  process.stdout.write(`${harmless(text, process.stdout)}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${inertJson(JSON.stringify(value))}\n`);
}

/** Progress, on stderr. */
export function say(text: string): void {
  process.stderr.write(`${harmless(text, process.stderr)}\n`);
}

/**
 * The last lock before a terminal: whatever was forgotten to be made inert, only line ends and our own colours get
 * through, and these only where they are seen. Foreign text is made inert where it is put in, or it could still begin
 * a line.
 */
function harmless(text: string, stream: NodeJS.WriteStream): string {
  // eslint-disable-next-line no-control-regex
  const ours = hasColours(stream) ? /(\u001b\[(?:[0-2]|22|3[0-9])m|\n)/u : /(\n)/u;
  return text
    .split(ours)
    .map((part, i) => (i % 2 === 0 ? inert(part) : part))
    .join('');
}

function hasColours(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env['NO_COLOR'] === undefined;
}

type Style = Extract<Parameters<typeof styleText>[0], string>;

/** Colour where it is seen by a person; NO_COLOR is respected. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return hasColours(stream) ? styleText(style, text) : text;
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

/** What stands in a table: foreign or not, it is made inert. */
export type Cell = string | { readonly style: Style; readonly text: string };

export function painted(style: Style, text: string): Cell {
  return { style, text };
}

/** No column of text is made narrower than this to fit a terminal. */
const NARROWEST = 12;
const GAP = 2;

/**
 * Columns aligned by display width; on a terminal that is too narrow the widest columns of text are broken into lines.
 * @param right the columns of numbers
 * @param columns of the terminal; a pipe has no end
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  right: readonly number[] = [],
  columns: number = process.stdout.isTTY ? process.stdout.columns || 80 : Infinity,
): string {
  const cells = rows.map((row) => header.map((_, j) => textOf(row[j] ?? '')));
  const widths = header.map((title, j) =>
    Math.max(textWidth(title), ...cells.map((row) => textWidth(row[j]!))),
  );
  narrow(widths, header, right, columns);
  const line = (texts: readonly string[], styles: readonly (Style | undefined)[] = []): string =>
    texts
      .map((text, j) => {
        const gap = ' '.repeat(Math.max(0, widths[j]! - textWidth(text)));
        const shown = styles[j] === undefined ? text : paint(styles[j], text);
        return right.includes(j) ? gap + shown : shown + gap;
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  const lines = cells.flatMap((row, i) => {
    const parts = row.map((text, j) => breakLines(text, widths[j]!));
    const styles = header.map((_, j) => styleOf(rows[i]![j]));
    return Array.from({ length: Math.max(...parts.map((part) => part.length)) }, (_, k) =>
      line(
        parts.map((part) => part[k] ?? ''),
        styles,
      ),
    );
  });
  return [line(header), line(widths.map((width) => '─'.repeat(width))), ...lines].join('\n');
}

/** Takes columns from the widest column of text until the table fits, or none can give any. */
function narrow(
  widths: number[],
  header: readonly string[],
  right: readonly number[],
  columns: number,
): void {
  const least = header.map((title, j) =>
    right.includes(j) ? Infinity : Math.max(NARROWEST, textWidth(title)),
  );
  for (;;) {
    const total = widths.reduce((sum, width) => sum + width + GAP, -GAP);
    const able = widths.flatMap((width, j) => (width > least[j]! ? [j] : []));
    if (total <= columns || able.length === 0) return;
    const widest = able.reduce((a, b) => (widths[b]! > widths[a]! ? b : a));
    widths[widest]!--;
  }
}

function textOf(cell: Cell): string {
  return inert(typeof cell === 'string' ? cell : cell.text);
}

function styleOf(cell: Cell | undefined): Style | undefined {
  return typeof cell === 'object' ? cell.style : undefined;
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(1)} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
}
