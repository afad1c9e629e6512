/**
 * Federated averaging (McMahan et al. 2017, algorithm 1), all banks in every round.
 *
 *   means → spreads → train → train → … → evaluate
 *
 * Each train question carries the model; a bank first judges it on rows kept back (so every model but the
 * initial one is judged by the round after it), then trains on the rest and answers with
 *
 *   exampleCount = n,   delta = (n / rowsCap) · clamp(w_local − w, ±clip)
 *
 * so that the sum gives  Δ = Σ delta · rowsCap / Σ n : the average weighted by rows, without anybody learning one
 * bank's n. What is done with Δ is the server's optimiser (`server/`): w ← w + Δ in the simplest case. The model
 * with the lowest hold-out log-loss is the result, or the first that reaches the target.
 *
 * Figures between rounds are cheap: two histograms and three sums. The last question, evaluate, carries the model
 * chosen (or, when all rounds are done, the best so far and the last, which nobody has judged yet) and brings what the
 * artefact tells of it: a calibration map, and its figures by either half of the hold-out rows for the other. As the
 * same rows chose among the rounds, the figures flatter the model by as much as that choice can.
 */
import { fedavgSettings, type FedavgSettings } from '#models/fedavg/settings.ts';
import { serverStep, type ServerState } from '#models/fedavg/server/server-step.ts';
import { linkOf } from '#models/fedavg/losses/loss.ts';
import { initialWeights, parameterCount, type NetworkShape } from '#models/fedavg/network.ts';
import { networkArtefact } from '#models/fedavg/artefact.ts';
import { segmentsOf } from '#models/evaluation/segments.ts';
import { isBetter, METRIC_NAMES, type StopMetric } from '#models/evaluation/stop-metrics.ts';
import { isReached } from '#models/evaluation/stopping.ts';
import { evaluationFields, lossRowsMax, readEvaluation } from '#models/evaluation/evaluation.ts';
import { discriminationOf, SCORE_BINS } from '#models/metrics/score-histogram.ts';
import {
  meansQuestion,
  readMeans,
  readStandardisation,
  spreadsQuestion,
  type Means,
} from '#models/preprocessing/moments.ts';
import { inputNames, type Standardisation } from '#models/preprocessing/transform.ts';
import type { Metrics, Program, ProgramSetup, Question, Step } from '#models/program.ts';
import { parseSettings } from '#models/program-settings.ts';
import { keptBackMax } from '#models/rows/kept-back.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { assertNoOverflow, largestScale, type Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** Of a bank's mean log-loss on its hold-out rows: a model that is worse counts as this bad. */
const MEAN_LOSS_MAX = 8;

interface Common {
  readonly setup: ProgramSetup;
  readonly settings: FedavgSettings;
  readonly shape: NetworkShape;
}

/** A model that may become the result. */
interface Candidate {
  readonly weights: Float32Array;
  readonly round: number;
}

interface Judged extends Candidate {
  /** The one it is chosen by, where it exists. */
  readonly figure: number | undefined;
}

export type FedavgState = Common &
  (
    | { readonly phase: 'means' }
    | { readonly phase: 'spreads'; readonly means: Means; readonly present: readonly number[] }
    | {
        readonly phase: 'train';
        readonly fit: Standardisation;
        readonly modes: Means['modes'];
        /** The most hold-out rows that one bank can have: those of all banks. */
        readonly holdoutRows: number;
        /** Rounds of training behind `weights`. */
        readonly round: number;
        readonly weights: Float32Array;
        /** What the server's optimiser remembers. */
        readonly server: ServerState | undefined;
        /** An array of an earlier round that nothing refers to any more. */
        readonly spare: Float32Array | undefined;
        readonly best: Judged | undefined;
      }
    | {
        readonly phase: 'evaluate';
        readonly fit: Standardisation;
        readonly modes: Means['modes'];
        /** The earlier one is taken where they are equal. */
        readonly candidates: Readonly<Record<string, Candidate>>;
        /** Why training ended. */
        readonly reason: string;
      }
  );

type InPhase<Phase extends FedavgState['phase']> = Extract<FedavgState, { phase: Phase }>;

export const fedavg: Program<FedavgState> = {
  name: 'fedavg',

  // what comes after depends on the means, or on a model that is new
  isOfOneCompany: (kind) => kind === 'means',
  maximumRounds: (settings) => 2 + parseSettings(fedavgSettings, settings).stop.rounds + 1,

  begin(setup) {
    const settings = parseSettings(fedavgSettings, setup.settings);
    const shape = shapeFor(setup, settings);
    // or it would come up in mid-run
    assertNoOverflow(trainFields({ setup, settings, shape }, ROWS_MAX), 'u32', setup.participants);
    assertNoOverflow(evaluateFields('', setup, settings), 'u64', setup.participants);
    return {
      kind: 'ask',
      state: { setup, settings, shape, phase: 'means' },
      question: meansQuestion(setup.contract, setup.participants),
      metrics: {},
    };
  },

  next(state, sum) {
    switch (state.phase) {
      case 'means':
        return afterMeans(state, sum);
      case 'spreads':
        return startTraining(state, readStandardisation(sum, state.means, state.present), state.means, {});
      case 'train':
        return afterTraining(state, sum);
      case 'evaluate':
        return finish(state, sum);
    }
  },
};

