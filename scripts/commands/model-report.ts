/** A model for people: what it is made of, how good it was on rows kept back, what its PDs mean. */
import type { ModelArtefact } from '#models/artefact.ts';
import { layersOf, parameterCount } from '#models/fedavg/network.ts';
import { aucHalfWidth } from '#models/metrics/auc-interval.ts';
import { paint, table } from '#scripts/commands/output.ts';
import type { Section } from '#scripts/model-report/section.ts';
import { sectionsOf } from '#scripts/model-report/sections.ts';
import { concernsIn } from '#shared/contract/concerns.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

/** The artefact without what is too long to read: weights, trees, bins. */
export interface ModelSummary {
  readonly model: string;
  readonly kind: ModelArtefact['kind'];
  readonly contract: { readonly name: string; readonly hash: string; readonly features: number };
  /** What the contract points out of its features. */
  readonly concerns: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  /** Half the 95 % interval of the hold-out AUC, where there is one. */
  readonly aucHalfWidth: number | null;
  readonly calibration: ModelArtefact['calibration'];
  readonly segments: NonNullable<ModelArtefact['segments']>;
  readonly scaling: ModelArtefact['scaling'];
  readonly cutoffs: ModelArtefact['cutoffs'] | null;
  readonly baseline: ModelArtefact['baseline']['row'];
  /** How large it is, by kind. */
  readonly size: Readonly<Record<string, number>>;
}

export function summariseModel(artefact: ModelArtefact, root: string): ModelSummary {
  const { contract, metrics } = artefact;
  const { auc, holdoutRows, badRate } = metrics;
  const half =
    auc === undefined || holdoutRows === undefined || badRate === undefined
      ? null
      : aucHalfWidth(auc, badRate * holdoutRows, (1 - badRate) * holdoutRows);
  return {
    model: root,
    kind: artefact.kind,
    contract: { name: contract.name, hash: contractHash(contract), features: contract.features.length },
    concerns: concernsIn(contract),
    metrics,
    aucHalfWidth: half,
    calibration: artefact.calibration,
    segments: artefact.segments ?? [],
    scaling: artefact.scaling,
    cutoffs: artefact.cutoffs ?? null,
    baseline: artefact.baseline.row,
    size: sizeOf(artefact),
  };
}

function sizeOf(artefact: ModelArtefact): Record<string, number> {
  switch (artefact.kind) {
    case 'network': {
      const { network } = artefact.parameters;
      const layers = layersOf(network).length;
      return { inputs: network.inputs, layers, weights: parameterCount(network) };
    }
    case 'scorecard': {
      const { characteristics } = artefact.parameters;
      const groups = characteristics.reduce((sum, c) => sum + c.woe.length, 0);
      return { characteristics: characteristics.length, groups };
    }
    case 'gbdt': {
      const { trees } = artefact.parameters;
      const leaves = trees.reduce((sum, tree) => sum + tree.feature.filter((f) => f === -1).length, 0);
      return { trees: trees.length, leaves };
    }
  }
}

/** A model as a report on a terminal. */
export function renderModel(artefact: ModelArtefact, summary: ModelSummary): string {
  const title = paint('bold', titleOf(artefact));
  const sections = sectionsOf(artefact, summary.size).map(renderSection);
  return [`${title}\n${summary.model}`, ...sections].filter((text) => text !== '').join('\n\n');
}

/** What it is called: a network without hidden layers is a regression. */
export function titleOf(artefact: ModelArtefact): string {
  switch (artefact.kind) {
    case 'scorecard':
      return 'Scorecard';
    case 'gbdt':
      return 'Gradient-boosted trees';
    case 'network':
      return artefact.parameters.network.hidden.length === 0 ? 'Logistic regression' : 'Neural network';
  }
}

const BAR_WIDTH = 24;

function renderSection({ title, lines = [], table: content, bars, diagonal }: Section): string {
  const parts = [
    ...(title === undefined ? [] : [paint('bold', inert(title))]),
    ...lines.filter((line) => line !== '').map(inert),
  ];
  if (content !== undefined) {
    const columns = drawnBeside(bars, diagonal);
    const head =
      columns === undefined ? content.head : [...content.head, diagonal ? 'bad rate █, mean PD ┃' : 'share'];
    const rows = content.rows.map((row, i) => (columns === undefined ? row : [...row, columns[i] ?? '']));
    parts.push(table(head, rows, content.right));
  }
  return parts.join('\n');
}

/** A bar for each row of a table, where the table has values to draw. */
function drawnBeside(bars: Section['bars'], diagonal: Section['diagonal']): string[] | undefined {
  if (diagonal !== undefined) {
    const most = Math.max(
      ...diagonal.points.flatMap(({ predicted, observed }) => [predicted, observed]),
      1e-9,
    );
    // the bad rate as a bar, the mean PD as a mark on it
    return diagonal.points.map(({ predicted, observed }) => {
      const filled = Math.round((observed / most) * (BAR_WIDTH - 1));
      const mark = Math.round((predicted / most) * (BAR_WIDTH - 1));
      return Array.from({ length: Math.max(filled, mark + 1) }, (_, i) =>
        i === mark ? '┃' : i < filled ? '█' : '·',
      ).join('');
    });
  }
  if (bars?.isShare !== true) return undefined;
  const most = Math.max(...bars.bars.map(({ value }) => value), 1e-9);
  return bars.bars.map(({ value }) => '█'.repeat(Math.round((value / most) * BAR_WIDTH)));
}
