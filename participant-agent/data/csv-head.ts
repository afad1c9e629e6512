/**
 * The first records of a CSV file: enough to know its delimiter and its column names.
 *
 * DuckDB can sniff both, but its sniffer also guesses rows to skip, comment characters and quote characters,
 * renames columns that differ in case only, and answers differently for other sample sizes. A bank's file
 * must be read the same way every day, so only the delimiter is guessed here, from a short list, and all
 * else is RFC 4180: quote `"`, doubled inside quotes; line breaks inside quotes belong to the cell.
 */
import type { FileHead } from '#participant-agent/data/file-head.ts';
import { unfit } from '#participant-agent/data/read-error.ts';

/** In order of preference where two fit equally well. */
const DELIMITERS = [',', ';', '\t', '|'] as const;

/** Records looked at to choose the delimiter: a wrong one rarely agrees with the header this often. */
const SNIFF_RECORDS = 20;

export interface CsvHead {
  readonly delimiter: string;
  /** Names of the header line, trimmed, in file order; may be empty or repeat. */
  readonly columns: readonly string[];
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
  let best: { delimiter: string; columns: string[]; agreement: number } | undefined;
  for (const delimiter of DELIMITERS) {
    const [header, ...rows] = firstRecords(text, delimiter, SNIFF_RECORDS, complete);
    if (header === undefined) continue;
    const columns = header.map((name) => name.trim());
    const agreeing = rows.filter((row) => row.length === columns.length).length;
    // A single column agrees with any line that lacks the delimiter: it is chosen only when nothing splits.
    const agreement = columns.length === 1 ? -1 : rows.length === 0 ? 1 : agreeing / rows.length;
    const better =
      best === undefined ||
      agreement > best.agreement ||
      (agreement === best.agreement && columns.length > best.columns.length);
    if (better) best = { delimiter, columns, agreement };
  }
  if (best === undefined || best.columns.every((name) => name === '')) return undefined;
  return { delimiter: best.delimiter, columns: best.columns };
}

/** Up to `limit` whole records from the start of `text`. Blank lines after the first record are passed over. */
function firstRecords(text: string, delimiter: string, limit: number, complete: boolean): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let cell = '';
  let state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';

  const endRecord = (): void => {
    record.push(cell);
    if (records.length === 0 || record.length > 1 || cell !== '') records.push(record);
    record = [];
    cell = '';
    state = 'start';
  };

  for (let i = 0; i < text.length && records.length < limit; i++) {
    const char = text[i]!;
    if (state === 'quoted') {
      if (char !== '"') cell += char;
      else if (text[i + 1] === '"') {
        cell += '"';
        i++;
      } else state = 'closed';
    } else if (char === delimiter) {
      record.push(cell);
      cell = '';
      state = 'start';
    } else if (char === '\n' || char === '\r') {
      if (char === '\r' && text[i + 1] === '\n') i++;
      endRecord();
    } else if (state === 'start' && char === '"') {
      cell = '';
      state = 'quoted';
    } else if (state !== 'closed') {
      cell += char;
      if (char !== ' ') state = 'plain';
    }
  }
  const pending = cell !== '' || record.length > 0;
  if (complete && pending && state !== 'quoted' && records.length < limit) endRecord();
  return records;
}
