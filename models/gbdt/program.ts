/**
 * Gradient-boosted trees (Friedman 2001; Chen & Guestrin 2016), grown level by level on summed histograms.
 *
 *   totals → quantiles (up to 4) → grow, one round a level, for every tree → evaluate
 *
 * Banks never say which row is in which node: they answer with the histograms of the nodes asked for, and
 * everybody finds the same splits in the sum. All sums are of integers, so the model is the same bytes however
 * the rows are spread over banks, and the same as trained on all rows in one place (where rows of a bank tie, see
 * rows/record-keys.ts).
 *
 * Rounds: `depth` a tree. Bytes: a level asks for the left children of the splits above it, up to 2^(level − 1)
 * nodes, each of 24 bytes for every bin of every feature: with 50 features and 64 bins 79 kB a node, so 0.6 MB
 * a tree of depth 4 and 2.5 MB at depth 6.
 *
 * The ensemble so far is judged on the banks' hold-out rows by the first question of the next tree, which costs
 * no round: after every tree with `patience`, after every tenth without. With `patience` these figures choose how
 * many trees are kept, so they flatter the model by as much as choosing among a few hundred candidates can.
 *
 * What everybody sees: the sums of g, h and 1 per node and bin. Nodes of fewer than 2·minCount rows are not
 * looked into; but a bin may hold few rows, and where one bank alone has rows its histogram is the sum.
 */
