/**
 * The records of a CSV file, one after the other, however large it is: with the line each begins on, and with what is
 * wrong with it instead of an end of reading. Loading to train goes through DuckDB, which is faster and refuses the
 * file at the first bad line; scoring must say which applicants were left out, and go on.
 *
 * RFC 4180: quote `"`, doubled inside quotes; line breaks inside quotes belong to the cell. Lines end with \n or
 * \r\n. Blank lines are passed over, as DuckDB does.
 */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';
import { csvHeadOf } from '#participant-agent/data/csv-head.ts';
import type { FileHead } from '#participant-agent/data/file-head.ts';
import { unfit } from '#participant-agent/data/read-error.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Characters. A longer record means a quote that is opened and never closed. */
const RECORD_MAX = 2_000_000;
const CHUNK_BYTES = 1_048_576;

export interface CsvRecord {
  /** Line of the file on which it begins; the header is line 1. */
  readonly line: number;
  readonly cells: readonly string[];
  /** Why the cells are not to be used. */
  readonly problem?: string;
}

/**
 * In batches, the header left out.
 * @param chunkBytes what is read at a time; results do not depend on it
 * @throws FederationError DATA_SOURCE when the file cannot be read on: not UTF-8, a quote that is never closed
 */
export async function* csvRecords(
  path: string,
  file: FileHead,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<CsvRecord[]> {
  const { delimiter, columns } = csvHeadOf(path, file);
  const parser = new RecordParser(path, delimiter, columns.length);
  const decoder = new TextDecoder('utf-8', { fatal: true }); // drops a BOM
  let header: CsvRecord | undefined;
  const withoutHeader = (batch: CsvRecord[]): CsvRecord[] => {
    if (header !== undefined || batch.length === 0) return batch;
    header = batch.shift()!;
    if (header.problem === undefined) return batch;
    throw unfit(
      path,
      'lines that end in \\n or \\r\\n',
      'another line end after the header',
      'save it as CSV again',
    );
  };
  for await (const bytes of openBytes(path, file.format === 'csv-gzip', chunkBytes)) {
    yield withoutHeader(parser.push(decode(path, parser.line, decoder, bytes)));
  }
  yield withoutHeader(parser.end(decode(path, parser.line, decoder)));
}

function openBytes(path: string, zipped: boolean, chunkBytes: number): AsyncIterable<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: chunkBytes });
  if (!zipped) return file;
  const unpacked = createGunzip({ chunkSize: Math.max(64, chunkBytes) });
  file.on('error', (error) => unpacked.destroy(error));
  return file.pipe(unpacked) as Readable;
}

function decode(path: string, line: number, decoder: TextDecoder, bytes?: Uint8Array): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch (cause) {
    throw new FederationError(
      'DATA_SOURCE',
      `${path}, after line ${line}: expected UTF-8, found other bytes; save the file as "CSV UTF-8", not in a national code page`,
      { cause },
    );
  }
}

class RecordParser {
  /** Where the next record begins. */
  line = 1;
  private rest = '';
  private readonly path: string;
  private readonly delimiter: string;
  private readonly cellCount: number;

  constructor(path: string, delimiter: string, cellCount: number) {
    this.path = path;
    this.delimiter = delimiter;
    this.cellCount = cellCount;
  }

  /** The records that are complete with this text. */
  push(text: string): CsvRecord[] {
    return this.take(this.rest + text, false);
  }

  /** The records that are left when the file ends with this text. */
  end(text: string): CsvRecord[] {
    return this.take(this.rest + text, true);
  }

  private take(text: string, isLast: boolean): CsvRecord[] {
    const records: CsvRecord[] = [];
    let start = 0;
    // looked for once and kept, so that a file without quotes is not searched for them line after line
    let quote = text.indexOf('"');
    while (start < text.length) {
      let end = text.indexOf('\n', start);
      if (end < 0 && !isLast) break;
      if (end < 0) end = text.length;
      if (quote >= 0 && quote < start) quote = text.indexOf('"', start);
      if (quote < 0 || quote >= end) {
        this.addPlain(text.slice(start, text[end - 1] === '\r' ? end - 1 : end), records);
        start = end + 1;
        continue;
      }
      const quoted = readQuoted(text, start, this.delimiter, isLast);
      if (quoted === undefined) break;
      this.add(quoted.cells, quoted.problem, records);
      this.line += quoted.lines;
      start = quoted.next;
    }
    this.rest = text.slice(start);
    if (this.rest.length > RECORD_MAX) throw this.endless();
    if (isLast && start < text.length) throw this.endless();
    return records;
  }

  private addPlain(line: string, records: CsvRecord[]): void {
    if (line.trim() !== '') this.add(line.split(this.delimiter), undefined, records);
    this.line++;
  }

  private add(cells: readonly string[], problem: string | undefined, records: CsvRecord[]): void {
    const { line } = this;
    if (problem !== undefined) records.push({ line, cells, problem });
    else if (cells.length === this.cellCount) records.push({ line, cells });
    else {
      const found = `expected ${this.cellCount} cells as in the header, found ${cells.length}`;
      records.push({ line, cells, problem: found });
    }
  }

  private endless(): FederationError {
    const what = 'a quote that is opened there and never closed';
    return unfit(
      `${this.path}, line ${this.line}`,
      'the end of a record',
      what,
      'double the quotes inside cells',
    );
  }
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
      for (let i = text.indexOf('\n', open); i >= 0 && i < from; i = text.indexOf('\n', i + 1)) lines++;
      cells.push(cell);
      at = from;
      const end = endOfCell(text, at, delimiter);
      if (end === text.length && !isLast) return undefined; // perhaps the quote was half of a doubled one
      if (text.slice(at, end).trim() !== '') problem = 'text follows the closing quote of a cell';
      at = end;
    } else {
      const end = endOfCell(text, at, delimiter);
      if (end === text.length && !isLast) return undefined;
      const cell = text.slice(at, end);
      cells.push(text[end] === '\n' && cell.endsWith('\r') ? cell.slice(0, -1) : cell);
      at = end;
    }
    if (at >= text.length || text[at] === '\n') return { cells, problem, next: at + 1, lines: lines + 1 };
    at++;
  }
}

/** Index of the next delimiter or line feed, or of the end. */
function endOfCell(text: string, from: number, delimiter: string): number {
  let at = from;
  while (at < text.length && text[at] !== delimiter && text[at] !== '\n') at++;
  return at;
}
