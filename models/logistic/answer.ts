/** The half of `logistic` that runs inside a bank. */
import { segmentsOf } from '#models/evaluation/segments.ts';
import { answerEvaluation } from '#models/evaluation/evaluation.ts';
import { createNetworkScorer } from '#models/fedavg/score-network.ts';
import { answerSquares, answerTotals } from '#models/logistic/exact-moments.ts';
import { logisticSettings } from '#models/logistic/settings.ts';
import { LikelihoodAccumulator } from '#models/newton/likelihood-sums.ts';
import { assertRows } from '#models/rows/rows-max.ts';
import { inputNames, transformTable, type Standardisation } from '#models/preprocessing/transform.ts';
import type { Answer, Answerer, ProgramSetup, Question } from '#models/program.ts';
import { parseSettings } from '#models/program-settings.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import type { Table } from '#shared/contract/table.ts';

interface NewtonSettings {
  readonly standardisation: Standardisation;
  /** Columns of the input matrix that take part. */
  readonly inputs: readonly number[];
  /** Intercept first, then one for each of `inputs`. */
  readonly coefficients: readonly number[];
}

/** @throws FederationError TOO_LARGE */
export async function createLogisticAnswerer(setup: ProgramSetup, table: Table): Promise<Answerer> {
  assertRows(table);
  const { contract, seed } = setup;
  const settings = parseSettings(logisticSettings, setup.settings);
  const split = splitByKey(table, settings.holdoutFraction, seed);
  const { training, holdout } = split;
  const segments = segmentsOf(contract, settings.segments);
  let matrix: Float32Array | undefined; // the standardisation is the same in all rounds of a run
  return {
    async answer(question) {
      switch (question.kind) {
        case 'totals':
          return answerTotals(training.table);
        case 'squares':
          return answerSquares(training.table, (question.settings as unknown as { means: number[] }).means);
        case 'newton': {
          const asked = question.settings as unknown as NewtonSettings;
          matrix ??= transformTable(contract, asked.standardisation, training.table);
          return answerNewton(asked, matrix, inputNames(contract).length, training.table.bad);
        }
        default: {
          const logits = judge(question, setup, holdout.table);
          return answerEvaluation('holdout', segments, logits, split, seed);
        }
      }
    },
    dispose() {
      matrix = undefined;
    },
  };
}

function answerNewton(asked: NewtonSettings, matrix: Float32Array, width: number, bad: Uint8Array): Answer {
  const { inputs, coefficients } = asked;
  const sums = new LikelihoodAccumulator(coefficients.length);
  const x = new Float64Array(coefficients.length);
  x[0] = 1;
  for (let row = 0; row < bad.length; row++) {
    for (let i = 0; i < inputs.length; i++) x[i + 1] = matrix[row * width + inputs[i]!]!;
    sums.add(x, coefficients, bad[row]!);
  }
  return sums.answer();
}

function judge(question: Question, { contract }: ProgramSetup, rows: Table): Float64Array {
  const { standardisation } = question.settings as unknown as { standardisation: Standardisation };
  const weights = question.tensors['weights'] as Float32Array;
  const shape = { inputs: weights.length - 1, hidden: [], dropout: 0 };
  return createNetworkScorer(shape, weights)(transformTable(contract, standardisation, rows), rows.rowCount);
}
