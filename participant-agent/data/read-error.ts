/**
 * DuckDB's complaints about a data file, reworded for a bank: file, line, what was expected, what came, what
 * to do next. DuckDB quotes the offending line ("Original Line: …"); nothing of that text is passed on,
 * only numbers picked out by pattern.
 */
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** Errors in our SQL, not in the file. They must surface as what they are. */
const OUR_FAULT = /^(Parser|Binder|Catalog|Syntax|INTERNAL|Internal|Not implemented) Error/i;

/** @returns undefined when the fault is not the file's */
export function describeReadError(path: string, error: unknown): string | undefined {
  const message = describeError(error);
  if (OUR_FAULT.test(message)) return undefined;
  const line = /^CSV Error on Line: (\d+)/m.exec(message.replace(/^[A-Za-z ]+Error: /, ''))?.[1];
  const where = line === undefined ? path : `${path}, line ${line}`;

  // Patterns are tried on what DuckDB says after the quoted line, or the line could imitate them.
  const verdict = line === undefined ? message : message.slice(message.indexOf('\n') + 1);
  const cells = /^Expected Number of Columns: (\d+) Found: (\d+)$/m.exec(verdict);
  if (cells !== null) {
    return (
      `${where}: expected ${cells[1]} cells as in the header, found ${cells[2]}; ` +
      'quote cells that contain the delimiter, or export the file again'
    );
  }
  if (/^Value with unterminated quote found/m.test(verdict)) {
    return `${where}: a quoted cell is not closed, or text follows its closing quote; double the quotes inside cells`;
  }
  if (/^Invalid unicode/m.test(verdict)) {
    return `${where}: expected UTF-8, found other bytes; save the file as "CSV UTF-8", not in a national code page`;
  }
  if (/^Maximum line size/m.test(verdict)) {
    return `${where}: the row is longer than 2 MB; look for a quote that is opened and never closed before it`;
  }
  if (/state machine reached an invalid state/.test(message)) {
    return (
      `${where} is not regular CSV: expected one kind of line end and quotes that are closed or doubled; ` +
      'it may mix Windows and Unix line ends: open it and save it as CSV again'
    );
  }
  if (/out of memory/i.test(message)) {
    return `${where} does not fit into memory; export only the columns of the contract, or use a larger machine`;
  }
  if (/gzip|zlib|miniz|inflate/i.test(message))
    return `${where} is a damaged gzip file; compress or copy it again`;
  if (/parquet|thrift|snappy|zstd/i.test(message))
    return `${where} is a damaged Parquet file; write or copy it again`;
  const kind = /^[A-Z][A-Za-z ]{2,30}(?= Error: )/.exec(message)?.[0] ?? 'unknown';
  return `${where} cannot be read (${kind} error); expected a regular CSV or Parquet file: export it again`;
}

/** A file that is not what it should be, in the words all of them use. */
export function unfit(path: string, expected: string, found: string, todo: string): FederationError {
  return new FederationError('DATA_SOURCE', `${path}: expected ${expected}, found ${found}; ${todo}`);
}
