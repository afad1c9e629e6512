/**
 * Which rows a file had when it was read, to tell later how many of them are new: one hash a row, whatever contract it was
 * read by. It stays at the bank.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { pipeline } from 'node:stream/promises';

export interface RowSnapshot {
  /** SHA-256 of the file, hex. */
  readonly id: string;
  /** 32 bits of a hash of each line, ascending. Of a file that is not text: none, so that all its rows count as the same. */
  readonly rows: Uint32Array;
}

const LINE_FEED = 10;

/** @throws the file system's own error */
export async function rowSnapshot(path: string): Promise<RowSnapshot> {
  const whole = createHash('sha256');
  const rows: number[] = [];
  // FNV-1a over the line: accidents only count here, and two equal lines are two equal rows
  let hash = 0x811c9dc5;
  let isEmpty = true;
  const end = (): void => {
    if (!isEmpty) rows.push(hash >>> 0);
    hash = 0x811c9dc5;
    isEmpty = true;
  };
  const isText = /\.(csv|tsv|txt)(\.gz)?$/i.test(path);
  const take = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      if (!isText) continue;
      for (const byte of chunk) {
        if (byte === LINE_FEED) end();
        else {
          hash = Math.imul(hash ^ byte, 0x01000193);
          isEmpty = false;
        }
      }
    }
    yield new Uint8Array(0);
  };
  const tee = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      whole.update(chunk);
      yield chunk;
    }
  };
  const drain = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const _chunk of chunks);
  };
  if (path.toLowerCase().endsWith('.gz'))
    await pipeline(createReadStream(path), tee, createGunzip(), take, drain);
  else await pipeline(createReadStream(path), tee, take, drain);
  end();
  return { id: whole.digest('hex'), rows: Uint32Array.from(rows).sort() };
}

/** Rows of `now` that were not there before, counting equal ones. */
export function newRows(before: RowSnapshot, now: RowSnapshot): number {
  if (before.id === now.id || before.rows.length === 0 || now.rows.length === 0) return 0;
  let [i, fresh] = [0, 0];
  for (const row of now.rows) {
    while (i < before.rows.length && before.rows[i]! < row) i++;
    if (before.rows[i] === row) i++;
    else fresh++;
  }
  return fresh;
}
