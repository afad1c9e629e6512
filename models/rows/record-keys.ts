/**
 * Which rows are held out, sampled or set apart is a function of what a bank's rows say, never of where they stand:
 * so a row falls on the same side after any shuffle, and a copy of it at another bank falls there too. Federated
 * and pooled training then are the same bits, as long as the pooled table says which rows are whose
 * (`Table.bankRows`).
 *
 * A draw goes through the rows that have all features in common, a cell, in equal steps. Of n rows of a cell with
 * the same outcome at one bank it keeps
 *
 *   ⌊u + n · fraction⌋     u uniform in [0, 1) by (features, label, seed): one u for a cell at every bank
 *
 * that is n · fraction on average, and up or down to a whole row for each cell. The outcome is not in u: bads and
 * goods of a cell are rounded together, so its bad rate stays what it is, on both sides of the draw. (With the
 * outcome in the hash whole cells of bads or of goods were kept back, and PDs learnt from what was left.)
 */
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { isNumberColumn, selectRows, type Table } from '#shared/contract/table.ts';

/** What draws know of each row. */
export interface RecordKeys {
  /** The cell, as two words: the first eight bytes of SHA-256 over the features. */
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  /** How many rows of the same bank, cell and outcome come before it: which of them is first does not matter. */
  readonly occurrence: Uint32Array;
}

/** A table together with the keys of its rows, in the same order. */
export interface KeyedTable {
  readonly table: Table;
  readonly keys: RecordKeys;
}

/**
 * The keys of all rows. A row is hashed as float64 in contract order, little-endian: numbers as they are (a
 * missing one as one fixed NaN, −0 as 0), categories as their codes. About 0.5 µs a row of 20 features, so
 * compute them once.
 */
export function recordKeys(table: Table): RecordKeys {
  const high = new Uint32Array(table.rowCount);
  const low = new Uint32Array(table.rowCount);
  const cells = table.columns.map((c) => (isNumberColumn(c) ? c.values : c.codes));
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
  const occurrence = new Uint32Array(table.rowCount);
  let from = 0;
  for (const rows of table.bankRows ?? [table.rowCount]) {
    const to = from + rows;
    const part = (words: Uint32Array) => words.subarray(from, to);
    countOccurrences(part(high), part(low), table.bad.subarray(from, to), part(occurrence));
    from = to;
  }
  return { high, low, occurrence };
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Fills `occurrence` for the rows of one bank: a hash table of the latest row of each cell and outcome. */
function countOccurrences(
  high: Uint32Array,
  low: Uint32Array,
  bad: Uint8Array,
  occurrence: Uint32Array,
): void {
  const mask = 2 ** Math.ceil(Math.log2(2 * bad.length + 1)) - 1;
  const latest = new Int32Array(mask + 1).fill(-1);
  for (let i = 0; i < bad.length; i++) {
    let slot = (low[i]! + bad[i]!) & mask;
    let row = latest[slot]!;
    while (row >= 0 && (low[row] !== low[i] || high[row] !== high[i] || bad[row] !== bad[i]))
      row = latest[(slot = (slot + 1) & mask)]!;
    occurrence[i] = row < 0 ? 0 : occurrence[row]! + 1;
    latest[slot] = i;
  }
}

/**
 * The rows a draw keeps, ascending. Draws with different labels or seeds are independent of each other.
 * @param fraction expected share of the rows, 0 to 1
 */
export function rowsKept(keys: RecordKeys, label: string, seed: string, fraction: number): Uint32Array {
  const startOf = drawOf(label, seed);
  const kept = new Uint32Array(keys.high.length);
  let count = 0;
  for (let i = 0; i < kept.length; i++) {
    const start = startOf(keys.high[i]!, keys.low[i]!);
    const before = keys.occurrence[i]!;
    if (keptOf(before + 1, start, fraction) > keptOf(before, start, fraction)) kept[count++] = i;
  }
  return kept.slice(0, count);
}

/** How many of the first n rows of a cell with one outcome a draw keeps. */
function keptOf(n: number, start: number, fraction: number): number {
  return Math.floor(start + n * fraction);
}

/** Where a draw starts in each cell: u of the header. */
function drawOf(label: string, seed: string): (high: number, low: number) => number {
  const digest = sha256(utf8(JSON.stringify(['tallystick/v1 row-draw', label, seed])));
  const [a, b, c] = [wordAt(digest, 0), wordAt(digest, 4), wordAt(digest, 8)];
  return (high, low) => mix(mix(mix(high ^ a) ^ low ^ b) ^ c) / 4_294_967_296;
}

/** The 32-bit finaliser of MurmurHash3 (Appleby 2011): a bijection in which every bit moves half of the others. */
function mix(word: number): number {
  let x = word ^ (word >>> 16);
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Sets rows apart for judging; the rest train. On both sides occurrences are counted anew, for further draws. */
export function splitByKey(
  table: Table,
  fraction: number,
  seed: string,
): { readonly training: KeyedTable; readonly holdout: KeyedTable } {
  const keys = recordKeys(table);
  const held = rowsKept(keys, 'holdout', seed, fraction);
  const startOf = drawOf('holdout', seed);
  const heldBefore = (i: number) =>
    keptOf(keys.occurrence[i]!, startOf(keys.high[i]!, keys.low[i]!), fraction);
  return {
    training: keyedRows(
      table,
      keys,
      otherRows(held, table.rowCount),
      (i) => keys.occurrence[i]! - heldBefore(i),
    ),
    holdout: keyedRows(table, keys, held, heldBefore),
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

/** @param occurrence of a row, by its index in `table`, among the rows selected */
function keyedRows(
  table: Table,
  keys: RecordKeys,
  rows: Uint32Array,
  occurrence: (row: number) => number,
): KeyedTable {
  return {
    table: selectRows(table, rows),
    keys: {
      high: Uint32Array.from(rows, (i) => keys.high[i]!),
      low: Uint32Array.from(rows, (i) => keys.low[i]!),
      occurrence: Uint32Array.from(rows, occurrence),
    },
  };
}
