/** The half of `fedavg` that runs inside a bank: the only place where the network meets rows. */
import { createNetworkScorer } from '#models/fedavg/score-network.ts';
import { createNetworkTrainer, type NetworkTrainer } from '#models/fedavg/train-network.ts';
import { fedavgSettings, type FedavgSettings } from '#models/fedavg/settings.ts';
import { rateFactor } from '#models/fedavg/learning-rate.ts';
import { linkOf, trueLogit, type Link } from '#models/fedavg/losses/loss.ts';
import type { NetworkShape } from '#models/fedavg/network.ts';
import { segmentsOf, type Segment } from '#models/evaluation/segments.ts';
import { answerEvaluation } from '#models/evaluation/evaluation.ts';
import { lossSums } from '#models/metrics/exact-metrics.ts';
import { scoreBin } from '#models/metrics/score-histogram.ts';
import { answerMeans, answerSpreads } from '#models/preprocessing/moments.ts';
import { transformTable, type Standardisation } from '#models/preprocessing/transform.ts';
import type { Answer, Answerer, ProgramSetup, Question } from '#models/program.ts';
import { parseSettings } from '#models/program-settings.ts';
import { splitByKey, type KeyedTable } from '#models/rows/record-keys.ts';
import type { Table } from '#shared/contract/table.ts';

/** Of questions to train and to evaluate; the round of the former only. */
interface TrainSettings {
  readonly round: number;
  readonly fit: Standardisation;
  readonly shape: NetworkShape;
}

interface Prepared {
  readonly trainer: NetworkTrainer;
  readonly training: KeyedTable;
  readonly holdout: KeyedTable & { readonly features: Float32Array };
}

/** Splits off the hold-out rows at once; loads TensorFlow.js at the first train question. */
export async function createFedavgAnswerer(setup: ProgramSetup, table: Table): Promise<Answerer> {
  const settings = parseSettings(fedavgSettings, setup.settings);
  const { holdout, training } = splitByKey(table, settings.holdoutFraction, setup.seed);
  const segments = segmentsOf(setup.contract, settings.segments);
  let prepared: Prepared | undefined;

  async function prepare({ fit, shape }: TrainSettings): Promise<Prepared> {
    const { bad, rowCount: rows } = training.table;
    const features = transformTable(setup.contract, fit, training.table);
    return {
      trainer: await createNetworkTrainer(shape, { features, bad, rows }),
      training,
      holdout: { ...holdout, features: transformTable(setup.contract, fit, holdout.table) },
    };
  }

  return {
    async answer(question, progress) {
      if (question.kind === 'means') return answerMeans(question, table);
      if (question.kind === 'spreads') return answerSpreads(question, table);
      const asked = question.settings as unknown as TrainSettings;
      prepared ??= await prepare(asked);
      const link = linkOf(settings.local.loss);
      if (question.kind === 'evaluate')
        return evaluate(question, asked.shape, link, prepared, segments, setup.seed);
      const judged = judge(question, asked.shape, link, prepared);
      return { ...judged, ...(await train(question, asked, prepared, settings, setup.seed, progress)) };
    },
    dispose() {
      prepared?.trainer.dispose();
    },
  };
}

/** Histograms and loss sums of the received model on the hold-out rows. */
function judge(
  question: Question,
  shape: NetworkShape,
  link: Link | undefined,
  { holdout }: Prepared,
): Answer {
  const { bad } = holdout.table;
  const logits = logitsOf(shape, question.tensors['weights'] as Float32Array, link, holdout);
  const bins = question.fields.find((f) => f.name === 'holdoutBad')!.length;
  const holdoutBad = new Float64Array(bins);
  const holdoutGood = new Float64Array(bins);
  logits.forEach((logit, i) => {
    const counts = bad[i] === 1 ? holdoutBad : holdoutGood;
    counts[scoreBin(logit, bins)]! += 1;
  });
  const { logLoss, brier, pd } = lossSums(logits, bad);
  return {
    holdoutBad,
    holdoutGood,
    logLoss: Float64Array.of(logLoss),
    brier: Float64Array.of(brier),
    pd: Float64Array.of(pd),
  };
}

/** Each candidate on the hold-out rows, calibrated by either half for the other. */
function evaluate(
  question: Question,
  shape: NetworkShape,
  link: Link | undefined,
  prepared: Prepared,
  segments: readonly Segment[],
  seed: string,
): Answer {
  const answers = Object.entries(question.tensors).map(([name, weights]) => {
    const logits = logitsOf(shape, weights as Float32Array, link, prepared.holdout);
    return answerEvaluation(name, segments, logits, prepared, seed);
  });
  return Object.assign({}, ...answers) as Answer;
}

/** Log-odds of the true PD of each row. */
function logitsOf(
  shape: NetworkShape,
  weights: Float32Array,
  link: Link | undefined,
  { features, table }: Prepared['holdout'],
): Float64Array {
  return createNetworkScorer(shape, weights)(features, table.rowCount).map((z) => trueLogit(link, z));
}

async function train(
  question: Question,
  { round }: TrainSettings,
  { trainer, training }: Prepared,
  { local, clip, rowsCap, stop }: FedavgSettings,
  seed: string,
  progress: (fraction: number) => void,
): Promise<Answer> {
  const received = question.tensors['weights'] as Float32Array;
  const learningRate = local.learningRate * rateFactor(local.schedule, round, stop.rounds);
  const options = { weights: received, ...local, learningRate, seed: `${seed}/${round}`, progress };
  const trained = await trainer.train(options);
  const rows = Math.min(training.table.rowCount, rowsCap);
  const share = rows / rowsCap;
  const delta = new Float32Array(received.length);
  for (let i = 0; i < delta.length; i++) {
    const change = trained.weights[i]! - received[i]!;
    delta[i] = share * (change > clip ? clip : change < -clip ? -clip : change);
  }
  return { exampleCount: Float64Array.of(rows), delta };
}
