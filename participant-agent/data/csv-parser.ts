/**
 * The one reading of CSV: header, training rows, applicants to be scored and drafts of contracts all come through
 * here, piece by piece, with the line each record begins on and with what is wrong with it instead of an end.
 *
 * RFC 4180: quote `"`, doubled inside quotes; line breaks inside quotes belong to the cell. A quote elsewhere than
 * at the beginning of a cell is a character like others. Lines end with \n, \r\n, a lone \r, or \r\r\n, which
 * copying in text mode makes of \r\n. Blank lines are passed over.
 */

export interface CsvRecord {
  /** Line of the file on which it begins, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
  /** Why the cells are not to be used. */
  readonly problem?: string;
}

export class CsvParser {
  /** Where the next record begins. */
  line = 1;
  private rest = '';
  private readonly delimiter: string;

  constructor(delimiter: string) {
    this.delimiter = delimiter;
  }

  /** Characters of a record whose end has not come. */
  get pending(): number {
    return this.rest.length;
  }

  /** The records that are complete with this text. */
  push(text: string): CsvRecord[] {
    return this.take(this.rest + text, false, Infinity);
  }

  /**
   * The records that are left when the file ends with this text; what is `pending` then is a quote never closed.
   * @param limit records wanted; what follows is not looked at
   */
  end(text: string, limit = Infinity): CsvRecord[] {
    return this.take(this.rest + text, true, limit);
  }

  private take(text: string, isLast: boolean, limit: number): CsvRecord[] {
    const records: CsvRecord[] = [];
    let start = 0;
    // looked for once and kept, so that a file without them is not searched for them line after line
    const quote = new NextOf(text, '"');
    const feed = new NextOf(text, '\n');
    const carriage = new NextOf(text, '\r');
    while (start < text.length && records.length < limit) {
      const end = Math.min(feed.from(start), carriage.from(start));
      if (end === text.length && !isLast) break;
      if (quote.from(start) >= end) {
        const next = afterLineEnd(text, end, isLast);
        if (next === undefined) break;
        const line = text.slice(start, end);
        if (line.trim() !== '') records.push({ line: this.line, cells: line.split(this.delimiter) });
        this.line++;
        start = next;
        continue;
      }
      const quoted = readQuoted(text, start, this.delimiter, isLast);
      if (quoted === undefined) break;
      const { cells, problem } = quoted;
      records.push({ line: this.line, cells, ...(problem === undefined ? {} : { problem }) });
      this.line += quoted.lines;
      start = quoted.next;
    }
    this.rest = text.slice(start);
    return records;
  }
}

/** Where a character comes next, for ascending places. */
class NextOf {
  private at = -1;
  private readonly text: string;
  private readonly char: string;

  constructor(text: string, char: string) {
    this.text = text;
    this.char = char;
  }

  /** Its first place not before `start`; the length of the text when there is none. */
  from(start: number): number {
    if (this.at < start) {
      this.at = this.text.indexOf(this.char, start);
      if (this.at < 0) this.at = this.text.length;
    }
    return this.at;
  }
}

/** Index after the line end at `end`; undefined when its rest may be in text still to come. */
function afterLineEnd(text: string, end: number, isLast: boolean): number | undefined {
  if (end >= text.length || text[end] === '\n') return end + 1;
  if (text[end + 1] === '\n') return end + 2;
  if (text[end + 1] === '\r' && text[end + 2] === '\n') return end + 3;
  return end + 3 > text.length && !isLast ? undefined : end + 1;
}

interface QuotedRecord {
  readonly cells: readonly string[];
  readonly problem: string | undefined;
  /** Index after its line end. */
  readonly next: number;
  /** Line ends in it, its own included. */
  readonly lines: number;
}

/** A record with quotes, from `start`. @returns undefined when the text ends before it does */
function readQuoted(
  text: string,
  start: number,
  delimiter: string,
  isLast: boolean,
): QuotedRecord | undefined {
  const cells: string[] = [];
  let lines = 0;
  let problem: string | undefined;
  let at = start;
  for (;;) {
    let open = at;
    while (text[open] === ' ') open++;
    if (text[open] === '"') {
      let cell = '';
      let from = open + 1;
      for (;;) {
        const close = text.indexOf('"', from);
        if (close < 0) return undefined;
        cell += text.slice(from, close);
        from = close + 1;
        if (text[from] !== '"') break;
        cell += '"';
        from++;
      }
      lines += cell.match(/\r{0,2}\n|\r/g)?.length ?? 0;
      cells.push(cell);
      at = from;
      const end = endOfCell(text, at, delimiter);
      if (end === text.length && !isLast) return undefined; // perhaps the quote was half of a doubled one
      if (text.slice(at, end).trim() !== '') problem = 'text follows the closing quote of a cell';
      at = end;
    } else {
      const end = endOfCell(text, at, delimiter);
      if (end === text.length && !isLast) return undefined;
      cells.push(text.slice(at, end));
      at = end;
    }
    if (text[at] !== delimiter || at >= text.length) {
      const next = afterLineEnd(text, at, isLast);
      return next === undefined ? undefined : { cells, problem, next, lines: lines + 1 };
    }
    at++;
  }
}

/** Index of the next delimiter or line end, or of the end. */
function endOfCell(text: string, from: number, delimiter: string): number {
  let at = from;
  while (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '\r') at++;
  return at;
}
