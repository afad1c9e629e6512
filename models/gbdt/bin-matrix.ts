/**
 * A bank's binned rows in the order in which histograms are summed: row-major, so that a row's gradients are
 * loaded once and its bins lie together, and cut into blocks of features whose sums stay in the first-level
 * cache. An entry is the position of its pair of sums within the block. 1.2 ns a row and feature, against
 * 5 ns column by column.
 */
import { PACKED, type Histogram, type HistogramLayout } from '#models/gbdt/histogram.ts';

/** Cells of one block: 24 kB of sums, unless a single feature has more. */
const BLOCK_CELLS = 1536;
/** Rows summed before the packed sums are taken apart: as many as `PACKED` allows. */
const CHUNK_ROWS = 2 ** 16;

interface Block {
  /** First cell in the layout. */
  readonly offset: number;
  readonly cells: number;
  /** Features. */
  readonly width: number;
  /** [rows, width], row-major: twice the cell within the block. */
  readonly entries: Uint16Array;
}

export class BinMatrix {
  private readonly blocks: readonly Block[];
  private readonly sums: Float64Array;

  /** @param columns bins of all rows, one array for each contract feature */
  constructor(layout: HistogramLayout, columns: readonly Uint16Array[]) {
    this.blocks = cutFeatures(layout).map(({ from, to }) => {
      const offset = layout.offsets[from]!;
      const width = to - from;
      const entries = new Uint16Array((columns[0]?.length ?? 0) * width);
      for (let f = 0; f < width; f++) {
        const column = columns[layout.features[from + f]!.index]!;
        const first = 2 * (layout.offsets[from + f]! - offset);
        for (let row = 0, at = f; row < column.length; row++, at += width) {
          entries[at] = first + 2 * column[row]!;
        }
      }
      return { offset, cells: (layout.offsets[to] ?? layout.cells) - offset, width, entries };
    });
    this.sums = new Float64Array(2 * Math.max(...this.blocks.map((b) => b.cells)));
  }

  /**
   * Adds rows to one node's histogram.
   * @param rows indices of the node's rows
   * @param pairs gradients of all rows, as `computeGradients` writes them
   */
  addRows(into: Histogram, rows: Uint32Array, pairs: Float64Array): void {
    for (const { offset, cells, width, entries } of this.blocks) {
      const sums = this.sums.subarray(0, 2 * cells);
      for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
        sums.fill(0);
        addEntries(sums, entries, width, rows.subarray(start, start + CHUNK_ROWS), pairs);
        for (let cell = 0; cell < cells; cell++) {
          const packed = sums[2 * cell + 1]!;
          const h = Math.floor(packed / PACKED);
          into.gradients[offset + cell]! += sums[2 * cell]!;
          into.hessians[offset + cell]! += h;
          into.counts[offset + cell]! += packed - h * PACKED;
        }
      }
    }
  }
}

/** Four features at a time, which takes a third less time than one by one. */
function addEntries(
  sums: Float64Array,
  entries: Uint16Array,
  width: number,
  rows: Uint32Array,
  pairs: Float64Array,
): void {
  const byFour = width - (width % 4);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const g = pairs[2 * row]!;
    const h = pairs[2 * row + 1]!;
    const start = row * width;
    let at = start;
    for (; at < start + byFour; at += 4) {
      const a = entries[at]!;
      const b = entries[at + 1]!;
      const c = entries[at + 2]!;
      const d = entries[at + 3]!;
      sums[a]! += g;
      sums[a + 1]! += h;
      sums[b]! += g;
      sums[b + 1]! += h;
      sums[c]! += g;
      sums[c + 1]! += h;
      sums[d]! += g;
      sums[d + 1]! += h;
    }
    for (; at < start + width; at++) {
      const a = entries[at]!;
      sums[a]! += g;
      sums[a + 1]! += h;
    }
  }
}

/** Consecutive features whose cells fit in one block; from inclusive, to exclusive. */
function cutFeatures({ features }: HistogramLayout): { from: number; to: number }[] {
  const cuts: { from: number; to: number }[] = [];
  let cells = BLOCK_CELLS;
  features.forEach(({ bins }, f) => {
    cells += bins;
    if (cells > BLOCK_CELLS) {
      cuts.push({ from: f, to: f });
      cells = bins;
    }
    cuts.at(-1)!.to = f + 1;
  });
  return cuts;
}
