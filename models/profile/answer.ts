/** The half of `profile` that runs inside a bank. */
import { TwoLimbSums } from '#models/preprocessing/two-limb-sums.ts';
import { answerBinCounts } from '#models/preprocessing/bin-counts.ts';
import type { FeatureBins } from '#models/preprocessing/bins.ts';
import { assertRows } from '#models/rows/rows-max.ts';
import { answerQuantiles } from '#models/preprocessing/quantiles.ts';
import type { Answer, Answerer, ProgramSetup } from '#models/program.ts';
import { isNumberColumn, type Table } from '#shared/contract/table.ts';

/** @throws FederationError TOO_LARGE */
export async function createProfileAnswerer(_setup: ProgramSetup, table: Table): Promise<Answerer> {
  assertRows(table);
  return {
    async answer(question) {
      if (question.kind === 'quantiles') return answerQuantiles(question, table);
      if (question.kind === 'spreads') {
        const { unitMeans } = question.settings as unknown as { unitMeans: number[] };
        return sumUnits('squares', table, (u, j) => (u - unitMeans[j]!) * (u - unitMeans[j]!));
      }
      const { bins } = question.settings as unknown as { bins: FeatureBins[] };
      return { ...answerBinCounts(bins, table), ...sumUnits('units', table, (u) => u) };
    },
    dispose() {},
  };
}

/** Sums over the rows with an ordinary value, clipped and put on [0, 1] of the feature's range, linearly. */
function sumUnits(name: string, table: Table, term: (unit: number, feature: number) => number): Answer {
  const columns = table.columns.filter(isNumberColumn);
  if (columns.length === 0) return {};
  const sums = new TwoLimbSums(columns.length);
  columns.forEach(({ feature, values }, j) => {
    const { min, max } = feature;
    const special = new Set(feature.special);
    for (const value of values) {
      if (Number.isNaN(value) || special.has(value)) continue;
      const clipped = value < min ? min : value > max ? max : value;
      sums.add(j, term((clipped - min) / (max - min), j));
    }
  });
  return sums.answer(name);
}