/** @throws FederationError PLAN when the plan's layers are made for other inputs than the contract makes */
function shapeFor({ contract }: ProgramSetup, { network }: FedavgSettings): NetworkShape {
  const inputs = inputNames(contract).length;
  if (network.inputs !== undefined && network.inputs !== inputs) {
    throw new FederationError(
      'PLAN',
      `program.settings.network.layers: expected ${inputs} inputs, those of the contract, got ${network.inputs}`,
    );
  }
  return { ...network, inputs };
}

function afterMeans(state: InPhase<'means'>, sum: RingSum): Step<FedavgState> {
  const { setup, settings, shape } = state;
  const { present, ...means } = readMeans(sum, setup.contract, settings.kMin);
  const metrics = { rows: means.rows, badRate: means.badRate };
  if (present.length === 0) return startTraining(state, { means: [], deviations: [] }, means, metrics);
  return {
    kind: 'ask',
    state: { setup, settings, shape, phase: 'spreads', means, present },
    question: spreadsQuestion(means, setup.contract, setup.participants),
    metrics,
  };
}

function startTraining(
  { setup, settings, shape }: Common,
  fit: Standardisation,
  { rows, modes }: Means,
  metrics: Metrics,
): Step<FedavgState> {
  const weights = initialWeights(shape, setup.seed);
  const holdoutRows = Math.min(ROWS_MAX, Math.max(1, keptBackMax(rows, settings.holdoutFraction)));
  return askTraining(
    {
      setup,
      settings,
      shape,
      phase: 'train',
      fit,
      modes,
      holdoutRows,
      round: 0,
      weights,
      server: undefined,
      spare: undefined,
      best: undefined,
    },
    metrics,
  );
}

function afterTraining(state: InPhase<'train'>, sum: RingSum): Step<FedavgState> {
  const { current, best, metrics } = judge(state, sum);
  const { stop } = state.settings;
  if (stop.target !== undefined && isReached(stop.target, metrics)) {
    const reason = `hold-out ${METRIC_NAMES[stop.target.metric]} reached the target of ${stop.target.value}`;
    return askEvaluation(state, { best: current }, reason, metrics);
  }
  if (stop.patience !== undefined && state.round - best.round >= stop.patience) {
    const reason = `hold-out ${METRIC_NAMES[stop.chosenBy]} did not improve for ${stop.patience} rounds`;
    return askEvaluation(state, { best }, reason, metrics);
  }
  const round = state.round + 1;
  const { weights, server } = afterAverage(state, sum);
  if (round >= stop.rounds) {
    const candidates = { best, last: { weights, round } };
    return askEvaluation(state, candidates, `all ${stop.rounds} rounds done`, metrics);
  }
  const spare = [state.weights, state.best?.weights].find((array) => array !== best.weights);
  return askTraining({ ...state, round, weights, server, spare, best }, metrics);
}

/** The weights after the server's step on the average that the sum holds. */
function afterAverage(state: InPhase<'train'>, sum: RingSum): { weights: Float32Array; server: ServerState } {
  const rows = sum.number('exampleCount');
  if (!(rows > 0)) throw new FederationError('DATA_SOURCE', 'the banks together have no rows to train on');
  const deltas = sum.integers('delta');
  const scale = sum.fields.find((f) => f.name === 'delta')!.scale;
  const factor = state.settings.rowsCap / rows / scale;
  const weights = state.spare ?? new Float32Array(state.weights.length);
  // the server's state is ours to change: `next` consumes its own
  const server = serverStep(state.settings.server, state.server, deltas, factor, state.weights, weights);
  return { weights, server };
}

/** Reads how the model that was sent out did on the banks' hold-out rows. */
function judge(state: InPhase<'train'>, sum: RingSum): { current: Judged; best: Judged; metrics: Metrics } {
  const bad = sum.numbers('holdoutBad');
  const good = sum.numbers('holdoutGood');
  const bads = bad.reduce((a, b) => a + b, 0);
  const rows = good.reduce((a, b) => a + b, bads);
  const metrics: Record<string, number> = { trainingRound: state.round, holdoutRows: rows };
  if (rows > 0) {
    metrics['logLoss'] = sum.number('logLoss') / rows;
    metrics['brier'] = sum.number('brier') / rows;
    metrics['meanPd'] = sum.number('pd') / rows;
    metrics['badRate'] = bads / rows;
  }
  Object.assign(metrics, discriminationOf(bad, good) ?? {});
  const { chosenBy: by } = state.settings.stop;
  const current = { weights: state.weights, round: state.round, figure: metrics[by] };
  const best =
    state.best === undefined || isBetter(by, current.figure, state.best.figure) ? current : state.best;
  return { current, best, metrics };
}

