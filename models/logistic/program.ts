/**
 * Logistic regression on standardised inputs, by Newton's method: a network without hidden layers, with the
 * weights that full-batch training on all rows in one place would end at. Some ten rounds, where federated
 * averaging takes dozens and comes near.
 *
 *   totals → squares → newton … newton → evaluate
 *
 * Exact: the same artefact, byte for byte, for the same rows however they are spread over banks (where rows of a
 * bank tie, see rows/record-keys.ts). Weights are rounded to float32 in the end, and judged so.
 *
 * Special values are not set apart: they count as the numbers they are, clipped to the range.
 */
import { createArtefact } from '#models/artefact.ts';
import { log } from '#models/arithmetic/exp-log.ts';
import { segmentsOf } from '#models/evaluation/segments.ts';
import { evaluationFields, readEvaluation } from '#models/evaluation/evaluation.ts';
import {
  readExactStandardisation,
  readTotals,
  totalsFields,
  type Totals,
} from '#models/logistic/exact-moments.ts';
import { logisticSettings, type LogisticSettings } from '#models/logistic/settings.ts';
import { advanceFit, assertRoundsLeft, startFit, type Fit } from '#models/newton/fit.ts';
import { assertEnough } from '#models/preprocessing/row-counts.ts';
import { likelihoodFields, readLikelihood } from '#models/newton/likelihood-sums.ts';
import { inputNames, type Standardisation } from '#models/preprocessing/transform.ts';
import { fromUnit } from '#models/preprocessing/unit-range.ts';
import { twoLimbFields } from '#models/preprocessing/two-limb-sums.ts';
import type { Metrics, Program, ProgramSetup, Question, Step } from '#models/program.ts';
import { parseSettings } from '#models/program-settings.ts';
import { toBase64 } from '#shared/crypto/base64.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { assertNoOverflow, type Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

/** The information matrix grows with the square: 500 inputs are 1 MB a round and bank. */
const INPUTS_MAX = 500;
/** Least bads, and goods, to learn from. */
const EACH_MIN = 10;

interface Common {
  readonly setup: ProgramSetup;
  readonly settings: LogisticSettings;
}

interface Fitting extends Common {
  readonly totals: Totals;
  readonly standardisation: Standardisation;
  /** Inputs in the fit, ascending; the others follow from them and weigh nothing. */
  readonly inputs: readonly number[];
  /** Of the intercept and each of `inputs`. */
  readonly fit: Fit;
  /** Newton rounds of the fits before. */
  readonly roundsBefore: number;
}

export type LogisticState =
  | (Common & { readonly phase: 'totals' })
  | (Common & { readonly phase: 'squares'; readonly totals: Totals })
  | (Fitting & { readonly phase: 'newton' })
  | (Fitting & {
      readonly phase: 'evaluate';
      readonly weights: Float32Array;
      readonly trainingLogLoss: number;
    });

export const logistic: Program<LogisticState> = {
  name: 'logistic',

  isOfOneCompany: () => true,
  maximumRounds: (settings) => 2 + parseSettings(logisticSettings, settings).newton.rounds + 1,

  begin(setup) {
    const settings = parseSettings(logisticSettings, setup.settings);
    const inputs = inputNames(setup.contract).length;
    if (inputs > INPUTS_MAX) {
      throw new FederationError(
        'PLAN',
        `the contract makes ${inputs} inputs, logistic takes at most ${INPUTS_MAX}; use fewer categories or fedavg`,
      );
    }
    // the widest ones, or it would come up in mid-run
    const widest = [...likelihoodFields(1), ...evaluateFields(setup, settings)];
    assertNoOverflow(widest, 'u64', setup.participants);
    const question = plainQuestion('totals', totalsFields(setup.contract), {});
    return { kind: 'ask', state: { setup, settings, phase: 'totals' }, question, metrics: {} };
  },

  next(state, sum) {
    switch (state.phase) {
      case 'totals':
        return afterTotals(state, readTotals(sum, state.setup.contract, state.settings.kMin));
      case 'squares':
        return startNewton(state, state.totals, readExactStandardisation(sum, state.totals));
      case 'newton':
        return afterNewton(state, sum);
      case 'evaluate':
        return finish(state, sum);
    }
  },
};

function evaluateFields({ contract }: ProgramSetup, { segments }: LogisticSettings): Field[] {
  return evaluationFields('holdout', segmentsOf(contract, segments));
}

function plainQuestion(kind: string, fields: Question['fields'], settings: Json): Question {
  return { kind, ring: 'u64', fields, settings, tensors: {} };
}

function afterTotals(common: Common, totals: Totals): Step<LogisticState> {
  const { setup, settings } = common;
  const { rows, bads, means } = totals;
  assertEnough(totals, { rows: settings.kMin, each: EACH_MIN }, 'a regression');
  if (means.length === 0) return startNewton(common, totals, { means: [], deviations: [] });
  const question = plainQuestion('squares', twoLimbFields('squares', means.length), { means });
  const metrics = { trainingRows: rows, badRate: bads / rows };
  return { kind: 'ask', state: { setup, settings, phase: 'squares', totals }, question, metrics };
}

