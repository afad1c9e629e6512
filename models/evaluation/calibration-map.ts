/**
 * From a model's log-odds to log-odds one may read as a probability. The map is fitted to summed score
 * histograms: a score bin stands for its rows by their mean log-odds, which with bins 0.04 wide moves a PD by
 * less than 0.0001.
 *
 *   platt      slope · z + intercept, by maximum likelihood (Platt 1999, without his smoothing of outcomes)
 *   isotonic   pool adjacent violators (Ayer et al. 1955) over groups of score bins, linear in between and
 *              constant outside; for books with thousands of bads
 */
import { z } from 'zod';
import { log, sigmoid } from '#models/arithmetic/exp-log.ts';

const logits = z.array(z.number()).min(1).max(1000);

export const calibrationMap = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('identity') }),
  z.strictObject({ method: z.literal('platt'), slope: z.number().positive(), intercept: z.number() }),
  z
    .strictObject({ method: z.literal('isotonic'), logits, values: logits })
    .refine((m) => m.logits.length === m.values.length, { message: 'as many values as logits' })
    .refine((m) => ascending(m.logits) && ascending(m.values), { message: 'must ascend' }),
]);
export type CalibrationMap = z.infer<typeof calibrationMap>;

/** What is known of a model's calibration: the map, and how it does on rows it was not fitted to. */
export const calibrationRecord = z.strictObject({
  map: calibrationMap,
  /** Groups of the judging rows by ascending PD, at most ten, each of at least kMin rows. */
  table: z
    .array(
      z.strictObject({
        rows: z.int().min(1),
        bads: z.int().min(0),
        /** Mean calibrated PD. */
        meanPd: z.number().min(0).max(1),
        /** Log-odds before calibration that the group's rows lie below; the last group has no upper end. */
        logitBelow: z.number().optional(),
      }),
    )
    .max(10),
  /** Over the groups of the table, with as many degrees of freedom, for the rows are not the fitted ones. */
  hosmerLemeshow: z.strictObject({
    chiSquare: z.number().min(0),
    degrees: z.int().min(0),
    p: z.number().min(0).max(1),
  }),
});
export type CalibrationRecord = z.infer<typeof calibrationRecord>;

/** Bins of ascending score: bads, goods, and the sum of their rows' log-odds. */
export interface ScoreBins {
  readonly bad: Float64Array;
  readonly good: Float64Array;
  readonly logits: Float64Array;
}

function ascending(values: readonly number[]): boolean {
  return values.every((x, i) => i === 0 || values[i - 1]! <= x);
}

/** The calibrated log-odds of a model's log-odds. */
export function calibratedLogit(map: CalibrationMap, logit: number): number {
  switch (map.method) {
    case 'identity':
      return logit;
    case 'platt':
      return map.slope * logit + map.intercept;
    case 'isotonic':
      return interpolated(map.logits, map.values, logit);
  }
}

function interpolated(xs: readonly number[], ys: readonly number[], x: number): number {
  let above = 0;
  while (above < xs.length && xs[above]! < x) above++;
  if (above === 0) return ys[0]!;
  if (above === xs.length) return ys[above - 1]!;
  const share = (x - xs[above - 1]!) / (xs[above]! - xs[above - 1]!);
  return ys[above - 1]! + share * (ys[above]! - ys[above - 1]!);
}

/** Fewer of either outcome say less about slope and intercept than the model itself does. */
const PLATT_EACH_MIN = 10;
const STEPS_MAX = 50;

/**
 * @returns undefined when there are too few rows of one outcome, when scores and outcomes are separable or
 *   when the scores rank the wrong way round: then no rising line is the most likely one
 */