function askTraining(state: InPhase<'train'>, metrics: Metrics): Step<FedavgState> {
  const { settings, shape, fit, round, weights } = state;
  const question: Question = {
    kind: 'train',
    ring: 'u32',
    fields: trainFields(state, state.holdoutRows),
    settings: { round, fit, shape: shape as unknown as Json, local: settings.local },
    tensors: { weights },
  };
  return { kind: 'ask', state, question, metrics };
}

/** @param candidates by the prefix of their fields, the earlier round first */
function askEvaluation(
  { setup, settings, shape, fit, modes }: InPhase<'train'>,
  candidates: Readonly<Record<string, Candidate>>,
  reason: string,
  metrics: Metrics,
): Step<FedavgState> {
  const named = Object.entries(candidates);
  const question: Question = {
    kind: 'evaluate',
    ring: 'u64',
    fields: named.flatMap(([name]) => evaluateFields(name, setup, settings)),
    settings: {
      rounds: Object.fromEntries(named.map(([name, { round }]) => [name, round])),
      fit,
      shape: shape as unknown as Json,
    },
    tensors: Object.fromEntries(named.map(([name, { weights }]) => [name, weights])),
  };
  const state: FedavgState = { setup, settings, shape, phase: 'evaluate', fit, modes, candidates, reason };
  return { kind: 'ask', state, question, metrics };
}

/** @param holdoutRows the most of one bank: the fewer there can be, the finer the sums of their figures */
function trainFields({ setup, settings, shape }: Common, holdoutRows: number): Field[] {
  const { participants } = setup;
  const counts = { length: SCORE_BINS, scale: 1, clip: ROWS_MAX, rounding: 'nearest' } as const;
  const sum = (name: string, clip: number): Field => {
    return { name, length: 1, scale: largestScale('u32', participants, clip), clip, rounding: 'nearest' };
  };
  return [
    { name: 'exampleCount', length: 1, scale: 1, clip: settings.rowsCap, rounding: 'nearest' },
    {
      name: 'delta',
      length: parameterCount(shape),
      scale: largestScale('u32', participants, settings.clip),
      clip: settings.clip,
      rounding: 'stochastic',
    },
    { name: 'holdoutBad', ...counts },
    { name: 'holdoutGood', ...counts },
    sum('logLoss', holdoutRows * MEAN_LOSS_MAX),
    sum('brier', holdoutRows),
    sum('pd', holdoutRows),
  ];
}

function evaluateFields(
  name: string,
  { contract, participants }: ProgramSetup,
  { segments }: FedavgSettings,
): Field[] {
  return evaluationFields(name, segmentsOf(contract, segments), lossRowsMax(participants));
}

/**
 * What a model is chosen by in the end is what it will be used with: its losses after calibration. A model that ranks
 * well and whose PDs are all too low is then better than one that has learnt nothing.
 */
function isBetterAsUsed(by: StopMetric, a: Metrics, b: Metrics): boolean {
  const name = CALIBRATED[by];
  const [of, than] = name === undefined ? [] : [a[name], b[name]];
  return of === undefined || than === undefined || of === than
    ? isBetter(by, a[by], b[by])
    : isBetter(by, of, than);
}

const CALIBRATED: Partial<Record<StopMetric, string>> = {
  logLoss: 'calibratedLogLoss',
  brier: 'calibratedBrier',
};

/** @throws FederationError DATA_SOURCE when a network whose loss bends PDs has no record of its calibration */
function finish(
  { setup, settings, shape, fit, modes, candidates, reason }: InPhase<'evaluate'>,
  sum: RingSum,
): Step<FedavgState> {
  const { kMin, calibration: method, holdoutFraction, scaling, cutoffs } = settings;
  const { participants } = setup;
  const { chosenBy: by } = settings.stop;
  const asked = segmentsOf(setup.contract, settings.segments);
  const judged = Object.entries(candidates).map(([name, candidate]) => ({
    ...candidate,
    ...readEvaluation(name, asked, sum, { method, kMin, holdoutFraction, participants }),
  }));
  const { weights, round, calibration, segments, ...chosen } = judged.reduce((a, b) =>
    isBetterAsUsed(by, b.metrics, a.metrics) ? b : a,
  );
  const link = linkOf(settings.local.loss);
  if (link !== undefined && calibration.table.length === 0) {
    throw new FederationError(
      'DATA_SOURCE',
      `a network trained on ${link.kind} loss needs a calibration record: expected ${kMin} hold-out rows or more ` +
        'to judge it on; raise holdoutFraction',
    );
  }
  const metrics = { trainingRound: round, ...chosen.metrics };
  const artefact = networkArtefact({
    ...{ contract: setup.contract, fit, modes, shape, weights, link },
    ...{ calibration, metrics, segments, scaling, cutoffs },
  });
  return { kind: 'done', result: { artefact, reason }, metrics };
}
