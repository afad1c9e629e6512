/**
 * A scorecard: grouped characteristics, their weights of evidence in a logistic regression, points.
 *
 *   quantiles (at most four questions) → binCounts → newton … newton → evaluate
 *
 * Exact: the same artefact, byte for byte, for the same rows however they are spread over banks, and the same
 * as from all rows in one place (where rows of a bank tie, see rows/record-keys.ts). Rows held out by record key
 * judge the model; all else is learned from the others.
 *
 * What everybody sees besides the artefact: the counts of all fine bins, summed over the banks, and the
 * gradient and Hessian of every Newton round. Where one bank alone has rows in a bin, the sum is its count.
 */
import { createArtefact } from '#models/artefact.ts';
import { segmentsOf } from '#models/evaluation/segments.ts';
import { evaluationFields, readEvaluation } from '#models/evaluation/evaluation.ts';
import { binCountFields, readBinCounts, type BinCounts } from '#models/preprocessing/bin-counts.ts';
import { binsOf, type FeatureBins } from '#models/preprocessing/bins.ts';
import {
  equalFractions,
  nextQuantiles,
  startQuantiles,
  type FeatureQuantiles,
  type QuantileState,
  type QuantileStep,
} from '#models/preprocessing/quantiles.ts';
import type { Metrics, Program, ProgramSetup, Question, Step } from '#models/program.ts';
import { assertEnough, modeOf } from '#models/preprocessing/row-counts.ts';
import { parseSettings } from '#models/program-settings.ts';
import {
  groupFeatures,
  rejectedFor,
  selectByValue,
  type Characteristic,
  type Rejected,
} from '#models/scorecard/characteristics.ts';
import { assertDirections, nextToGo } from '#models/scorecard/elimination.ts';
import { advanceFit, assertRoundsLeft, FIT_ROUNDS, startFit, type Fit } from '#models/newton/fit.ts';
import { likelihoodFields, readLikelihood } from '#models/newton/likelihood-sums.ts';
import { inference, withoutInput, type Inference } from '#models/newton/newton.ts';
import { reasonWith, remarkFigures, remarks } from '#models/scorecard/remarks.ts';
import { pointsOfGroups } from '#models/scorecard/points.ts';
import { withheldCells } from '#models/rows/withheld-cells.ts';
import { scorecardSettings, scorecardRounds, type ScorecardSettings } from '#models/scorecard/settings.ts';
import { log } from '#models/arithmetic/exp-log.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { assertNoOverflow, type Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/** Fewest bads of a group whose counts the artefact says, even where the plan makes groups of fewer. */
const PUBLISHED_BADS_MIN = 10;
/** After a step smaller than this it is clear which characteristic goes next; the fits in between stop here. */
const CLEAR = 1e-3;

interface Common {
  readonly setup: ProgramSetup;
  readonly settings: ScorecardSettings;
}

interface Binned extends Common {
  readonly bins: readonly FeatureBins[];
  /** Of each number feature. */
  readonly medians: readonly (number | undefined)[];
}

interface Fitting extends Binned {
  readonly baseline: readonly (number | string | null)[];
  readonly rows: number;
  readonly bads: number;
  readonly selected: readonly Characteristic[];
  readonly rejected: readonly Rejected[];
  /** Of the intercept and each of `selected`. */
  readonly fit: Fit;
  /** Newton rounds of the fits before. */
  readonly roundsBefore: number;
}

interface Fitted extends Fitting {
  readonly inferred: readonly Inference[];
  readonly trainingLogLoss: number;
  readonly reason: string;
}

export type ScorecardState =
  | (Common & { readonly phase: 'quantiles'; readonly search: QuantileState })
  | (Binned & { readonly phase: 'binCounts' })
  | (Fitting & { readonly phase: 'newton' })
  | (Fitted & { readonly phase: 'evaluate' });

export const scorecard: Program<ScorecardState> = {
  name: 'scorecard',

  isOfOneCompany: () => true,
  maximumRounds: (settings) => scorecardRounds(parseSettings(scorecardSettings, settings)),

  begin(setup) {
    const settings = parseSettings(scorecardSettings, setup.settings);
    assertFeatures(setup, settings);
    // the widest ones, or it would come up in mid-run
    const widest = [...likelihoodFields(1), ...evaluateFields(setup, settings)];
    assertNoOverflow(widest, 'u64', setup.participants);
    const fractions = searchedFractions(settings);
    return afterQuantiles({ setup, settings }, startQuantiles(setup.contract, fractions, settings.kMin));
  },

  next(state, sum) {
    switch (state.phase) {
      case 'quantiles':
        return afterQuantiles(state, nextQuantiles(state.search, sum));
      case 'binCounts':
        return afterBinCounts(state, readBinCounts(sum, state.bins));
      case 'newton':
        return afterNewton(state, sum);
      case 'evaluate':
        return finish(state, sum);
    }
  },
};

