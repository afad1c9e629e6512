/** The half of `profile` that runs inside a bank. */
import { TwoLimbSums } from '#models/preprocessing/two-limb-sums.ts';
import { answerBinCounts } from '#models/preprocessing/bin-counts.ts';
import type { FeatureBins } from '#models/preprocessing/bins.ts';
import { assertRows } from '#models/rows/rows-max.ts';
import { visitUnits } from '#models/preprocessing/unit-range.ts';
import { answerQuantiles } from '#models/preprocessing/quantiles.ts';
import type { Answer, Answerer, ProgramSetup } from '#models/program.ts';
import type { NumberFeature } from '#shared/contract/contract.ts';
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
  const numbers = table.columns.filter(isNumberColumn).length;
  if (numbers === 0) return {};
  const sums = new TwoLimbSums(numbers);
  visitUnits(table, (unit, j) => sums.add(j, term(unit, j)), ordinaryScaler);
  return sums.answer(name);
}

function ordinaryScaler({ min, max, special }: NumberFeature): (value: number) => number {
  const apart = new Set(special);
  return (value) => {
    if (apart.has(value)) return Number.NaN;
    const clipped = value < min ? min : value > max ? max : value;
    return (clipped - min) / (max - min);
  };
}
