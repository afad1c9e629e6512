/**
 * What is wrong with a data file, in words for a bank: file, line, what was expected, what came, what to do next.
 * DuckDB's own complaints about Parquet are reworded; nothing of their text is passed on, it may quote cells.
 */
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** Errors in our SQL, not in the file. They must surface as what they are. */
const OUR_FAULT = /^(Parser|Binder|Catalog|Syntax|INTERNAL|Internal|Not implemented) Error/i;

/** @returns undefined when the fault is not the file's */
export function describeReadError(path: string, error: unknown): string | undefined {
  const message = describeError(error);
  if (OUR_FAULT.test(message)) return undefined;
  if (/out of memory/i.test(message)) {
    return `${path} does not fit into memory; export only the columns of the contract, or use a larger machine`;
  }
  if (/parquet|thrift|snappy|zstd|gzip/i.test(message))
    return `${path} is a damaged Parquet file; write or copy it again`;
  const kind = /^[A-Z][A-Za-z ]{2,30}(?= Error: )/.exec(message)?.[0] ?? 'unknown';
  return `${path} cannot be read (${kind} error); expected a Parquet file: write it again`;
}

/** A file that is not what it should be, in the words all of them use. */
export function unfit(path: string, expected: string, found: string, todo: string): FederationError {
  return new FederationError('DATA_SOURCE', `${path}: expected ${expected}, found ${found}; ${todo}`);
}
