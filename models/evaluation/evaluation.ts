/**
 * One evaluation of a model on hold-out rows, as a part of a question: what the banks add up, and what is
 * read from the sum. The hold-out is halved by record key: the calibration map is fitted to one half and
 * judged on the other. Ranking (AUC, KS) and the losses of the model as it is are taken over both.
 *
 * All fields are u64 with scale 1; log-odds and losses are whole quanta of 2^-20, so that sums do not depend
 * on how rows are spread. 128 banks of 2^20 rows fit.
 */
import { log, logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';
import {
  calibratedLogit,
  fitIsotonic,
  fitPlatt,
  groupBins,
  type CalibrationMap,
  type CalibrationRecord,
  type Group,
  type ScoreBins,
} from '#models/evaluation/calibration-map.ts';
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
/** Log-odds are limited to ±32 and losses thereby to 33: a PD of 1e-14 is as good as none. */
const LOGIT_LIMIT = 32;
const LOSS_LIMIT = 33;
const TABLE_GROUPS = 10;

/** How many rows of the largest loss a bank's sums may have room for, with so many banks. */
export function lossRowsMax(participants: number): number {
  return Math.min(ROWS_MAX, Math.floor(2 ** 53 / (participants * LOSS_LIMIT * QUANTA)) - 1);
}

const HISTOGRAMS = ['FitBad', 'FitGood', 'JudgeBad', 'JudgeGood'] as const;
const LOGIT_SUMS = ['FitLogits', 'JudgeLogits'] as const;
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
    ...LOGIT_SUMS.map((name) => field(name, SCORE_BINS, rowsMax * LOGIT_LIMIT * QUANTA)),
    ...LOSS_SUMS.map((name) => field(name, 1, rowsMax * LOSS_LIMIT * QUANTA)),
    ...TRAINING_SUMS.map((name) => field(name, 1, ROWS_MAX)),
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
  const fit = new Uint8Array(bad.length);
  for (const row of rowsKept(keys, 'calibration', seed, 0.5)) fit[row] = 1;
  const answer: Record<string, Float64Array> = {};
  for (const { name, length } of evaluationFields(prefix, [])) answer[name] = new Float64Array(length);
  const sums = (name: string) => answer[`${prefix}${name}`]!;
  sums('TrainingRows')[0] = split.training.table.rowCount;
  sums('TrainingBads')[0] = countBads(split.training.table);
  const [logLoss, brier, pd] = LOSS_SUMS.map(sums) as [Float64Array, Float64Array, Float64Array];
  const halves = ['Judge', 'Fit'].map((half) => ({
    good: sums(`${half}Good`),
    bad: sums(`${half}Bad`),
    logits: sums(`${half}Logits`),
  }));
  for (let i = 0; i < logits.length; i++) {
    const z = limited(logits[i]!);
    const y = bad[i]!;
    const bin = scoreBin(z, SCORE_BINS);
    const half = halves[fit[i]!]!;
    (y === 1 ? half.bad : half.good)[bin]! += 1;
    half.logits[bin]! += quanta(z);
    const p = sigmoid(z);
    logLoss[0]! += quanta(logLossOf(z, y));
    brier[0]! += quanta((p - y) * (p - y));
    pd[0]! += quanta(p);
  }
  return { ...answer, ...answerSegments(prefix, segments, table, logits) };
}

