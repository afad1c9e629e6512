/**
 * The half of `gbdt` that runs inside a bank: the only place where trees meet rows.
 *
 * What it keeps between questions (log-odds of every row, gradients, which row is in which node) follows from
 * the question's tensors, so an agent that was restarted in the middle of a tree gives the same answer.
 */
import { applyTree } from '#models/gbdt/apply-tree.ts';
import { BinMatrix } from '#models/gbdt/bin-matrix.ts';
import { binnedFeatures, type BinnedFeature } from '#models/gbdt/binned-feature.ts';
import { decodeEdges, type GrowQuestion } from '#models/gbdt/grow-question.ts';
import { computeGradients, layoutOf } from '#models/gbdt/histogram.ts';
import { LocalTree } from '#models/gbdt/local-tree.ts';
import { gbdtSettings, type GbdtSettings } from '#models/gbdt/settings.ts';
import { answerRowCounts } from '#models/preprocessing/row-counts.ts';
import { decodeForest, decodeTree } from '#models/gbdt/tree.ts';
import { segmentsOf, type Segment } from '#models/evaluation/segments.ts';
import { answerEvaluation } from '#models/evaluation/evaluation.ts';
import { binColumn } from '#models/preprocessing/bins.ts';
import { assertRows } from '#models/rows/rows-max.ts';
import { answerQuantiles } from '#models/preprocessing/quantiles.ts';
import type { Answer, Answerer, ProgramSetup, Question } from '#models/program.ts';
import { parseSettings } from '#models/program-settings.ts';
import { rowsKept, splitByKey, type KeyedTable } from '#models/rows/record-keys.ts';
import type { Table } from '#shared/contract/table.ts';
import { range } from '#shared/random/seeded-generator.ts';

/** @throws FederationError TOO_LARGE */
export async function createGbdtAnswerer(setup: ProgramSetup, table: Table): Promise<Answerer> {
  assertRows(table);
  const settings = parseSettings(gbdtSettings, setup.settings);
  const { training, holdout } = splitByKey(table, settings.holdoutFraction, setup.seed);
  let ensemble: LocalEnsemble | undefined;

  return {
    async answer(question, progress) {
      if (question.kind === 'totals') return answerRowCounts(training.table);
      if (question.kind === 'quantiles') return answerQuantiles(question, training.table);
      ensemble ??= new LocalEnsemble(setup, settings, training, holdout, question.tensors['edges']!);
      return ensemble.answer(question, progress);
    },
    dispose() {
      ensemble = undefined;
    },
  };
}

/** Rows as bins, with their log-odds under the trees so far. */
interface BinnedRows extends KeyedTable {
  readonly columns: readonly Uint16Array[];
  readonly logits: Float64Array;
}

/** One bank's view of the growing ensemble. */
class LocalEnsemble {
  private readonly setup: ProgramSetup;
  private readonly rowShare: number;
  private readonly segments: readonly Segment[];
  private readonly features: readonly BinnedFeature[];
  private readonly training: BinnedRows;
  private readonly holdout: BinnedRows;
  /** Words of the forest that the log-odds contain; −1 before they have a start. */
  private applied = -1;
  /** What belongs to the tree that grows on a forest of `applied` words. */
  private growing: LocalTree | undefined;
  private readonly allRows: Uint32Array;
  /** Training rows in the order of histograms. */
  private matrix: BinMatrix | undefined;

  constructor(
    setup: ProgramSetup,
    { rowShare, segments }: GbdtSettings,
    training: KeyedTable,
    holdout: KeyedTable,
    edges: Float32Array | Float64Array,
  ) {
    const bins = decodeEdges(setup.contract, edges as Float64Array);
    const binned = (rows: KeyedTable): BinnedRows => ({
      ...rows,
      columns: rows.table.columns.map((column, j) => binColumn(column, bins[j]!)),
      logits: new Float64Array(rows.table.rowCount),
    });
    this.setup = setup;
    this.rowShare = rowShare;
    this.segments = segmentsOf(setup.contract, segments);
    this.features = binnedFeatures(setup.contract, bins);
    this.training = binned(training);
    this.holdout = binned(holdout);
    this.allRows = range(training.table.rowCount);
  }

  answer(question: Question, progress: (fraction: number) => void): Answer {
    const asked = question.settings as unknown as GrowQuestion;
    this.catchUp(question.tensors['forest'] as Float64Array, asked.baseLogit);
    const evaluation = question.fields.some(({ name }) => name === 'LogLoss') ? this.evaluate() : {};
    if (asked.nodes.length === 0) return evaluation;
    return { ...this.histograms(question, asked, progress), ...evaluation };
  }

  /** Adds the trees that are new; from the start when the forest is one of before. */
  private catchUp(forest: Float64Array, baseLogit: number): void {
    if (forest.length === this.applied) return;
    if (this.applied < 0 || forest.length < this.applied) {
      this.training.logits.fill(baseLogit);
      this.holdout.logits.fill(baseLogit);
      this.applied = 0;
      this.growing = undefined;
    }
    for (const tree of decodeForest(forest, this.applied)) {
      const { training, holdout, growing } = this;
      applyTree(tree, this.features, holdout.columns, holdout.logits);
      // where the rows are is known of the tree that has just been grown on all of them
      if (growing !== undefined && this.rowShare === 1) growing.addTo(training.logits, tree);
      else applyTree(tree, this.features, training.columns, training.logits);
      this.growing = undefined;
    }
    this.applied = forest.length;
  }

  private evaluate(): Answer {
    const { segments, training, holdout, setup } = this;
    return answerEvaluation('', segments, holdout.logits, { training, holdout }, setup.seed);
  }

  private histograms(
    question: Question,
    { tree, nodes, features }: GrowQuestion,
    progress: (fraction: number) => void,
  ): Answer {
    this.growing ??= this.startTree(tree, features);
    this.growing.follow(decodeTree(question.tensors['tree'] as Float64Array));
    return { ...this.growing.histograms(nodes, progress) };
  }

  private startTree(tree: number, drawn: readonly number[]): LocalTree {
    const { features, rowShare, setup } = this;
    const { table, keys, logits, columns } = this.training;
    const matrix = (this.matrix ??= new BinMatrix(features, columns, table.rowCount));
    computeGradients(logits, table.bad, matrix.pairs);
    const rows = rowShare === 1 ? this.allRows : rowsKept(keys, `tree ${tree}`, setup.seed, rowShare);
    const layout = layoutOf(drawn.map((f) => features[f]!));
    return new LocalTree({ features, columns, matrix, layout, rows });
  }
}
