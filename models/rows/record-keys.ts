/**
 * Which rows are held out, sampled or set apart is a function of what a row says, never of where it stands:
 * so a row falls on the same side at a bank, in a pooled table and after any shuffle, which is what makes
 * federated and pooled training the same bits. Rows equal in every cell fall together.
 */
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { isNumberColumn, selectRows, type Table } from '#shared/contract/table.ts';

/** One 64-bit key a row, as two words: the first eight bytes of SHA-256 over its features and outcome. */
export interface RecordKeys {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

/** A table together with the keys of its rows, in the same order. */
export interface KeyedTable {
  readonly table: Table;
  readonly keys: RecordKeys;
}

/**
 * The keys of all rows. A row is hashed as float64 in contract order, little-endian: numbers as they are (a
 * missing one as one fixed NaN, −0 as 0), categories as their codes, then the outcome. About 2 µs a row, so
 * compute them once.
 */
export function recordKeys(table: Table): RecordKeys {
  const high = new Uint32Array(table.rowCount);
  const low = new Uint32Array(table.rowCount);
  const cells = [...table.columns.map((c) => (isNumberColumn(c) ? c.values : c.codes)), table.bad];
  const row = new Float64Array(cells.length);
  const words = new Uint32Array(row.buffer);
  const bytes = new Uint8Array(row.buffer);
  for (let i = 0; i < table.rowCount; i++) {
    for (let j = 0; j < cells.length; j++) {
      const value = cells[j]![i]!;
      if (Number.isNaN(value)) {
        words[2 * j] = 0; // the bits of a NaN are the engine's choice; these are ours
        words[2 * j + 1] = 0x7ff80000;
      } else row[j] = value + 0; // −0 becomes 0
    }
    const digest = sha256(bytes);
    high[i] = wordAt(digest, 0);
    low[i] = wordAt(digest, 4);
  }
  return { high, low };
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/**
 * The rows a draw keeps, ascending: those whose key, mixed with (label, seed), falls below `fraction`.
 * Draws with different labels or seeds are independent of each other.
 * @param fraction expected share of the rows, 0 to 1
 */
export function rowsKept(keys: RecordKeys, label: string, seed: string, fraction: number): Uint32Array {
  const digest = sha256(utf8(JSON.stringify(['tallystick/v1 row-draw', label, seed])));
  const [a, b, c] = [wordAt(digest, 0), wordAt(digest, 4), wordAt(digest, 8)];
  const threshold = fraction * 4_294_967_296;
  const kept = new Uint32Array(keys.high.length);
  let count = 0;
  for (let i = 0; i < kept.length; i++) {
    const draw = mix(mix(mix(keys.high[i]! ^ a) ^ keys.low[i]! ^ b) ^ c);
    if (draw < threshold) kept[count++] = i;
  }
  return kept.slice(0, count);
}

/** The 32-bit finaliser of MurmurHash3 (Appleby 2011): a bijection in which every bit moves half of the others. */
function mix(word: number): number {
  let x = word ^ (word >>> 16);
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Sets rows apart for judging; the rest train. */
export function splitByKey(
  table: Table,
  fraction: number,
  seed: string,
): { readonly training: KeyedTable; readonly holdout: KeyedTable } {
  const keys = recordKeys(table);
  const held = rowsKept(keys, 'holdout', seed, fraction);
  return {
    training: keyedRows(table, keys, otherRows(held, table.rowCount)),
    holdout: keyedRows(table, keys, held),
  };
}

/** The rows of 0 … rowCount − 1 that are not in `rows` (ascending). */
export function otherRows(rows: Uint32Array, rowCount: number): Uint32Array {
  const others = new Uint32Array(rowCount - rows.length);
  let next = 0;
  let count = 0;
  for (let i = 0; i < rowCount; i++) {
    if (rows[next] === i) next++;
    else others[count++] = i;
  }
  return others;
}

function keyedRows(table: Table, keys: RecordKeys, rows: Uint32Array): KeyedTable {
  return {
    table: selectRows(table, rows),
    keys: {
      high: Uint32Array.from(rows, (i) => keys.high[i]!),
      low: Uint32Array.from(rows, (i) => keys.low[i]!),
    },
  };
}
