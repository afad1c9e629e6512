/** Bads and goods in each bin of each feature, as a part of a question: exact counts over all banks. */
import { binColumn, binCount, type FeatureBins } from '#models/preprocessing/bins.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { Answer } from '#models/program.ts';
import type { Table } from '#shared/contract/table.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** Rows of one feature by bin; the arrays have `binCount` entries. */
export interface BinCounts {
  readonly bad: readonly number[];
  readonly good: readonly number[];
}

/** @param bins one for each contract feature */
export function binCountFields(bins: readonly FeatureBins[]): Field[] {
  const length = bins.reduce((n, b) => n + binCount(b), 0);
  const field = { length, scale: 1, clip: ROWS_MAX, rounding: 'nearest' } as const;
  return [
    { name: 'binBads', ...field },
    { name: 'binGoods', ...field },
  ];
}

/** Inside a bank. */
export function answerBinCounts(bins: readonly FeatureBins[], table: Table): Answer {
  const counts = countBins(bins, table);
  return {
    binBads: Float64Array.from(counts.flatMap((c) => c.bad)),
    binGoods: Float64Array.from(counts.flatMap((c) => c.good)),
  };
}

/** The counts of one table, one for each feature. */
export function countBins(bins: readonly FeatureBins[], table: Table): BinCounts[] {
  return table.columns.map((column, j) => {
    const size = binCount(bins[j]!);
    const bad = Array.from({ length: size }, () => 0);
    const good = Array.from({ length: size }, () => 0);
    const codes = binColumn(column, bins[j]!);
    for (let i = 0; i < codes.length; i++) (table.bad[i] === 1 ? bad : good)[codes[i]!]! += 1;
    return { bad, good };
  });
}

export function readBinCounts(sum: RingSum, bins: readonly FeatureBins[]): BinCounts[] {
  const bads = sum.numbers('binBads');
  const goods = sum.numbers('binGoods');
  let at = 0;
  return bins.map((b) => {
    const from = at;
    at += binCount(b);
    return { bad: [...bads.subarray(from, at)], good: [...goods.subarray(from, at)] };
  });
}