export function fitPlatt({ bad, good, logits }: ScoreBins): CalibrationMap | undefined {
  if (total(bad) < PLATT_EACH_MIN || total(good) < PLATT_EACH_MIN) return undefined;
  let [slope, intercept] = [1, 0];
  for (let step = 0; step < STEPS_MAX; step++) {
    let [g0, g1, h00, h01, h11] = [0, 0, 0, 0, 0];
    for (let i = 0; i < bad.length; i++) {
      const n = bad[i]! + good[i]!;
      if (n === 0) continue;
      const x = logits[i]! / n;
      const p = sigmoid(slope * x + intercept);
      const residual = bad[i]! - n * p;
      const weight = n * p * (1 - p);
      g0 += residual;
      g1 += residual * x;
      h00 += weight;
      h01 += weight * x;
      h11 += weight * x * x;
    }
    const determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 1e-9 * h00 * h11)) return undefined;
    let dIntercept = (h11 * g0 - h01 * g1) / determinant;
    let dSlope = (h00 * g1 - h01 * g0) / determinant;
    const size = Math.max(Math.abs(dIntercept), Math.abs(dSlope));
    if (size > 2) {
      // far from the maximum a full step can overshoot into where the likelihood is flat
      dIntercept *= 2 / size;
      dSlope *= 2 / size;
    }
    intercept += dIntercept;
    slope += dSlope;
    if (size < 1e-10) return slope > 0 ? { method: 'platt', slope, intercept } : undefined;
  }
  return undefined;
}

/** Fewer bads in all, and the steps are noise. */
const ISOTONIC_BADS_MIN = 1000;
const GROUP_BADS_MIN = 20;

/**
 * @param kMin fewest rows of a step
 * @returns undefined when there are fewer than 1000 bads
 */
export function fitIsotonic({ bad, good, logits }: ScoreBins, kMin: number): CalibrationMap | undefined {
  if (total(bad) < ISOTONIC_BADS_MIN) return undefined;
  const groups = groupBins(
    { bad, good, logits },
    (g) => g.bads >= GROUP_BADS_MIN && g.rows - g.bads >= GROUP_BADS_MIN && g.rows >= kMin,
  );
  const blocks: Group[] = [];
  for (const group of groups) {
    let block = group;
    // a block whose bad rate is not above its lower neighbour's joins it
    for (let last = blocks.at(-1); last !== undefined && !rises(last, block); last = blocks.at(-1)) {
      block = joined(last, block);
      blocks.pop();
    }
    blocks.push(block);
  }
  if (blocks.length < 2) return undefined;
  return {
    method: 'isotonic',
    logits: blocks.map((b) => b.logits / b.rows),
    values: blocks.map((b) => log(b.bads / (b.rows - b.bads))),
  };
}

/** Neighbouring score bins taken together. */
export interface Group {
  readonly rows: number;
  readonly bads: number;
  /** Sum of the rows' log-odds. */
  readonly logits: number;
  /** First bin and the one after the last. */
  readonly from: number;
  readonly to: number;
}

/** Joins bins from the lowest score up until each group is large enough; what remains joins the last group. */
export function groupBins({ bad, good, logits }: ScoreBins, enough: (group: Group) => boolean): Group[] {
  const groups: Group[] = [];
  let open: Group | undefined;
  for (let i = 0; i < bad.length; i++) {
    const rows = bad[i]! + good[i]!;
    if (rows === 0) continue;
    const bin = { rows, bads: bad[i]!, logits: logits[i]!, from: i, to: i + 1 };
    open = open === undefined ? bin : joined(open, bin);
    if (enough(open)) {
      groups.push(open);
      open = undefined;
    }
  }
  const last = groups.pop();
  if (last !== undefined) groups.push(open === undefined ? last : joined(last, open));
  return groups;
}

function joined(a: Group, b: Group): Group {
  return {
    rows: a.rows + b.rows,
    bads: a.bads + b.bads,
    logits: a.logits + b.logits,
    from: a.from,
    to: b.to,
  };
}

/** Whether b's bad rate is above a's. */
function rises(a: Group, b: Group): boolean {
  return b.bads * a.rows > a.bads * b.rows;
}

function total(counts: Float64Array): number {
  return counts.reduce((a, b) => a + b, 0);
}