/** @throws FederationError PLAN */
function assertFeatures({ contract }: ProgramSetup, { selection }: ScorecardSettings): void {
  const names = new Set(contract.features.map((f) => f.name));
  const unknown = selection.features?.find((name) => !names.has(name));
  if (unknown !== undefined) {
    throw new FederationError('PLAN', `program.settings.selection.features: no feature "${unknown}"`);
  }
}

/** The fine bins' fractions, and the median for the baseline. */
function searchedFractions({ binning }: ScorecardSettings): number[] {
  return [...new Set([...equalFractions(binning.fine), 0.5])].sort((a, b) => a - b);
}

function afterQuantiles({ setup, settings }: Common, step: QuantileStep): Step<ScorecardState> {
  if (step.kind === 'ask') {
    const state: ScorecardState = { setup, settings, phase: 'quantiles', search: step.state };
    return { kind: 'ask', state, question: step.question, metrics: {} };
  }
  const median = searchedFractions(settings).indexOf(0.5);
  let next = 0;
  const ofFeature: (FeatureQuantiles | undefined)[] = setup.contract.features.map((feature) =>
    feature.type === 'number' ? step.quantiles[next++]! : undefined,
  );
  const edges = step.quantiles.map((quantiles) => quantiles.edges);
  const bins = binsOf(setup.contract, edges);
  const question: Question = {
    kind: 'binCounts',
    ring: 'u64',
    fields: binCountFields(bins),
    settings: { bins: bins as unknown as Json },
    tensors: {},
  };
  const medians = ofFeature.map((quantiles) => quantiles?.values[median]);
  return {
    kind: 'ask',
    state: { setup, settings, phase: 'binCounts', bins, medians },
    question,
    metrics: {},
  };
}

function afterBinCounts(state: Binned, counts: readonly BinCounts[]): Step<ScorecardState> {
  const { setup, settings, bins } = state;
  const bads = counts[0]!.bad.reduce((a, b) => a + b, 0);
  const rows = counts[0]!.good.reduce((a, b) => a + b, bads);
  const least = settings.binning.minBads;
  assertEnough({ rows, bads }, { rows: settings.kMin, each: least }, 'a scorecard');
  const grouped = groupFeatures(setup.contract, bins, counts, settings);
  const { selected, rejected } = selectByValue(setup.contract, grouped, settings);
  assertSome(selected);
  const baseline = baselineOf(state, counts);
  const fit = startFit([log(bads / (rows - bads)), ...selected.map(() => 0)]);
  const fitting = { ...state, baseline, rows, bads, selected, rejected, fit, roundsBefore: 0 };
  return askNewton(fitting, { trainingRows: rows, badRate: bads / rows, characteristics: selected.length });
}

/** @throws FederationError DATA_SOURCE */
function assertSome(selected: readonly Characteristic[]): void {
  if (selected.length > 0) return;
  throw new FederationError(
    'DATA_SOURCE',
    'no feature tells bads from goods under the settings of the plan; lower selection.minIv or binning.minBads',
  );
}

/** The median of a number, the most frequent category: a typical applicant, not a real one. */
function baselineOf(
  { setup, settings, medians }: Binned,
  counts: readonly BinCounts[],
): (number | string | null)[] {
  return setup.contract.features.map((feature, f) => {
    if (feature.type === 'number') return medians[f] ?? null;
    const { bad, good } = counts[f]!;
    const rows = bad.map((n, bin) => n + good[bin]!);
    return modeOf(feature.categories, rows, settings.kMin);
  });
}

/** What a bank needs to turn a row into inputs and log-odds. */
function modelSettings({ selected, fit }: Fitting): Json {
  return {
    features: selected.map((c) => c.feature),
    bins: selected.map((c) => c.bins) as unknown as Json,
    inputs: selected.map((c) => c.groups.map((group) => c.woe[group]!)),
    coefficients: fit.coefficients,
  };
}

function askNewton(fitting: Fitting, metrics: Metrics): Step<ScorecardState> {
  const question: Question = {
    kind: 'newton',
    ring: 'u64',
    fields: likelihoodFields(fitting.fit.coefficients.length),
    settings: modelSettings(fitting),
    tensors: {},
  };
  return { kind: 'ask', state: { ...fitting, phase: 'newton' }, question, metrics };
}

