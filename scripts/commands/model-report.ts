/** A model for people: what it is made of, how good it was on rows kept back, what its PDs mean. */
import type { ModelArtefact } from '#models/artefact.ts';
import { layersOf, parameterCount } from '#models/fedavg/network.ts';
import { aucHalfWidth } from '#models/metrics/auc-interval.ts';
import { remarks } from '#models/scorecard/remarks.ts';
import { scoreOfPd } from '#models/scoring/scaling.ts';
import { table } from '#scripts/commands/output.ts';
import { rateText } from '#scripts/commands/rate-text.ts';
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
      return { inputs: network.inputs, layers: layersOf(network).length, weights: parameterCount(network) };
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

export function renderModel(artefact: ModelArtefact, summary: ModelSummary): string {
  const { contract, scaling, cutoffs } = artefact;
  const sections = [
    [
      `${artefact.kind} ${summary.model}`,
      `contract ${inert(contract.name)} (${summary.contract.hash}), ${contract.features.length} features`,
      Object.entries(summary.size)
        .map(([what, count]) => `${count} ${what}`)
        .join(', '),
    ].join('\n'),
    summary.concerns.map((concern) => `note: ${concern}`).join('\n'),
    renderMetrics(summary),
    renderCalibration(artefact),
    renderSegments(artefact),
    [
      `Score ${scaling.score} at odds ${scaling.odds}:1 good to bad, ${scaling.pdo} points double them; cut to ${scaling.min} … ${scaling.max}`,
      cutoffs === undefined
        ? 'No cut-offs: the model gives PDs and scores, no decisions'
        : `Approve below PD ${cutoffs.approveBelow} (score ${scoreText(artefact, cutoffs.approveBelow)}), decline from ${cutoffs.declineFrom} (${scoreText(artefact, cutoffs.declineFrom)}), refer between`,
    ].join('\n'),
    renderParameters(artefact),
    `Explanations are against this applicant, made of typical values:\n${table(
      ['feature', 'value'],
      contract.features.map((f, j) => [f.name, String(artefact.baseline.row[j] ?? 'missing')]),
    )}`,
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function renderMetrics({ metrics, aucHalfWidth: half }: ModelSummary): string {
  const rows = Object.entries(metrics).map(([name, value]) => [
    name,
    Number.isInteger(value) ? String(value) : value.toPrecision(5),
    name === 'auc' && half !== null && Number.isFinite(half) ? `± ${half.toFixed(4)} (95 %)` : '',
  ]);
  return rows.length === 0 ? '' : `On rows kept back:\n${table(['figure', 'value', ''], rows, [1])}`;
}

function renderCalibration({ calibration }: ModelArtefact): string {
  const { map, table: groups, hosmerLemeshow } = calibration;
  const how =
    map.method === 'platt'
      ? `platt, slope ${map.slope.toPrecision(4)}, intercept ${map.intercept.toPrecision(4)}`
      : map.method;
  if (groups.length === 0) return `Calibration: ${how}; too few rows kept back to judge it`;
  const rows = groups.map(({ rows: n, bads, meanPd }) => [
    String(n),
    String(bads),
    rateText(bads / n),
    rateText(meanPd),
  ]);
  return `Calibration: ${how}; Hosmer-Lemeshow χ² ${hosmerLemeshow.chiSquare.toFixed(2)} with ${hosmerLemeshow.degrees} degrees of freedom, p ${hosmerLemeshow.p.toPrecision(3)}\n${table(['rows', 'bads', 'bad rate', 'mean PD'], rows, [0, 1, 2, 3])}`;
}

function renderSegments({ segments = [] }: ModelArtefact): string {
  if (segments.length === 0) return '';
  const rows = segments.map(({ feature, category, rows: n, badRate, meanPd, auc, ks }) => [
    feature,
    category,
    n === null ? 'withheld' : String(n),
    ...[badRate, meanPd].map((x) => (x === null ? '' : rateText(x))),
    ...[auc, ks].map((x) => (x === null ? '' : x.toFixed(4))),
  ]);
  return `By category, after calibration:\n${table(['feature', 'category', 'rows', 'bad rate', 'mean PD', 'AUC', 'KS'], rows, [2, 3, 4, 5, 6])}`;
}

/** The scorecard as a card; the other kinds cannot be read this way. */
function renderParameters(artefact: ModelArtefact): string {
  if (artefact.kind !== 'scorecard') return '';
  const { contract, parameters, transform } = artefact;
  const rows = parameters.characteristics.flatMap(({ feature, groups, woe, points, coefficient, iv }) =>
    woe.map((w, group) => [
      group === 0 ? contract.features[feature]!.name : '',
      groupText(artefact, feature, transform.features[feature]!, groups, group),
      String(points[group]),
      w.toFixed(3),
      group === 0 ? coefficient.toFixed(3) : '',
      group === 0 ? iv.toFixed(3) : '',
    ]),
  );
  const card = table(['characteristic', 'group', 'points', 'WOE', 'coefficient', 'IV'], rows, [2, 3, 4, 5]);
  return [card, ...remarks(contract, parameters).map((remark) => `! ${remark}`)].join('\n');
}

type Bins = Extract<ModelArtefact, { kind: 'scorecard' }>['transform']['features'][number];

/** What falls into a group, as intervals and lists. */
function groupText(
  { contract }: ModelArtefact,
  featureIndex: number,
  bins: Bins,
  groups: readonly number[],
  group: number,
): string {
  const feature = contract.features[featureIndex]!;
  const members = groups.flatMap((g, bin) => (g === group ? [bin] : []));
  const isMember = new Set(members);
  if ('categories' in bins) {
    const names = feature.type === 'category' ? feature.categories : [];
    return members.map((bin) => names[bin] ?? (bin === bins.categories ? '(other)' : 'missing')).join(', ');
  }
  const { edges, special } = bins;
  const parts: string[] = [];
  for (let from = 0; from <= edges.length; from++) {
    if (!isMember.has(from)) continue;
    let to = from;
    while (to < edges.length && isMember.has(to + 1)) to++;
    const [low, high] = [edges[from - 1], edges[to]];
    if (low === undefined) parts.push(high === undefined ? 'any number' : `≤ ${high}`);
    else parts.push(high === undefined ? `> ${low}` : `${low} … ${high}`);
    from = to;
  }
  special.forEach((value, i) => {
    if (isMember.has(edges.length + 1 + i)) parts.push(`= ${value}`);
  });
  if (isMember.has(edges.length + 1 + special.length)) parts.push('missing');
  return parts.join(', ');
}

function scoreText({ scaling }: ModelArtefact, pd: number): string {
  return pd > 0 && pd < 1 ? scoreOfPd(pd, scaling).score.toFixed(0) : 'never reached';
}
