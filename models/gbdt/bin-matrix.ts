/**
 * A bank's binned training rows in the order in which histograms are summed: row-major, so that a row's
 * gradients are loaded once and its bins lie together, and cut into blocks of features whose sums stay in the
 * first-level cache. All of it lies in one WebAssembly memory, where `histogram-kernel.ts` reads and adds:
 *
 *   sums      [SUM_CELLS, 2]      float64, of one block at a time
 *   pairs     [rows, 2]           float64, the gradients of the present tree
 *   numbers   [CHUNK_ROWS]        uint32, the rows to add
 *   entries   [rows, width]       uint16, of each block: where in `sums` a row's bin of a feature is
 */
import type { BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { PACKED, type Histogram, type HistogramLayout } from '#models/gbdt/histogram.ts';
import { createKernel, type HistogramKernel } from '#models/gbdt/histogram-kernel.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Cells of one block: 24 kB of sums, unless a single feature has more. */
const BLOCK_CELLS = 1536;
/** Sums there is room for, the one that fills rows up to a multiple of four included; addresses have 16 bits. */
const SUM_CELLS = 4096;
const CELL_BYTES = 16;
/** Rows summed before the packed sums are taken apart: as many as `PACKED` allows. */
const CHUNK_ROWS = 2 ** 16;
const PAGE_BYTES = 65_536;
const PAGES_MAX = 65_536;

interface Block {
  /** Contract features, from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  /** First cell of each feature in `sums`, then the number of cells. */
  readonly starts: readonly number[];
  /** Entries of a row, a multiple of four. */
  readonly width: number;
  /** Address of the first entry. */
  readonly entries: number;
}

export class BinMatrix {
  /** Gradients of all rows, to be written by `computeGradients`. */
  readonly pairs: Float64Array;
  private readonly sums: Float64Array;
  private readonly numbers: Uint32Array;
  private readonly blocks: readonly Block[];
  private readonly kernel: HistogramKernel;

  /**
   * @param features of the contract, all of them, each of fewer than 4096 bins
   * @param columns bins of the rows, one array for each feature
   * @throws FederationError TOO_LARGE when rows × features do not fit in 4 GB
   */
  constructor(features: readonly BinnedFeature[], columns: readonly Uint16Array[], rows: number) {
    const pairsAt = SUM_CELLS * CELL_BYTES;
    const numbersAt = pairsAt + rows * CELL_BYTES;
    const { blocks, end } = cutFeatures(features, rows, numbersAt + 4 * Math.min(rows, CHUNK_ROWS));
    const pages = Math.ceil(end / PAGE_BYTES);
    if (pages > PAGES_MAX) {
      throw new FederationError(
        'TOO_LARGE',
        `${rows} rows of ${features.length} features need more than 4 GB as bins; train on a sample`,
      );
    }
    const { buffer, kernel } = createKernel(pages);
    this.sums = new Float64Array(buffer, 0, 2 * SUM_CELLS);
    this.pairs = new Float64Array(buffer, pairsAt, 2 * rows);
    this.numbers = new Uint32Array(buffer, numbersAt, Math.min(rows, CHUNK_ROWS));
    this.blocks = blocks;
    this.kernel = kernel;
    for (const block of blocks) {
      fillBlock(new Uint16Array(buffer, block.entries, rows * block.width), block, columns);
    }
  }

  /**
   * Adds rows to one node's histogram.
   * @param layout features that are wanted; the others are summed and forgotten, which takes less time than
   *   a matrix without them
   * @param rows indices of the node's rows
   */
  addRows(into: Histogram, layout: HistogramLayout, rows: Uint32Array): void {
    const { sums, pairs, numbers, kernel } = this;
    for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
      const chunk = rows.subarray(start, start + CHUNK_ROWS);
      numbers.set(chunk);
      const first = numbers.byteOffset;
      for (const block of this.blocks) {
        const wanted = layout.features.some(({ index }) => index >= block.from && index < block.to);
        if (!wanted) continue;
        sums.fill(0, 0, 2 * block.starts.at(-1)!);
        kernel(first, first + 4 * chunk.length, pairs.byteOffset, block.entries, 2 * block.width);
        takeSums(into, layout, block, sums);
      }
    }
  }
}

/** Consecutive features whose sums fit in one block, and where their entries lie. */
function cutFeatures(
  features: readonly BinnedFeature[],
  rows: number,
  address: number,
): { blocks: Block[]; end: number } {
  const blocks: Block[] = [];
  let end = Math.ceil(address / CELL_BYTES) * CELL_BYTES;
  for (let from = 0, to = 0; from < features.length; from = to) {
    const starts = [0];
    do starts.push(starts.at(-1)! + features[to++]!.bins);
    while (to < features.length && starts.at(-1)! + features[to]!.bins <= BLOCK_CELLS);
    const width = 4 * Math.ceil((to - from) / 4);
    blocks.push({ from, to, starts, width, entries: end });
    end += Math.ceil((rows * width * 2) / CELL_BYTES) * CELL_BYTES;
  }
  return { blocks, end };
}

function fillBlock(
  entries: Uint16Array,
  { from, to, starts, width }: Block,
  columns: readonly Uint16Array[],
): void {
  for (let f = 0; f < width; f++) {
    const column = columns[from + f];
    if (from + f < to && column !== undefined) {
      const first = starts[f]!;
      for (let row = 0, at = f; row < column.length; row++, at += width) {
        entries[at] = CELL_BYTES * (first + column[row]!);
      }
    } else {
      for (let at = f; at < entries.length; at += width) entries[at] = CELL_BYTES * (SUM_CELLS - 1);
    }
  }
}

function takeSums(into: Histogram, layout: HistogramLayout, { from, to, starts }: Block, sums: Float64Array) {
  layout.features.forEach(({ index, bins }, f) => {
    if (index < from || index >= to) return;
    const source = starts[index - from]!;
    const target = layout.offsets[f]!;
    for (let bin = 0; bin < bins; bin++) {
      const packed = sums[2 * (source + bin) + 1]!;
      const h = Math.floor(packed / PACKED);
      into.gradients[target + bin]! += sums[2 * (source + bin)]!;
      into.hessians[target + bin]! += h;
      into.counts[target + bin]! += packed - h * PACKED;
    }
  });
}