function startNewton(
  { setup, settings }: Common,
  totals: Totals,
  standardisation: Standardisation,
): Step<LogisticState> {
  const inputs = inputNames(setup.contract).map((_, i) => i);
  const fit = startFit([log(totals.bads / (totals.rows - totals.bads)), ...inputs.map(() => 0)]);
  const metrics = { trainingRows: totals.rows, badRate: totals.bads / totals.rows };
  return askNewton({ setup, settings, totals, standardisation, inputs, fit, roundsBefore: 0 }, metrics);
}

function askNewton(fitting: Fitting, metrics: Metrics): Step<LogisticState> {
  const { standardisation, inputs, fit } = fitting;
  const settings = { standardisation, inputs, coefficients: fit.coefficients };
  const question = plainQuestion('newton', likelihoodFields(fit.coefficients.length), settings);
  return { kind: 'ask', state: { ...fitting, phase: 'newton' }, question, metrics };
}

function afterNewton(state: Fitting, sum: RingSum): Step<LogisticState> {
  const { settings, totals, inputs } = state;
  const sums = readLikelihood(sum, totals.rows);
  const moved = advanceFit(state.fit, sums, settings.newton.ridge);
  const { fit } = moved;
  const rounds = state.roundsBefore + fit.rounds;
  const trainingLogLoss = sums.logLoss / totals.rows;
  const metrics = { newtonRound: rounds, trainingLogLoss };
  if (moved.kind === 'moved' && moved.converged)
    return askEvaluation({ ...state, fit }, trainingLogLoss, metrics);
  assertRoundsLeft(fit, state.roundsBefore, settings.newton.rounds);
  if (moved.kind === 'collinear') {
    const coefficients = fit.coefficients.filter((_, j) => !moved.inputs.includes(j));
    const left = inputs.filter((_, i) => !moved.inputs.includes(i + 1));
    return askNewton({ ...state, inputs: left, fit: startFit(coefficients), roundsBefore: rounds }, metrics);
  }
  return askNewton(
    { ...state, fit },
    Number.isFinite(moved.step) ? { ...metrics, step: moved.step } : metrics,
  );
}

/** As `fedavg/network.ts` lays out a network without hidden layers: one weight for each input, then the bias. */
function weightsOf({ setup, inputs, fit }: Fitting): Float32Array {
  const weights = new Float32Array(inputNames(setup.contract).length + 1);
  weights[weights.length - 1] = fit.coefficients[0]!;
  inputs.forEach((input, i) => (weights[input] = fit.coefficients[i + 1]!));
  return weights;
}

function askEvaluation(fitting: Fitting, trainingLogLoss: number, metrics: Metrics): Step<LogisticState> {
  const weights = weightsOf(fitting);
  const question: Question = {
    ...plainQuestion('evaluate', evaluateFields(fitting.setup, fitting.settings), {
      standardisation: fitting.standardisation,
    }),
    tensors: { weights },
  };
  return {
    kind: 'ask',
    state: { ...fitting, phase: 'evaluate', weights, trainingLogLoss },
    question,
    metrics,
  };
}

function finish(state: Extract<LogisticState, { phase: 'evaluate' }>, sum: RingSum): Step<LogisticState> {
  const { setup, settings, totals, standardisation, inputs, fit, weights, trainingLogLoss } = state;
  const asked = segmentsOf(setup.contract, settings.segments);
  const {
    calibration,
    segments,
    metrics: judged,
  } = readEvaluation('holdout', asked, sum, {
    method: settings.calibration,
    kMin: settings.kMin,
    holdoutFraction: settings.holdoutFraction,
    participants: setup.participants,
  });
  const newtonRounds = state.roundsBefore + fit.rounds;
  const metrics = {
    ...judged,
    trainingRows: totals.rows,
    trainingBadRate: totals.bads / totals.rows,
    trainingLogLoss,
    newtonRounds,
  };
  const artefact = createArtefact<'network'>({
    kind: 'network',
    contract: setup.contract,
    transform: { kind: 'standardised', ...standardisation },
    parameters: {
      network: { inputs: weights.length - 1, hidden: [], dropout: 0 },
      weights: toBase64(bytesOf(weights)),
    },
    calibration,
    scaling: settings.scaling,
    cutoffs: settings.cutoffs,
    baseline: { kind: 'mean-mode', row: baselineOf(state) },
    metrics,
    segments: [...segments],
  });
  const reason = `${inputs.length} inputs, converged after ${newtonRounds} Newton rounds`;
  return { kind: 'done', result: { artefact, reason }, metrics };
}

/** The mean of each number on the scale of its feature, the most frequent category. */
function baselineOf({ setup, totals }: Fitting): (number | string | null)[] {
  let number = 0;
  let category = 0;
  return setup.contract.features.map((feature) =>
    feature.type === 'number' ? fromUnit(feature, totals.means[number++]!) : totals.modes[category++]!,
  );
}
