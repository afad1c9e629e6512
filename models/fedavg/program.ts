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
 * bank's n. What is done with Δ is the server's optimiser (`server/`): w ← w + Δ in the simplest case. The model with the lowest hold-out log-loss is the result, or the first
 * that reaches the target.
 */
import { parseFedavgSettings, type FedavgSettings } from '#models/fedavg/settings.ts';
import { serverStep, type ServerState } from '#models/fedavg/server/server-step.ts';
import { linkOf } from '#models/fedavg/losses/loss.ts';
import { initialWeights, parameterCount, type NetworkShape } from '#models/fedavg/network.ts';
import { networkArtefact } from '#models/fedavg/artefact.ts';
import { discriminationOf } from '#models/metrics/score-histogram.ts';
import {
  meansQuestion,
  readMeans,
  readStandardisation,
  spreadsQuestion,
  type Means,
} from '#models/preprocessing/moments.ts';
import { inputNames, type Standardisation } from '#models/preprocessing/transform.ts';
import type { Metrics, Program, ProgramSetup, Question, Step } from '#models/program.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { largestScale, type Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** Score bins of the hold-out histograms: 0.04 of log-odds each. */
const SCORE_BINS = 400;
/** Hold-out rows one bank may count. */
const HOLDOUT_ROWS_MAX = 2 ** 18;

interface Common {
  readonly setup: ProgramSetup;
  readonly settings: FedavgSettings;
  readonly shape: NetworkShape;
}

interface Judged {
  readonly weights: Float32Array;
  readonly logLoss: number;
  readonly round: number;
  readonly metrics: Metrics;
  readonly holdout: { readonly bad: Float64Array; readonly good: Float64Array };
}

export type FedavgState = Common &
  (
    | { readonly phase: 'means' }
    | { readonly phase: 'spreads'; readonly means: Means; readonly present: readonly number[] }
    | {
        readonly phase: 'train' | 'evaluate';
        readonly fit: Standardisation;
        /** Rounds of training behind `weights`. */
        readonly round: number;
        readonly weights: Float32Array;
        /** What the server's optimiser remembers. */
        readonly server: ServerState | undefined;
        /** An array of an earlier round that nothing refers to any more. */
        readonly spare: Float32Array | undefined;
        readonly best: Judged | undefined;
        /** Why `evaluate` is the last question. */
        readonly reason: string;
      }
  );

type TrainingState = Extract<FedavgState, { phase: 'train' | 'evaluate' }>;

export const fedavg: Program<FedavgState> = {
  name: 'fedavg',

  maximumRounds: (settings) => 2 + parseFedavgSettings(settings).stop.rounds + 1,

  begin(setup) {
    const settings = parseFedavgSettings(setup.settings);
    const shape = { inputs: inputNames(setup.contract).length, ...settings.network };
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
        return startTraining(state, readStandardisation(sum, state.means, state.present), {});
      case 'train':
        return afterTraining(state, sum);
      case 'evaluate':
        return finish(judge(state, sum), state.reason);
    }
  },
};

function afterMeans(state: Extract<FedavgState, { phase: 'means' }>, sum: RingSum): Step<FedavgState> {
  const { setup, settings, shape } = state;
  const { present, ...means } = readMeans(sum, setup.contract);
  const metrics = { rows: means.rows, badRate: means.badRate };
  if (present.length === 0) return startTraining(state, { means: [], deviations: [] }, metrics);
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
  metrics: Metrics,
): Step<FedavgState> {
  const weights = initialWeights(shape, setup.seed);
  return ask(
    {
      setup,
      settings,
      shape,
      phase: 'train',
      fit,
      round: 0,
      weights,
      server: undefined,
      spare: undefined,
      best: undefined,
      reason: '',
    },
    metrics,
  );
}

function afterTraining(state: TrainingState, sum: RingSum): Step<FedavgState> {
  const judged = judge(state, sum);
  const { stop } = state.settings;
  const auc = judged.metrics['auc'];
  if (stop.targetAuc !== undefined && auc !== undefined && auc >= stop.targetAuc) {
    return finish(judged, `hold-out AUC reached the target of ${stop.targetAuc}`, judged.current);
  }
  if (stop.patience !== undefined && state.round - judged.best.round >= stop.patience) {
    return finish(judged, `hold-out log-loss did not improve for ${stop.patience} rounds`);
  }
  const round = state.round + 1;
  const { weights, server } = afterAverage(state, sum);
  const { best } = judged;
  const spare = [state.weights, state.best?.weights].find((array) => array !== best.weights);
  const last = round >= stop.rounds;
  const reason = last ? `all ${stop.rounds} rounds done` : '';
  return ask(
    { ...state, phase: last ? 'evaluate' : 'train', round, weights, server, spare, best, reason },
    judged.metrics,
  );
}

/** The weights after the server's step on the average that the sum holds. */
function afterAverage(state: TrainingState, sum: RingSum): { weights: Float32Array; server: ServerState } {
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
function judge(
  state: TrainingState,
  sum: RingSum,
): TrainingState & { current: Judged; best: Judged; metrics: Metrics } {
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
  const logLoss = metrics['logLoss'] ?? Infinity;
  const current = { weights: state.weights, logLoss, round: state.round, metrics, holdout: { bad, good } };
  const best = state.best === undefined || logLoss < state.best.logLoss ? current : state.best;
  return { ...state, current, best, metrics };
}

function ask(state: TrainingState, metrics: Metrics): Step<FedavgState> {
  const { setup, settings, shape, fit, round, weights, phase } = state;
  const holdout: Field[] = [
    { name: 'holdoutBad', length: SCORE_BINS, scale: 1, clip: HOLDOUT_ROWS_MAX, rounding: 'nearest' },
    { name: 'holdoutGood', length: SCORE_BINS, scale: 1, clip: HOLDOUT_ROWS_MAX, rounding: 'nearest' },
    ...['logLoss', 'brier', 'pd'].map((name) => holdoutSum(name, setup.participants)),
  ];
  const training: Field[] = [
    { name: 'exampleCount', length: 1, scale: 1, clip: settings.rowsCap, rounding: 'nearest' },
    {
      name: 'delta',
      length: parameterCount(shape),
      scale: largestScale('u32', setup.participants, settings.clip),
      clip: settings.clip,
      rounding: 'stochastic',
    },
  ];
  const question: Question = {
    kind: phase,
    ring: 'u32',
    fields: phase === 'train' ? [...training, ...holdout] : holdout,
    settings: { round, fit, shape: { ...shape, hidden: [...shape.hidden] }, local: settings.local },
    tensors: { weights },
  };
  return { kind: 'ask', state, question, metrics };
}

function holdoutSum(name: string, participants: number): Field {
  const clip = HOLDOUT_ROWS_MAX;
  return { name, length: 1, scale: largestScale('u32', participants, clip), clip, rounding: 'nearest' };
}

function finish(
  state: TrainingState & { best: Judged },
  reason: string,
  chosen = state.best,
): Step<FedavgState> {
  const { weights, metrics, holdout } = chosen;
  const { setup, fit, shape, settings } = state;
  const { scaling, cutoffs } = settings;
  const link = linkOf(settings.local.loss);
  const { contract } = setup;
  const artefact = networkArtefact({
    contract,
    fit,
    shape,
    weights,
    link,
    holdout,
    metrics,
    scaling,
    cutoffs,
  });
  return { kind: 'done', result: { artefact, reason }, metrics };
}
