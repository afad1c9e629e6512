/** The half of `scorecard` that runs inside a bank: the only place where weights meet rows. */
import { segmentsOf } from '#models/evaluation/segments.ts';
import { answerEvaluation } from '#models/evaluation/evaluation.ts';
import { LikelihoodAccumulator } from '#models/newton/likelihood-sums.ts';
import { answerBinCounts } from '#models/preprocessing/bin-counts.ts';
import { binColumn, type FeatureBins } from '#models/preprocessing/bins.ts';
import { assertRows } from '#models/rows/rows-max.ts';
import { answerQuantiles } from '#models/preprocessing/quantiles.ts';
import type { Answer, Answerer, ProgramSetup } from '#models/program.ts';
import { parseSettings } from '#models/program-settings.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import { scorecardSettings } from '#models/scorecard/settings.ts';
import type { Table } from '#shared/contract/table.ts';

/** The model of a question; see `modelSettings` in program.ts. */
interface AskedModel {
  readonly features: readonly number[];
  readonly bins: readonly FeatureBins[];
  /** Of each feature, the input that each fine bin stands for. */
  readonly inputs: readonly (readonly number[])[];
  /** Intercept first. */
  readonly coefficients: readonly number[];
}

/** @throws FederationError TOO_LARGE */
export async function createScorecardAnswerer(setup: ProgramSetup, table: Table): Promise<Answerer> {
  assertRows(table);
  const settings = parseSettings(scorecardSettings, setup.settings);
  const split = splitByKey(table, settings.holdoutFraction, setup.seed);
  const { training, holdout } = split;
  const segments = segmentsOf(setup.contract, settings.segments);
  const binned = createBinCache(training.table);
  return {
    async answer(question) {
      switch (question.kind) {
        case 'quantiles':
          return answerQuantiles(question, training.table);
        case 'binCounts':
          return answerBinCounts((question.settings as unknown as AskedModel).bins, training.table);
        case 'newton': {
          const model = question.settings as unknown as AskedModel;
          const codes = model.features.map((feature, j) => binned(feature, model.bins[j]!));
          return answerNewton(model, codes, training.table.bad);
        }
        default: {
          const model = question.settings as unknown as AskedModel;
          const { columns, bad } = holdout.table;
          const codes = model.features.map((feature, j) => binColumn(columns[feature]!, model.bins[j]!));
          const logits = Float64Array.from(bad, (_, row) => logitOf(model, inputsOfRow(model, codes, row)));
          return answerEvaluation('holdout', segments, logits, split, setup.seed);
        }
      }
    },
    dispose() {},
  };
}

/** Newton rounds differ in weights, not in bins. */
function createBinCache(table: Table): (feature: number, bins: FeatureBins) => Uint16Array {
  const cache = new Map<number, { readonly of: string; readonly codes: Uint16Array }>();
  return (feature, bins) => {
    const of = JSON.stringify(bins);
    const known = cache.get(feature);
    if (known?.of === of) return known.codes;
    const codes = binColumn(table.columns[feature]!, bins);
    cache.set(feature, { of, codes });
    return codes;
  };
}

/** The row's inputs after a leading 1. */
function inputsOfRow({ inputs }: AskedModel, codes: readonly Uint16Array[], row: number): Float64Array {
  const x = new Float64Array(inputs.length + 1);
  x[0] = 1;
  for (let j = 0; j < inputs.length; j++) x[j + 1] = inputs[j]![codes[j]![row]!]!;
  return x;
}

function logitOf({ coefficients }: AskedModel, x: Float64Array): number {
  let z = 0;
  for (let j = 0; j < x.length; j++) z += coefficients[j]! * x[j]!;
  return z;
}

function answerNewton(model: AskedModel, codes: readonly Uint16Array[], bad: Uint8Array): Answer {
  const sums = new LikelihoodAccumulator(model.coefficients.length);
  for (let row = 0; row < bad.length; row++) {
    sums.add(inputsOfRow(model, codes, row), model.coefficients, bad[row]!);
  }
  return sums.answer();
}