function limited(logit: number): number {
  return logit > LOGIT_LIMIT ? LOGIT_LIMIT : logit < -LOGIT_LIMIT ? -LOGIT_LIMIT : logit;
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
 * that the model saves against a baseline which gives everybody the bad rate. Over the judging half and after calibration:
 * `calibratedLogLoss`, `calibratedBrier`, `calibratedMeanPd`, `calibrationError` (mean gap between PD and bad
 * rate over the table's groups, by rows) and, where they exist, `calibrationSlope` and `calibrationIntercept`
 * (1 and 0 when calibration is perfect). With fewer than kMin hold-out rows there is only their number.
 *
 * A method for which the rows do not suffice gives way: isotonic to platt, platt to identity, which is all there is
 * below kMin rows to fit to. Platt's line also gives way when the rows cannot tell it from identity (likelihood
 * ratio, 5 %): a line fitted to little then adds more error than it removes.
 * @throws FederationError DATA_SOURCE when the rows kept back are not those that the plan says (rows/kept-back.ts)
 */
export function readEvaluation(
  prefix: string,
  segments: readonly Segment[],
  sum: RingSum,
  { method, kMin, ...draw }: EvaluationSettings,
): Evaluation {
  const numbers = (name: string) => sum.numbers(`${prefix}${name}`);
  const halfOf = (half: 'Fit' | 'Judge'): ScoreBins => ({
    bad: numbers(`${half}Bad`),
    good: numbers(`${half}Good`),
    logits: numbers(`${half}Logits`).map((q) => q / QUANTA),
  });
  const [fit, judging] = [halfOf('Fit'), halfOf('Judge')];
  const bad = judging.bad.map((b, i) => b + fit.bad[i]!);
  const good = judging.good.map((g, i) => g + fit.good[i]!);
  const bads = bad.reduce((a, b) => a + b, 0);
  const rows = good.reduce((a, b) => a + b, bads);
  const training = { rows: numbers('TrainingRows')[0]!, bads: numbers('TrainingBads')[0]! };
  assertKeptBack({ rows, bads }, training, draw);
  const map = fitMap(method, fit, kMin);
  const table = groupBins(judging, enoughFor(judging, kMin)).map((group, i, { length }) => ({
    ...tableRow(group, judging, map),
    ...(i < length - 1 ? { logitBelow: scoreBinEnd(group.to - 1, SCORE_BINS) } : {}),
  }));
  const calibration = { map, table, hosmerLemeshow: hosmerLemeshow(table) };
  if (rows < kMin) return { metrics: { holdoutRows: rows }, calibration, segments: [] };
  const pds = pdOfBins(fit, judging, map);
  const mean = (name: string) => numbers(name)[0]! / QUANTA / rows;
  const discrimination = discriminationOf(bad, good);
  return {
    metrics: {
      holdoutRows: rows,
      badRate: bads / rows,
      logLoss: mean('LogLoss'),
      brier: mean('Brier'),
      meanPd: mean('Pd'),
      ...(discrimination === undefined
        ? {}
        : {
            ...{ ...discrimination, gini: 2 * discrimination.auc - 1 },
            ...skill(mean('LogLoss'), mean('Brier'), bads / rows),
          }),
      ...calibratedMetrics(judging, map, table),
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

/** Mean calibrated PD of the rows in each score bin; 0 where there are none. */
function pdOfBins(a: ScoreBins, b: ScoreBins, map: CalibrationMap): Float64Array {
  return Float64Array.from(a.bad, (_, bin) => {
    const rows = a.bad[bin]! + a.good[bin]! + b.bad[bin]! + b.good[bin]!;
    return rows === 0 ? 0 : sigmoid(judgedLogit(map, (a.logits[bin]! + b.logits[bin]!) / rows));
  });
}

function fitMap(method: EvaluationSettings['method'], fit: ScoreBins, kMin: number): CalibrationMap {
  const isotonic = method === 'isotonic' ? fitIsotonic(fit, kMin) : undefined;
  if (isotonic !== undefined) return isotonic;
  const identity: CalibrationMap = { method: 'identity' };
  const rows = fit.bad.reduce((n, bads, i) => n + bads + fit.good[i]!, 0);
  const platt = method === 'identity' || rows < kMin ? undefined : fitPlatt(fit);
  if (platt === undefined) return identity;
  return 2 * (logLossUnder(identity, fit) - logLossUnder(platt, fit)) > LINE_EARNED ? platt : identity;
}

/** χ² with two degrees of freedom exceeds this in 5 % of samples. */
const LINE_EARNED = 5.991464547107979;

function logLossUnder(map: CalibrationMap, { bad, good, logits }: ScoreBins): number {
  let sum = 0;
  for (let i = 0; i < bad.length; i++) {
    const n = bad[i]! + good[i]!;
    if (n === 0) continue;
    const z = judgedLogit(map, logits[i]! / n);
    sum += bad[i]! * logLossOf(z, 1) + good[i]! * logLossOf(z, 0);
  }
  return sum;
}

function enoughFor({ bad, good }: ScoreBins, kMin: number): (group: Group) => boolean {
  let rows = 0;
  for (let i = 0; i < bad.length; i++) rows += bad[i]! + good[i]!;
  return (group) => group.rows >= kMin && group.rows * TABLE_GROUPS >= rows;
}

function tableRow(
  { rows, bads, from, to }: Group,
  { bad, good, logits }: ScoreBins,
  map: CalibrationMap,
): CalibrationRecord['table'][number] {
  let pd = 0;
  for (let i = from; i < to; i++) {
    const n = bad[i]! + good[i]!;
    if (n > 0) pd += n * sigmoid(judgedLogit(map, logits[i]! / n));
  }
  return { rows, bads, meanPd: pd / rows };
}

/** Limited, so that a PD is never 0 or 1, by which χ² would be divided. */
function judgedLogit(map: CalibrationMap, logit: number): number {
  return limited(calibratedLogit(map, logit));
}

function calibratedMetrics(
  judging: ScoreBins,
  map: CalibrationMap,
  table: CalibrationRecord['table'],
): Record<string, number> {
  const { bad, good, logits } = judging;
  let [rows, brier, pd] = [0, 0, 0];
  const calibrated = new Float64Array(bad.length);
  for (let i = 0; i < bad.length; i++) {
    const n = bad[i]! + good[i]!;
    if (n === 0) continue;
    const z = judgedLogit(map, logits[i]! / n);
    const p = sigmoid(z);
    calibrated[i] = z * n;
    rows += n;
    brier += bad[i]! * (1 - p) * (1 - p) + good[i]! * p * p;
    pd += n * p;
  }
  if (table.length === 0) return {};
  const line = fitPlatt({ bad, good, logits: calibrated });
  return {
    calibratedLogLoss: logLossUnder(map, judging) / rows,
    calibratedBrier: brier / rows,
    calibratedMeanPd: pd / rows,
    calibrationError: expectedCalibrationError(table),
    ...(line?.method === 'platt'
      ? { calibrationSlope: line.slope, calibrationIntercept: line.intercept }
      : {}),
  };
}
