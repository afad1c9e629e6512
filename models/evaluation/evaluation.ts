/**
 * One evaluation of a model on hold-out rows, as a part of a question: what the banks add up, and what is
 * read from the sum. The hold-out is halved by record key, and calibration maps fitted to one half are judged on
 * the other (choose-map.ts). All figures, before calibration and after it, are over all hold-out rows.
 *
 * All fields are u64 with scale 1; log-odds and losses are whole quanta of 2^-20, so that sums do not depend
 * on how rows are spread. 128 banks of 2^20 rows fit.
 */
import { log, logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';
import {
  fitPlatt,
  groupBins,
  type CalibrationRecord,
  type Group,
  type ScoreBins,
} from '#models/evaluation/calibration-map.ts';
import {
  chooseMap,
  filledBins,
  judgedLogit,
  limited,
  LOGIT_LIMIT,
  together,
  type ChosenMap,
  type Halves,
} from '#models/evaluation/choose-map.ts';
import {
  answerSegments,
  readSegments,
  segmentFields,
  type Segment,
  type SegmentRecord,
} from '#models/evaluation/segments.ts';
import { expectedCalibrationError, hosmerLemeshow } from '#models/metrics/calibration-tests.ts';
import { discriminationOf, SCORE_BINS, scoreBin, scoreBinEnd } from '#models/metrics/score-histogram.ts';
import { assertKeptBack, type KeptBackDraw } from '#models/rows/kept-back.ts';
import { ROWS_MAX } from '#models/rows/rows-max.ts';
import type { Answer } from '#models/program.ts';
import { rowsKept, type KeyedTable } from '#models/rows/record-keys.ts';
import { countBads, type Table } from '#shared/contract/table.ts';
import type { Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** Quanta in one unit of log-odds, loss or PD. */
const QUANTA = 2 ** 20;
/** Log-odds are limited, and losses thereby. */
const LOSS_LIMIT = LOGIT_LIMIT + 1;
const TABLE_GROUPS = 10;

/** How many rows of the largest loss a bank's sums may have room for, with so many banks. */
export function lossRowsMax(participants: number): number {
  return Math.min(ROWS_MAX, Math.floor(2 ** 53 / (participants * LOSS_LIMIT * QUANTA)) - 1);
}

const HISTOGRAMS = ['FirstBad', 'FirstGood', 'SecondBad', 'SecondGood'] as const;
const HALVES = ['First', 'Second'] as const;
const LOGIT_SUMS = ['FirstLogits', 'SecondLogits'] as const;
const LOSS_SUMS = ['LogLoss', 'Brier', 'Pd'] as const;
/** Of the rows not kept back, at the banks that answer here: whether the share kept back can be believed. */
const TRAINING_SUMS = ['TrainingRows', 'TrainingBads'] as const;

/**
 * @param prefix begins the name of each field: letters and digits, at most 20
 * @param segments to look at apart (segments.ts)
 * @param rowsMax rows of the largest loss, or log-odds, that one bank's sums have room for
 */
export function evaluationFields(prefix: string, segments: readonly Segment[], rowsMax = ROWS_MAX): Field[] {
  const field = (name: string, length: number, clip: number): Field => ({
    name: `${prefix}${name}`,
    length,
    scale: 1,
    clip,
    rounding: 'nearest',
  });
  return [
    ...HISTOGRAMS.map((name) => field(name, SCORE_BINS, ROWS_MAX)),
    ...TRAINING_SUMS.map((name) => field(name, 1, ROWS_MAX)),
    ...LOGIT_SUMS.map((name) => field(name, SCORE_BINS, rowsMax * LOGIT_LIMIT * QUANTA)),
    ...LOSS_SUMS.map((name) => field(name, 1, rowsMax * LOSS_LIMIT * QUANTA)),
    ...segmentFields(prefix, segments),
  ];
}

/**
 * Inside a bank.
 * @param logits the model's log-odds of bad, before calibration, one for each hold-out row; the same bits on
 *   every machine
 * @param split the bank's rows; `holdout` are those of `logits`
 * @param seed the plan's: decides the halves
 */
export function answerEvaluation(
  prefix: string,
  segments: readonly Segment[],
  logits: Float64Array,
  split: { readonly training: { readonly table: Table }; readonly holdout: KeyedTable },
  seed: string,
): Answer {
  const { table, keys } = split.holdout;
  const { bad } = table;
  const halfOf = new Uint8Array(bad.length);
  for (const row of rowsKept(keys, 'calibration', seed, 0.5)) halfOf[row] = 1;
  const answer: Record<string, Float64Array> = {};
  for (const { name, length } of evaluationFields(prefix, [])) answer[name] = new Float64Array(length);
  const sums = (name: string) => answer[`${prefix}${name}`]!;
  sums('TrainingRows')[0] = split.training.table.rowCount;
  sums('TrainingBads')[0] = countBads(split.training.table);
  const [logLoss, brier, pd] = LOSS_SUMS.map(sums) as [Float64Array, Float64Array, Float64Array];
  const halves = HALVES.map((half) => ({
    good: sums(`${half}Good`),
    bad: sums(`${half}Bad`),
    logits: sums(`${half}Logits`),
  }));
  for (let i = 0; i < logits.length; i++) {
    const z = limited(logits[i]!);
    const y = bad[i]!;
    const bin = scoreBin(z, SCORE_BINS);
    const half = halves[halfOf[i]!]!;
    (y === 1 ? half.bad : half.good)[bin]! += 1;
    half.logits[bin]! += quanta(z);
    const p = sigmoid(z);
    logLoss[0]! += quanta(logLossOf(z, y));
    brier[0]! += quanta((p - y) * (p - y));
    pd[0]! += quanta(p);
  }
  return { ...answer, ...answerSegments(prefix, segments, table, logits) };
}

function quanta(x: number): number {
  return Math.floor(x * QUANTA + 0.5);
}

export interface EvaluationSettings extends KeptBackDraw {
  readonly method: 'identity' | 'platt' | 'isotonic';
  /** Fewest rows of a group that is published. */
  readonly kMin: number;
}

export interface Evaluation {
  readonly metrics: Readonly<Record<string, number>>;
  readonly calibration: CalibrationRecord;
  readonly segments: readonly SegmentRecord[];
}

/**
 * Metrics over all hold-out rows: `holdoutRows`, `badRate`, `logLoss`, `brier`, `meanPd`, and with both
 * outcomes `auc`, `aucError`, `gini`, `ks`, `ksUpper`; `logLossSkill` and `brierSkill` are the shares of the loss
 * that the model saves against a baseline which gives everybody the bad rate. Over the same rows and after
 * calibration by maps that have not seen them: `calibratedLogLoss`, `calibratedBrier`, `calibratedMeanPd`,
 * `calibrationError` (mean gap between PD and bad rate over the table's groups, by rows) and, where they exist,
 * `calibrationSlope` and `calibrationIntercept` (1 and 0 when calibration is perfect). Without a map the figures
 * after calibration are those before it. With fewer than kMin hold-out rows there is only their number.
 * @throws FederationError DATA_SOURCE when the rows kept back are not those that the plan says (rows/kept-back.ts)
 */
export function readEvaluation(
  prefix: string,
  segments: readonly Segment[],
  sum: RingSum,
  { method, kMin, ...draw }: EvaluationSettings,
): Evaluation {
  const numbers = (name: string) => sum.numbers(`${prefix}${name}`);
  const halves = HALVES.map((half) => ({
    bad: numbers(`${half}Bad`),
    good: numbers(`${half}Good`),
    logits: numbers(`${half}Logits`).map((q) => q / QUANTA),
  })) as unknown as Halves;
  const all = together(...halves);
  const { bad, good } = all;
  const bads = bad.reduce((a, b) => a + b, 0);
  const rows = good.reduce((a, b) => a + b, bads);
  const training = { rows: numbers('TrainingRows')[0]!, bads: numbers('TrainingBads')[0]! };
  assertKeptBack({ rows, bads }, training, draw);
  const { map, ofHalf } = chooseMap(method, halves, kMin);
  const ofBins = Array.from(bad, (_, bin) => pdOfBin(halves, ofHalf, bin));
  const table = groupBins(all, enoughFor(all, kMin)).map(({ rows, bads, from, to }, i, { length }) => ({
    rows,
    bads,
    meanPd: ofBins.slice(from, to).reduce((sum, { pds }) => sum + pds, 0) / rows,
    ...(i < length - 1 ? { logitBelow: scoreBinEnd(to - 1, SCORE_BINS) } : {}),
  }));
  const calibration = { map, table, hosmerLemeshow: hosmerLemeshow(table) };
  if (rows < kMin) return { metrics: { holdoutRows: rows }, calibration, segments: [] };
  const pds = Float64Array.from(ofBins, ({ rows, pds }) => (rows === 0 ? 0 : pds / rows));
  const mean = (name: string) => numbers(name)[0]! / QUANTA / rows;
  const before = { logLoss: mean('LogLoss'), brier: mean('Brier'), meanPd: mean('Pd') };
  const discrimination = discriminationOf(bad, good);
  return {
    metrics: {
      holdoutRows: rows,
      badRate: bads / rows,
      ...before,
      ...(discrimination === undefined
        ? {}
        : {
            ...{ ...discrimination, gini: 2 * discrimination.auc - 1 },
            ...skill(before.logLoss, before.brier, bads / rows),
          }),
      ...calibratedMetrics(halves, ofHalf, table, before),
    },
    calibration,
    segments: readSegments(prefix, sum, segments, pds, kMin),
  };
}

/** Against a baseline that knows the bad rate and nothing of the applicant. @param rate strictly between 0 and 1 */
function skill(logLoss: number, brier: number, rate: number): Record<string, number> {
  const entropy = -(rate * log(rate) + (1 - rate) * log(1 - rate));
  return { logLossSkill: 1 - logLoss / entropy, brierSkill: 1 - brier / (rate * (1 - rate)) };
}

/** Hold-out rows of one score bin and both halves, the PDs of each half by the map fitted to the other one. */
function pdOfBin(halves: Halves, ofHalf: ChosenMap['ofHalf'], bin: number): { rows: number; pds: number } {
  let [rows, pds] = [0, 0];
  halves.forEach(({ bad, good, logits }, h) => {
    const n = bad[bin]! + good[bin]!;
    if (n === 0) return;
    rows += n;
    pds += n * sigmoid(judgedLogit(ofHalf[h]!, logits[bin]! / n));
  });
  return { rows, pds };
}

function enoughFor({ bad, good }: ScoreBins, kMin: number): (group: Group) => boolean {
  let rows = 0;
  for (let i = 0; i < bad.length; i++) rows += bad[i]! + good[i]!;
  return (group) => group.rows >= kMin && group.rows * TABLE_GROUPS >= rows;
}

/** What calibration changes, by maps that have not seen the rows: added to the figures before it. */
function calibratedMetrics(
  halves: Halves,
  ofHalf: ChosenMap['ofHalf'],
  table: CalibrationRecord['table'],
  before: Readonly<Record<'logLoss' | 'brier' | 'meanPd', number>>,
): Record<string, number> {
  if (table.length === 0) return {};
  let [rows, logLoss, brier, pd] = [0, 0, 0, 0];
  const calibrated = halves.map((half, h) => {
    const logits = new Float64Array(half.bad.length);
    for (const { bin, bads, goods, logit } of filledBins(half)) {
      const z = judgedLogit(ofHalf[h]!, logit);
      const [p, q] = [sigmoid(z), sigmoid(limited(logit))];
      logits[bin] = z * (bads + goods);
      rows += bads + goods;
      logLoss += bads * (logLossOf(z, 1) - logLossOf(limited(logit), 1));
      logLoss += goods * (logLossOf(z, 0) - logLossOf(limited(logit), 0));
      brier += bads * ((1 - p) * (1 - p) - (1 - q) * (1 - q)) + goods * (p * p - q * q);
      pd += (bads + goods) * (p - q);
    }
    return { ...half, logits };
  });
  const line = fitPlatt(sideBySide(calibrated as [ScoreBins, ScoreBins]));
  return {
    calibratedLogLoss: before.logLoss + logLoss / rows,
    calibratedBrier: before.brier + brier / rows,
    calibratedMeanPd: before.meanPd + pd / rows,
    calibrationError: expectedCalibrationError(table),
    ...(line?.method === 'platt'
      ? { calibrationSlope: line.slope, calibrationIntercept: line.intercept }
      : {}),
  };
}

/** The bins of both halves as bins of their own: their rows have other log-odds after calibration. */
function sideBySide([a, b]: Halves): ScoreBins {
  const both = (of: keyof ScoreBins) => Float64Array.of(...a[of], ...b[of]);
  return { bad: both('bad'), good: both('good'), logits: both('logits') };
}
