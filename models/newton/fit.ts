/**
 * A fit as a fold: each Newton round answers with the sums at the coefficients asked about, and gives the
 * coefficients to ask about next. A step that made the objective (log-loss and penalty) larger is cut back
 * from where it began; from coefficients of zero and few bads, full steps can go to and fro for ever.
 */
import { newtonStep, shorterStep } from '#models/newton/newton.ts';
import type { ReadSums } from '#models/newton/likelihood-sums.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Rounds one fit may take; most take five to eight. */
export const FIT_ROUNDS = 15;
/** A step smaller than this changes no score by a millionth of a point. */
const CONVERGED = 1e-9;

export interface Fit {
  /** To ask about, the intercept first. */
  readonly coefficients: readonly number[];
  /** Where the last step began; none at the start. */
  readonly before: StepTaken | undefined;
  /** Rounds answered. */
  readonly rounds: number;
}

interface StepTaken {
  readonly coefficients: readonly number[];
  readonly objective: number;
  readonly step: readonly number[];
  /** See `newtonStep`. */
  readonly rise: number;
  /** How much of the step was taken. */
  readonly size: number;
}

export type FitStep =
  /** These inputs (1 …) follow from those before them: go on without them, by `startFit`. */
  | { readonly kind: 'collinear'; readonly fit: Fit; readonly inputs: readonly number[] }
  | {
      readonly kind: 'moved';
      readonly fit: Fit;
      /** Largest change of a coefficient; infinite when the step before was cut back. */
      readonly step: number;
      readonly converged: boolean;
    };

export function startFit(coefficients: readonly number[]): Fit {
  return { coefficients, before: undefined, rounds: 0 };
}

/** @param sums at `fit.coefficients` */
export function advanceFit(fit: Fit, sums: ReadSums, ridge: number): FitStep {
  const { coefficients, before } = fit;
  const rounds = fit.rounds + 1;
  const penalty = coefficients.reduce((sum, c, j) => sum + (j === 0 ? 0 : (ridge / 2) * c * c), 0);
  const objective = sums.logLoss + penalty;
  if (before !== undefined && objective > before.objective + sums.logLossGrain) {
    const size = shorterStep(before.size, objective - before.objective, before.rise);
    return { kind: 'moved', fit: takeStep({ ...before, size }, rounds), step: Infinity, converged: false };
  }
  const result = newtonStep(sums, coefficients, ridge);
  if (result.kind === 'collinear')
    return { kind: 'collinear', fit: { ...fit, rounds }, inputs: result.inputs };
  const step = result.step.reduce((max, s) => Math.max(max, Math.abs(s)), 0);
  const moved = takeStep({ ...result, coefficients, objective, size: 1 }, rounds);
  return { kind: 'moved', fit: moved, step, converged: step < CONVERGED };
}

function takeStep(taken: StepTaken, rounds: number): Fit {
  const coefficients = taken.coefficients.map((c, j) => c + taken.size * taken.step[j]!);
  return { coefficients, before: taken, rounds };
}

/**
 * Before another round is asked for.
 * @param roundsBefore of the fits before this one
 * @param roundsMax of all fits together
 * @throws FederationError DIVERGED when there are no rounds left
 */
export function assertRoundsLeft({ rounds }: Fit, roundsBefore: number, roundsMax: number): void {
  if (rounds >= FIT_ROUNDS) {
    throw new FederationError(
      'DIVERGED',
      `the fit did not converge in ${FIT_ROUNDS} Newton rounds: bads and goods are nearly separable; set newton.ridge to 1 or more`,
    );
  }
  if (roundsBefore + rounds >= roundsMax) {
    throw new FederationError(
      'DIVERGED',
      `the fit did not end within the ${roundsMax} rounds of newton.rounds; allow more`,
    );
  }
}
