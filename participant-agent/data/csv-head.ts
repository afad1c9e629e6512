/**
 * The first records of a CSV file: enough to know its delimiter and its column names.
 *
 * A bank's file must be read the same way every day, so only the delimiter is guessed, from a short list. A first
 * line `sep=;`, which Excel writes and reads, says it outright.
 */
import { CsvParser } from '#participant-agent/data/csv-parser.ts';
import type { FileHead } from '#participant-agent/data/file-head.ts';
import { unfit } from '#participant-agent/data/read-error.ts';

/** In order of preference where two fit equally well. */
const DELIMITERS = [',', ';', '\t', '|'] as const;

/** Records looked at to choose the delimiter: a wrong one rarely agrees with the header this often. */
const SNIFF_RECORDS = 20;

const SEPARATOR_LINE = /^"?sep=([,;\t|])"?[ \t]*(\r{0,2}\n|\r)/i;

export interface CsvHead {
  readonly delimiter: string;
  /** Names of the header line, trimmed, in file order; may be empty or repeat. */
  readonly columns: readonly string[];
  /** Whether a `sep=` line stands before the header. */
  readonly separatorLine: boolean;
}

/** Delimiter and column names. @throws FederationError DATA_SOURCE when line 1 names no columns */
export function csvHeadOf(path: string, { bytes, complete }: FileHead): CsvHead {
  if (bytes.subarray(0, 4096).includes(0)) {
    throw unfit(path, 'text', 'zero bytes', 'save it as CSV in UTF-8, or as Parquet');
  }
  const text = new TextDecoder('utf-8').decode(bytes); // drops a BOM
  if (text.trim() === '') throw unfit(path, 'a header line and rows', 'an empty file', 'export it again');
  const head = readCsvHead(text, complete);
  if (head === undefined) {
    throw unfit(path, 'column names on line 1', 'none', 'make line 1 the header and close its quotes');
  }
  if (head.columns.some((name) => name.includes('\ufffd'))) {
    throw unfit(
      path,
      'UTF-8',
      'other bytes on line 1',
      'save it as "CSV UTF-8", not in a national code page',
    );
  }
  return head;
}

/**
 * @param text the beginning of the file, decoded, without BOM
 * @param complete whether `text` is the whole file, so that its last record is not cut off
 * @returns undefined when the first line is blank or does not end within `text`
 */
function readCsvHead(text: string, complete: boolean): CsvHead | undefined {
  const separator = SEPARATOR_LINE.exec(text);
  const body = separator === null ? text : text.slice(separator[0].length);
  if (/^[\r\n]/.test(body)) return undefined;
  let best: { delimiter: string; columns: string[]; agreement: number } | undefined;
  for (const delimiter of separator === null ? DELIMITERS : [separator[1]!]) {
    const parser = new CsvParser(delimiter);
    // a whole file ends its last record; of a beginning, what its last line end closes is whole
    const records = complete
      ? parser.end(body, SNIFF_RECORDS)
      : parser.end(body.slice(0, body.search(/[\r\n][^\r\n]*$/) + 1), SNIFF_RECORDS);
    const [header, ...rows] = records;
    if (header === undefined || header.line !== 1) continue;
    const columns = header.cells.map((name) => name.trim());
    const agreeing = rows.filter(({ cells }) => cells.length === columns.length).length;
    // A single column agrees with any line that lacks the delimiter: it is chosen only when nothing splits.
    const agreement = columns.length === 1 ? -1 : rows.length === 0 ? 1 : agreeing / rows.length;
    const better =
      best === undefined ||
      agreement > best.agreement ||
      (agreement === best.agreement && columns.length > best.columns.length);
    if (better) best = { delimiter, columns, agreement };
  }
  if (best === undefined || best.columns.every((name) => name === '')) return undefined;
  return { delimiter: best.delimiter, columns: best.columns, separatorLine: separator !== null };
}