import { createArtefact } from '#models/artefact.ts';
import { segmentsOf } from '#models/evaluation/segments.ts';
import { isBetter, METRIC_NAMES } from '#models/evaluation/stop-metrics.ts';
import { isReached } from '#models/evaluation/stopping.ts';
import { evaluationFields, readEvaluation, type Evaluation } from '#models/evaluation/evaluation.ts';
import { binnedFeatures, type BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { encodeEdges, type GrowQuestion } from '#models/gbdt/grow-question.ts';
import { grow, nodesAsked, startTree, treeOf, type Growth } from '#models/gbdt/grow-tree.ts';
import { histogramFields, layoutOf } from '#models/gbdt/histogram.ts';
import { assertQuestionFits, gbdtSettings, roundsOf, type GbdtSettings } from '#models/gbdt/settings.ts';
import {
  assertEnough,
  readRowCounts,
  rowCountFields,
  type RowCounts,
} from '#models/preprocessing/row-counts.ts';
import { log } from '#models/arithmetic/exp-log.ts';
import { appendTree, decodeForest, encodeTree } from '#models/gbdt/tree.ts';
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
import { parseSettings } from '#models/program-settings.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';
import { assertNoOverflow, type Field } from '#shared/ring/field.ts';
import type { RingSum } from '#shared/ring/ring-sum.ts';

/**
 * Quantiles searched for each bin wanted. Where many rows share a value many quantiles are the same; of four
 * times as many more are distinct, which on books of counts and years is worth 0.01 of AUC.
 */
const FINER = 4;
/** Without early stopping the figures are for people only: every so many trees. */
const SHOWN_EVERY = 10;

/** Least bads, and goods, to learn from. */
const EACH_MIN = 10;

interface Totals extends RowCounts {
  /** ln(bads / goods): where the first tree starts. */
  readonly baseLogit: number;
}

interface Common {
  readonly setup: ProgramSetup;
  readonly settings: GbdtSettings;
}

/** What the ensemble was worth with its first `trees` trees. */
interface Judged {
  readonly trees: number;
  readonly evaluation: Evaluation;
}

interface Growing extends Common {
  readonly phase: 'grow' | 'evaluate';
  readonly totals: Totals;
  readonly bins: readonly FeatureBins[];
  readonly features: readonly BinnedFeature[];
  readonly edges: Float64Array;
  /** The baseline applicant. */
  readonly baseline: readonly (number | string | null)[];
  /** All finished trees, as `tree.ts` lays them out. */
  readonly forest: Float64Array;
  /** Words of the forest before each tree; the last entry is all of them. */
  readonly sizes: readonly number[];
  readonly growth: Growth;
  readonly best: Judged | undefined;
  /** Why `evaluate` is the last question. */
  readonly reason: string;
}

export type GbdtState =
  | (Common & { readonly phase: 'totals' })
  | (Common & { readonly phase: 'quantiles'; readonly totals: Totals; readonly search: QuantileState })
  | Growing;

export const gbdt: Program<GbdtState> = {
  name: 'gbdt',

  isOfOneCompany: () => true,
  maximumRounds: (settings) => roundsOf(parseSettings(gbdtSettings, settings)),

  begin(setup) {
    const settings = parseSettings(gbdtSettings, setup.settings);
    assertQuestionFits(setup.contract, settings);
    assertNoOverflow(evaluateFields(setup, settings), 'u64', setup.participants); // or it would come up in mid-run
    const state = { setup, settings, phase: 'totals' } as const;
    const fields = rowCountFields(setup.contract);
    const question: Question = { kind: 'totals', ring: 'u64', fields, settings: {}, tensors: {} };
    return { kind: 'ask', state, question, metrics: {} };
  },

  next(state, sum) {
    switch (state.phase) {
      case 'totals': {
        const { setup, settings } = state;
        const counts = readRowCounts(sum, setup.contract, settings.minCount);
        assertEnough(counts, { rows: settings.minCount, each: EACH_MIN }, 'an ensemble of trees');
        const totals = { ...counts, baseLogit: log(counts.bads / (counts.rows - counts.bads)) };
        const metrics = { rows: totals.rows, badRate: totals.bads / totals.rows };
        const fractions = equalFractions(settings.bins * FINER);
        const step = startQuantiles(setup.contract, fractions, settings.minCount);
        return askQuantiles({ setup, settings, totals }, step, metrics);
      }
      case 'quantiles':
        return askQuantiles(state, nextQuantiles(state.search, sum), {});
      case 'grow':
        return afterLevel(state, sum);
      case 'evaluate':
        return finish(judge(state, sum), state.reason);
    }
  },
};

function evaluateFields({ contract }: ProgramSetup, { segments }: GbdtSettings): Field[] {
  return evaluationFields('', segmentsOf(contract, segments));
}

function askQuantiles(
  { setup, settings, totals }: Common & { readonly totals: Totals },
  step: QuantileStep,
  metrics: Metrics,
): Step<GbdtState> {
  if (step.kind === 'done') return startForest({ setup, settings, totals }, step.quantiles, metrics);
  const state = { setup, settings, totals, phase: 'quantiles', search: step.state } as const;
  return { kind: 'ask', state, question: step.question, metrics };
}

function startForest(
  { setup, settings, totals }: Common & { readonly totals: Totals },
  quantiles: readonly FeatureQuantiles[],
  metrics: Metrics,
): Step<GbdtState> {
  const { contract } = setup;
  const edges = quantiles.map((q) => thinned(q.edges, settings.bins));
  const bins = binsOf(contract, edges);
  const features = binnedFeatures(contract, bins);
  const state: Growing = {
    setup,
    settings,
    totals,
    bins,
    features,
    phase: 'grow',
    edges: encodeEdges(bins),
    baseline: baselineOf(contract, quantiles, totals),
    forest: new Float64Array(),
    sizes: [0],
    growth: nextTree({ setup, settings, features, sizes: [0] }),
    best: undefined,
    reason: '',
  };
  return ask(state, metrics);
}

/** At most bins − 1 of the edges, evenly chosen from the first to the last. */
function thinned(edges: readonly number[], bins: number): number[] {
  const kept = bins - 1;
  if (edges.length <= kept) return [...edges];
  return Array.from({ length: kept }, (_, i) => edges[Math.floor(((i + 0.5) * edges.length) / kept)]!);
}

/** Medians and most frequent categories: nobody's row. */
function baselineOf(
  contract: DataContract,
  quantiles: readonly FeatureQuantiles[],
  { modes }: Totals,
): (number | string | null)[] {
  let [numbers, categories] = [0, 0];
  return contract.features.map((feature) => {
    if (feature.type === 'category') return modes[categories++]!;
    const { values } = quantiles[numbers++]!;
    return values[(values.length - 1) >> 1] ?? null;
  });
}

function nextTree({
  setup,
  settings,
  features,
  sizes,
}: Pick<Growing, 'setup' | 'settings' | 'features' | 'sizes'>): Growth {
  const drawn = drawColumns(features.length, settings.columnShare, setup.seed, sizes.length - 1);
  return startTree(layoutOf(drawn.map((f) => features[f]!)), settings);
}

/** The features one tree may split on, ascending. */
function drawColumns(features: number, share: number, seed: string, tree: number): number[] {
  const all = range(features);
  if (share === 1) return [...all];
  const count = Math.max(1, Math.floor(features * share + 0.5));
  return [...new SeededGenerator('tree-columns', seed, tree).shuffle(all).slice(0, count).sort()];
}

function afterLevel(state: Growing, sum: RingSum): Step<GbdtState> {
  if (!isJudging(state)) return afterSplits(state, sum, { trees: treesOf(state) });
  const judged = judge(state, sum);
  const { patience, chosenBy: by, target } = state.settings;
  if (target !== undefined && isReached(target, judged.metrics)) {
    const reason = `hold-out ${METRIC_NAMES[target.metric]} reached the target of ${target.value}`;
    return finish({ ...judged, best: judged.present }, reason);
  }
  if (patience !== undefined && treesOf(state) - judged.best.trees >= patience) {
    return finish(judged, `hold-out ${METRIC_NAMES[by]} did not improve for ${patience} trees`);
  }
  return afterSplits(judged, sum, judged.metrics);
}

function afterSplits(state: Growing, sum: RingSum, figures: Metrics): Step<GbdtState> {
  const { settings } = state;
  const growth = grow(state.growth, {
    gradients: sum.numbers('gradients'),
    hessians: sum.numbers('hessians'),
    counts: sum.numbers('counts'),
  });
  const metrics = { ...figures, level: growth.level };
  if (nodesAsked(growth).length > 0) return ask({ ...state, growth }, metrics);
  const tree = treeOf(growth);
  if (tree.feature.length === 1 && settings.rowShare === 1 && settings.columnShare === 1) {
    // the next tree would see the same sums
    const reason = `no split gains anything after ${treesOf(state)} trees`;
    const { best } = state;
    if (best?.trees === treesOf(state) || settings.patience !== undefined)
      return finish({ ...state, best: best! }, reason);
    return ask({ ...state, phase: 'evaluate', reason }, metrics);
  }
  const forest = appendTree(state.forest, tree);
  const sizes = [...state.sizes, forest.length];
  const grown = { ...state, forest, sizes, growth: nextTree({ ...state, sizes }) };
  if (treesOf(grown) < settings.trees) return ask(grown, metrics);
  return ask({ ...grown, phase: 'evaluate', reason: `all ${settings.trees} trees grown` }, metrics);
}

/** Whether every tree is looked at to decide about the next. */
function isWatched({ patience, target }: GbdtSettings): boolean {
  return patience !== undefined || target !== undefined;
}

/** Whether the question carries an evaluation of the finished trees. */
function isJudging(state: Growing): boolean {
  if (state.phase === 'evaluate') return true;
  return state.growth.level === 0 && (isWatched(state.settings) || treesOf(state) % SHOWN_EVERY === 0);
}

function treesOf({ sizes }: Growing): number {
  return sizes.length - 1;
}

/** Reads how the ensemble that was sent out did on the banks' hold-out rows. */
function judge(
  state: Growing,
  sum: RingSum,
): Growing & { readonly best: Judged; readonly present: Judged; readonly metrics: Metrics } {
  const { settings, setup, best } = state;
  const segments = segmentsOf(setup.contract, settings.segments);
  const { calibration: method, minCount: kMin, holdoutFraction } = settings;
  const { participants } = setup;
  const evaluation = readEvaluation('', segments, sum, { method, kMin, holdoutFraction, participants });
  const present = { trees: treesOf(state), evaluation };
  const metrics = { trees: present.trees, ...evaluation.metrics };
  const [now, before] = [evaluation, best?.evaluation].map((e) => e?.metrics[settings.chosenBy]);
  // with nothing to tell by, more trees are better
  const isWorse = now !== undefined && before !== undefined && !isBetter(settings.chosenBy, now, before);
  const keep = settings.patience !== undefined && best !== undefined && isWorse;
  return { ...state, best: keep ? best : present, present, metrics };
}

function ask(state: Growing, metrics: Metrics): Step<GbdtState> {
  const { growth, sizes, totals, forest, edges, phase } = state;
  const nodes = phase === 'evaluate' ? [] : nodesAsked(growth);
  const settings: GrowQuestion = {
    tree: sizes.length - 1,
    baseLogit: totals.baseLogit,
    nodes,
    features: growth.layout.features.map((f) => f.index),
  };
  const evaluation = isJudging(state) ? evaluateFields(state.setup, state.settings) : [];
  const histograms = nodes.length > 0 ? histogramFields(growth.layout, nodes.length) : [];
  const question: Question = {
    kind: phase,
    ring: 'u64',
    fields: [...histograms, ...evaluation],
    settings: settings as unknown as Json,
    tensors: { edges, forest, tree: encodeTree(treeOf(growth)) },
  };
  return { kind: 'ask', state, question, metrics };
}

function finish(state: Growing & { readonly best: Judged }, reason: string): Step<GbdtState> {
  const { setup, settings, totals, bins, baseline, forest, sizes } = state;
  const { trees, evaluation } = state.best;
  const metrics = { trainingRows: totals.rows, trees, ...evaluation.metrics };
  const artefact = createArtefact<'gbdt'>({
    kind: 'gbdt',
    contract: setup.contract,
    transform: { kind: 'bins', features: [...bins] },
    parameters: {
      baseLogit: totals.baseLogit,
      trees: decodeForest(forest.subarray(0, sizes[trees])),
    },
    calibration: evaluation.calibration,
    scaling: settings.scaling,
    cutoffs: settings.cutoffs,
    baseline: { kind: 'median-mode', row: [...baseline] },
    metrics,
    segments: [...evaluation.segments],
  });
  return { kind: 'done', result: { artefact, reason }, metrics };
}
