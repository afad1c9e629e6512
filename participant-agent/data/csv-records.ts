/**
 * The records of a CSV file under its header, one after the other, however large it is. Training refuses the file
 * at the first bad one; scoring says which applicants were left out, and goes on.
 */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';
import { csvHeadOf } from '#participant-agent/data/csv-head.ts';
import { CsvParser, type CsvRecord } from '#participant-agent/data/csv-parser.ts';
import type { FileHead } from '#participant-agent/data/file-head.ts';
import { unfit } from '#participant-agent/data/read-error.ts';
import { isTotalLine } from '#participant-agent/data/total-line.ts';
import type { FederationError } from '#shared/protocol/error-codes.ts';

/** Characters. A longer record means a quote that is opened and never closed. */
const RECORD_MAX = 2_000_000;
const CHUNK_BYTES = 1_048_576;

export interface FileRecord extends CsvRecord {
  /** Why this is no applicant's record, though it is well formed: training passes it over. */
  readonly aside?: string;
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
): AsyncGenerator<FileRecord[]> {
  const { delimiter, columns, separatorLine } = csvHeadOf(path, file);
  const parser = new CsvParser(delimiter);
  const decoder = new TextDecoder('utf-8', { fatal: true }); // drops a BOM
  let heads = separatorLine ? 2 : 1;
  const underHeader = (batch: CsvRecord[]): FileRecord[] => {
    if (parser.pending > RECORD_MAX) throw endless(path, parser.line);
    const skipped = Math.min(heads, batch.length);
    heads -= skipped;
    return batch.slice(skipped).map((record) => fitToHeader(record, columns.length));
  };
  for await (const bytes of openBytes(path, file.format === 'csv-gzip', chunkBytes)) {
    yield underHeader(parser.push(decode(path, parser, decoder, bytes)));
  }
  const last = underHeader(parser.end(decode(path, parser, decoder)));
  if (parser.pending > 0) throw endless(path, parser.line);
  yield last;
}

/** A delimiter at the end of every row, but not of the header, makes one empty cell too many: it is dropped. */
function fitToHeader(record: CsvRecord, width: number): FileRecord {
  const { line, cells, problem } = record;
  if (problem !== undefined) return record;
  if (cells.every((cell) => cell.trim() === ''))
    return { ...record, aside: 'every cell of the row is empty', cells: cells.slice(0, width) };
  if (isTotalLine(cells, width)) return { ...record, aside: 'a total or closing line, not an applicant' };
  if (cells.length === width) return record;
  if (cells.length === width + 1 && cells[width]!.trim() === '')
    return { line, cells: cells.slice(0, width) };
  return { ...record, problem: `expected ${width} cells as in the header, found ${cells.length}` };
}

function openBytes(path: string, zipped: boolean, chunkBytes: number): AsyncIterable<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: chunkBytes });
  if (!zipped) return file;
  const unpacked = createGunzip({ chunkSize: Math.max(64, chunkBytes) });
  file.on('error', (error) => unpacked.destroy(error));
  return file.pipe(unpacked) as Readable;
}

function decode(path: string, parser: CsvParser, decoder: TextDecoder, bytes?: Uint8Array): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch {
    const text = new TextDecoder('utf-8').decode(bytes);
    parser.push(text.slice(0, text.indexOf('\ufffd'))); // which counts the lines before it
    const todo = 'save the file as "CSV UTF-8", not in a national code page';
    throw unfit(`${path}, line ${parser.line}`, 'UTF-8', 'other bytes', todo);
  }
}

function endless(path: string, line: number): FederationError {
  const what = 'a quote that is opened there and never closed, or a row longer than 2 MB';
  return unfit(`${path}, line ${line}`, 'the end of a record', what, 'double the quotes inside cells');
}
