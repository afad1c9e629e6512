/**
 * Which calibration map a model is shipped with. Hold-out rows are in two halves; a map fitted to one is tried on the
 * other (Stone 1974), so that every row tells of a map that has not seen it. The map for use is fitted to both.
 *
 * A map fitted to few bads adds more error than it removes, and is then no map:
 *
 *  1. Platt's line is drawn towards identity by what chance alone explains of its likelihood,
 *       slope = 1 + s·(slope − 1),  intercept = s·intercept,  s = 1 − χ² / LR,  none where s ≤ 0
 *     with LR = 2·(log-loss under identity − log-loss under the line) and χ² = 13.8, which LR exceeds in one of
 *     1000 samples where identity is right (as the positive-part rule of James & Stein 1961 with a larger constant).
 *  2. What a map saves on the rows it has not seen must be above zero by a standard error.
 *
 * By simulation of the asymptotic case, in nats over all rows: where identity is right, or nearly so, this costs less
 * than 0.001, and it saves from the point on where the rows begin to show that the model is wrong. Rule 2 alone costs up
 * to 0.10, a test of LR at 5 % on one half up to 0.53. On data: `scripts/bench/bench-calibration.ts`.
 */
import { logLossOf } from '#models/arithmetic/exp-log.ts';
import {
  calibratedLogit,
  fitIsotonic,
  fitPlatt,
  type CalibrationMap,
  type ScoreBins,
} from '#models/evaluation/calibration-map.ts';

export type Halves = readonly [ScoreBins, ScoreBins];

export interface ChosenMap {
  /** For use: fitted to all hold-out rows. */
  readonly map: CalibrationMap;
  /** To judge by: of each half, the map fitted to the other one. */
  readonly ofHalf: readonly [CalibrationMap, CalibrationMap];
}

const IDENTITY: CalibrationMap = { method: 'identity' };
/** χ² with two degrees of freedom exceeds this in one of 1000 samples: −2·ln 0.001. */
const CHANCE = 13.815510557964274;
/** Log-odds are limited to ±32: a PD of 1e-14 is as good as none, and none is 0 or 1, by which χ² would be divided. */
export const LOGIT_LIMIT = 32;

/**
 * A method for which the rows do not suffice gives way: isotonic to platt, platt to identity.
 * @param kMin fewest rows in each half
 */
export function chooseMap(
  method: 'identity' | 'platt' | 'isotonic',
  halves: Halves,
  kMin: number,
): ChosenMap {
  const none: ChosenMap = { map: IDENTITY, ofHalf: [IDENTITY, IDENTITY] };
  if (method === 'identity' || halves.some((half) => rowsOf(half) < kMin)) return none;
  const isotonic = (bins: ScoreBins) => fitIsotonic(bins, kMin);
  const steps = method === 'isotonic' ? earning(fitted(isotonic, halves), halves) : undefined;
  return steps ?? earning(drawn(fitted(fitPlatt, halves), halves), halves) ?? none;
}

type Fit = (bins: ScoreBins) => CalibrationMap | undefined;

function fitted(fit: Fit, [first, second]: Halves): ChosenMap | undefined {
  const [map, toFirst, toSecond] = [together(first, second), first, second].map(fit);
  if (map === undefined || toFirst === undefined || toSecond === undefined) return undefined;
  return { map, ofHalf: [toSecond, toFirst] };
}

/** Rule 1. */
function drawn(chosen: ChosenMap | undefined, [first, second]: Halves): ChosenMap | undefined {
  if (chosen === undefined) return undefined;
  const ratio = 2 * savedOn(together(first, second), chosen.map).nats;
  if (!(ratio > CHANCE)) return undefined;
  const share = 1 - CHANCE / ratio;
  const towardsIdentity = (map: CalibrationMap): CalibrationMap =>
    map.method === 'platt'
      ? { ...map, slope: 1 + share * (map.slope - 1), intercept: share * map.intercept }
      : map;
  const [ofFirst, ofSecond] = chosen.ofHalf;
  return { map: towardsIdentity(chosen.map), ofHalf: [towardsIdentity(ofFirst), towardsIdentity(ofSecond)] };
}

/** Rule 2. */
function earning(chosen: ChosenMap | undefined, halves: Halves): ChosenMap | undefined {
  if (chosen === undefined) return undefined;
  const [a, b] = halves.map((half, i) => savedOn(half, chosen.ofHalf[i]!)) as [Saved, Saved];
  return a.nats + b.nats > Math.sqrt(a.variance + b.variance) ? chosen : undefined;
}

interface Saved {
  /** Log-loss under identity, less that under the map, over all rows. */
  readonly nats: number;
  /** Of `nats`, where rows are independent. */
  readonly variance: number;
}

function savedOn(bins: ScoreBins, map: CalibrationMap): Saved {
  let [rows, nats, squares] = [0, 0, 0];
  for (const { bads, goods, logit } of filledBins(bins)) {
    const mapped = judgedLogit(map, logit);
    const ofBad = logLossOf(limited(logit), 1) - logLossOf(mapped, 1);
    const ofGood = logLossOf(limited(logit), 0) - logLossOf(mapped, 0);
    rows += bads + goods;
    nats += bads * ofBad + goods * ofGood;
    squares += bads * ofBad * ofBad + goods * ofGood * ofGood;
  }
  return { nats, variance: rows === 0 ? 0 : squares - (nats * nats) / rows };
}

/** The bins that have rows, with the mean log-odds of these. */
export function filledBins({ bad, good, logits }: ScoreBins): {
  readonly bin: number;
  readonly bads: number;
  readonly goods: number;
  readonly logit: number;
}[] {
  const filled = [];
  for (let bin = 0; bin < bad.length; bin++) {
    const rows = bad[bin]! + good[bin]!;
    if (rows > 0) filled.push({ bin, bads: bad[bin]!, goods: good[bin]!, logit: logits[bin]! / rows });
  }
  return filled;
}

/** Both halves, bin by bin. */
export function together(a: ScoreBins, b: ScoreBins): ScoreBins {
  const sum = (of: keyof ScoreBins) => a[of].map((x, i) => x + b[of][i]!);
  return { bad: sum('bad'), good: sum('good'), logits: sum('logits') };
}

export function judgedLogit(map: CalibrationMap, logit: number): number {
  return limited(calibratedLogit(map, logit));
}

export function limited(logit: number): number {
  return logit > LOGIT_LIMIT ? LOGIT_LIMIT : logit < -LOGIT_LIMIT ? -LOGIT_LIMIT : logit;
}

function rowsOf({ bad, good }: ScoreBins): number {
  return bad.reduce((n, bads, i) => n + bads + good[i]!, 0);
}
