/**
 * From PD to score and back. A scaling is anchored at one score and its odds **good to bad**, and doubles the odds
 * every `pdo` points:
 *
 *   B = pdo / ln 2,  A = score − B · ln(odds),  Score = A − B · ln(p / (1 − p)),  p = 1 / (1 + e^((Score − A) / B))
 *
 * With the default, 600 at 30:1 and 60 points: B = 86.5617, A = 305.5866.
 */
import { z } from 'zod';
import { log } from '#models/arithmetic/exp-log.ts';

export const scaling = z
  .strictObject({
    /** The anchor: this score has … */
    score: z.number().default(600),
    /** … these odds, good to bad. */
    odds: z.number().positive().default(30),
    /** Points that double the odds. */
    pdo: z.number().positive().default(60),
    /** Scores are cut to [min, max]. */
    min: z.number().default(300),
    max: z.number().default(850),
  })
  .refine((s) => s.min < s.max, { message: 'min must be below max' });
export type Scaling = z.infer<typeof scaling>;

export interface ScaledScore {
  /** Within [min, max], not rounded. */
  readonly score: number;
  /** Whether it was beyond and has been cut. */
  readonly clipped: boolean;
}

/** B: points for one unit of log-odds. */
export function pointsPerLogOdds({ pdo }: Scaling): number {
  return pdo / Math.LN2;
}

/** A: the score at even odds. */
export function scoreAtEvenOdds(of: Scaling): number {
  return of.score - pointsPerLogOdds(of) * log(of.odds);
}

/** @param logit log-odds of bad */
export function scoreOfLogit(logit: number, of: Scaling): ScaledScore {
  const raw = scoreAtEvenOdds(of) - pointsPerLogOdds(of) * logit;
  const score = Math.min(of.max, Math.max(of.min, raw));
  return { score, clipped: score !== raw };
}

/** @param pd probability of default, in (0, 1) */
export function scoreOfPd(pd: number, of: Scaling): ScaledScore {
  return scoreOfLogit(log(pd / (1 - pd)), of);
}

/** Points gained (below zero: lost) by a contribution to the log-odds of bad. */
export function pointsOf(logOdds: number, of: Scaling): number {
  return -pointsPerLogOdds(of) * logOdds;
}
