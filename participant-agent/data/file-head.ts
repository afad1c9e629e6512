/**
 * The beginning of a data file: what kind of file it is and, for text, the bytes its header line is in.
 *
 * The kind is told by the first bytes, not by the name: a wrong extension is common and harmless. A gzip file
 * is unpacked to its end once, because DuckDB takes a truncated one for a complete one: an interrupted copy
 * would train on part of the rows without anybody noticing.
 */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { unfit } from '#participant-agent/data/read-error.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** A header line longer than this is not a header. */
const HEAD_BYTES = 1_048_576;

export interface FileHead {
  readonly format: 'csv' | 'csv-gzip' | 'parquet';
  /** The first bytes, unpacked; at most 1 MiB. */
  readonly bytes: Uint8Array;
  /** Whether `bytes` is the whole file. */
  readonly complete: boolean;
}

/** @throws FederationError DATA_SOURCE when the file is missing, unreadable, empty or of another kind */
export async function readFileHead(path: string): Promise<FileHead> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) {
      const kind = stats.isDirectory() ? 'a directory' : 'something that is not a regular file';
      throw unfit(path, 'a file', kind, 'name one CSV or Parquet file');
    }
    if (stats.size === 0) throw unfit(path, 'a header line and rows', 'an empty file', 'export it again');
    const handle = await open(path, 'r');
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(stats.size, HEAD_BYTES)), 0);
      const bytes = buffer.subarray(0, bytesRead);
      const format = detectFormat(path, bytes);
      if (format === 'csv-gzip') return { format, ...(await unpack(path)) };
      return { format, bytes, complete: bytesRead === stats.size };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof FederationError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be opened (${code ?? 'unknown reason'})`;
    throw new FederationError('DATA_SOURCE', `${path} ${reason}; check the path and who may read it`, {
      cause,
    });
  }
}

const SIGNATURES: readonly { readonly bytes: readonly number[]; readonly kind: string }[] = [
  { bytes: [0x50, 0x4b, 0x03, 0x04], kind: 'a zip archive or an Excel workbook' },
  { bytes: [0xd0, 0xcf, 0x11, 0xe0], kind: 'an old Excel workbook' },
  { bytes: [0xff, 0xfe], kind: 'UTF-16 text' },
  { bytes: [0xfe, 0xff], kind: 'UTF-16 text' },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], kind: 'a zstd archive' },
  { bytes: [0x50, 0x41, 0x52, 0x45], kind: 'an encrypted Parquet file' },
];

function detectFormat(path: string, head: Uint8Array): FileHead['format'] {
  const startsWith = (bytes: readonly number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  if (startsWith([0x50, 0x41, 0x52, 0x31])) return 'parquet';
  if (startsWith([0x1f, 0x8b])) return 'csv-gzip';
  const other = SIGNATURES.find(({ bytes }) => startsWith(bytes));
  if (other === undefined) return 'csv';
  throw unfit(path, 'CSV or Parquet', other.kind, 'save it as CSV in UTF-8 (plain or .gz), or as Parquet');
}

/** Checks the file to its last byte (CRC-32 and length of each member) and keeps its beginning. */
async function unpack(path: string): Promise<{ bytes: Uint8Array; complete: boolean }> {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let totalBytes = 0;
  try {
    await pipeline(createReadStream(path), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        totalBytes += chunk.length;
        if (keptBytes >= HEAD_BYTES) continue;
        kept.push(chunk);
        keptBytes += chunk.length;
      }
    });
  } catch (cause) {
    const message = `${path} is a damaged or incomplete gzip file; compress or copy it again`;
    throw new FederationError('DATA_SOURCE', message, { cause });
  }
  return { bytes: Buffer.concat(kept), complete: keptBytes === totalBytes };
}