function afterNewton(state: Fitting, sum: RingSum): Step<ScorecardState> {
  const { settings, selected, rows } = state;
  const ridge = ridgeOf(state);
  const roundsMax = settings.newton.rounds;
  const sums = readLikelihood(sum, rows);
  const moved = advanceFit(state.fit, sums, ridge);
  const { fit } = moved;
  const rounds = state.roundsBefore + fit.rounds;
  const trainingLogLoss = sums.logLoss / rows;
  const metrics = { newtonRound: rounds, characteristics: selected.length, trainingLogLoss };
  if (moved.kind === 'collinear') {
    assertRoundsLeft(fit, state.roundsBefore, roundsMax);
    const left = fit.coefficients.filter((_, j) => !moved.inputs.includes(j));
    return without({ ...state, fit }, moved.inputs, 'it follows from other features', left);
  }
  if (moved.step < CLEAR) {
    const inferred = inference(sums.information, fit.coefficients, ridge);
    const worst = nextToGo(state.setup.contract, settings.selection, selected, inferred);
    if (worst !== undefined && selected.length > 1 && roundsMax - rounds >= FIT_ROUNDS) {
      const left = withoutInput(sums.information, fit.coefficients, worst.index, ridge);
      return without({ ...state, fit }, [worst.index], worst.reason, left);
    }
    if (moved.converged) {
      assertDirections(state.setup.contract, selected, inferred);
      const left = worst === undefined ? '' : '; no rounds or characteristics left to take another one out';
      const said = remarks(state.setup.contract, { characteristics: selected, rejected: state.rejected });
      const converged = `${selected.length} characteristics, converged after ${rounds} Newton rounds${left}`;
      const reason = reasonWith(converged, said);
      return askEvaluation({ ...state, fit, inferred, trainingLogLoss, reason }, metrics);
    }
  }
  assertRoundsLeft(fit, state.roundsBefore, roundsMax);
  return askNewton(
    { ...state, fit },
    Number.isFinite(moved.step) ? { ...metrics, step: moved.step } : metrics,
  );
}

/** Where a group has bads only or goods only, the coefficient that is most likely has no end without a penalty. */
function ridgeOf({ settings, selected }: Fitting): number {
  const { ridge } = settings.newton;
  return selected.some(({ separates }) => separates !== undefined) ? Math.max(ridge, 1) : ridge;
}

/** Fits again without some characteristics. `indices` and `coefficients` count the intercept. */
function without(
  state: Fitting,
  indices: readonly number[],
  reason: string,
  coefficients: readonly number[],
): Step<ScorecardState> {
  const selected = state.selected.filter((_, i) => !indices.includes(i + 1));
  assertSome(selected);
  const roundsBefore = state.roundsBefore + state.fit.rounds;
  const out = indices.map((index) => state.selected[index - 1]!);
  const rejected = [...state.rejected, ...out.map((left) => rejectedFor(left, reason))];
  const next = { ...state, selected, rejected, fit: startFit(coefficients), roundsBefore };
  return askNewton(next, { newtonRound: roundsBefore, characteristics: selected.length });
}

function evaluateFields({ contract }: ProgramSetup, { segments }: ScorecardSettings): Field[] {
  return evaluationFields('holdout', segmentsOf(contract, segments));
}

function askEvaluation(fitted: Fitted, metrics: Metrics): Step<ScorecardState> {
  const question: Question = {
    kind: 'evaluate',
    ring: 'u64',
    fields: evaluateFields(fitted.setup, fitted.settings),
    settings: modelSettings(fitted),
    tensors: {},
  };
  return { kind: 'ask', state: { ...fitted, phase: 'evaluate' }, question, metrics };
}

function finish(state: Fitted, sum: RingSum): Step<ScorecardState> {
  const { setup, settings, bins, baseline, selected, rejected, fit, inferred } = state;
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
  const [intercept, ...slopes] = fit.coefficients as [number, ...number[]];
  const inputs = selected.map(({ woe }, i) => ({ coefficient: slopes[i]!, woe }));
  const points = pointsOfGroups(intercept, inputs, calibration.map, settings.scaling);
  const metrics = {
    ...judged,
    trainingRows: state.rows,
    trainingBadRate: state.bads / state.rows,
    trainingLogLoss: state.trainingLogLoss,
    characteristics: selected.length,
    newtonRounds: state.roundsBefore + fit.rounds,
    ...remarkFigures([...selected, ...rejected]),
  };
  const artefact = createArtefact<'scorecard'>({
    kind: 'scorecard',
    contract: setup.contract,
    transform: { kind: 'bins', features: [...bins] },
    parameters: {
      intercept,
      characteristics: selected.map(({ feature, groups, woe, mean, iv, counts, separates, ivFree }, i) => ({
        feature,
        ...(separates === undefined ? {} : { separates }),
        ...(ivFree === undefined ? {} : { ivFree }),
        groups: [...groups],
        woe: [...woe],
        mean,
        coefficient: slopes[i]!,
        points: [...points[i]!.points],
        residual: [...points[i]!.residual],
        iv,
        ...inferred[i + 1]!,
        counts: publishedCounts(counts),
      })),
      rejected: [...rejected],
    },
    calibration,
    scaling: settings.scaling,
    cutoffs: settings.cutoffs,
    baseline: { kind: 'median-mode', row: [...baseline] },
    metrics,
    segments: [...segments],
  });
  return { kind: 'done', result: { artefact, reason: state.reason }, metrics };
}

/** Every group has kMin rows: merge-bins.ts saw to it. Totals are among the metrics, so no one group is left out. */
function publishedCounts(counts: Characteristic['counts']): (Characteristic['counts'][number] | null)[] {
  const bads = counts.map((count) => count.bads);
  const withheld = withheldCells(bads, PUBLISHED_BADS_MIN);
  return counts.map((count, g) => (withheld[g] ? null : count));
}
