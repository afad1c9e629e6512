/** A scorecard as credit people read one: characteristic by characteristic, group by group. */
import type { ModelArtefact } from '#models/artefact.ts';
import { remarks } from '#models/scorecard/remarks.ts';
import type { Section } from '#scripts/model-report/section.ts';

type Scorecard = Extract<ModelArtefact, { kind: 'scorecard' }>;
type Characteristic = Scorecard['parameters']['characteristics'][number];

export function scorecardSections(artefact: Scorecard): Section[] {
  const { characteristics, rejected = [] } = artefact.parameters;
  const said = remarks(artefact.contract, artefact.parameters);
  const sections = [
    ...(said.length === 0 ? [] : [{ title: 'To look at', lines: said }]),
    ...characteristics.map((characteristic) => characteristicSection(artefact, characteristic)),
  ];
  if (rejected.length === 0) return sections;
  const names = artefact.contract.features;
  return [
    ...sections,
    {
      title: 'Not in the scorecard',
      table: {
        head: ['feature', 'IV', 'why'],
        rows: rejected.map(({ feature, iv, reason }) => [names[feature]!.name, iv.toFixed(3), reason]),
        right: [1],
      },
    },
  ];
}

function characteristicSection(artefact: Scorecard, characteristic: Characteristic): Section {
  const { feature, groups, woe, points, coefficient, iv, standardError, p, counts = [] } = characteristic;
  const { name } = artefact.contract.features[feature]!;
  const total = counts.reduce((sum, count) => sum + (count?.rows ?? 0), 0);
  const rows = woe.map((w, group) => {
    const count = counts[group] ?? undefined;
    return [
      groupText(artefact, feature, artefact.transform.features[feature]!, groups, group),
      count === undefined ? '' : String(count.rows),
      count === undefined || total === 0 ? '' : percent(count.rows / total),
      count === undefined ? '' : String(count.bads),
      count === undefined || count.rows === 0 ? '' : percent(count.bads / count.rows),
      w.toFixed(3),
      String(points[group]),
    ];
  });
  return {
    title: name,
    lines: [
      `IV ${iv.toFixed(3)}, coefficient ${coefficient.toFixed(3)} (standard error ${standardError.toFixed(3)}, p ${p < 0.001 ? 'below 0.001' : p.toPrecision(2)})`,
    ],
    table: {
      head: ['group', 'rows', 'share', 'bads', 'bad rate', 'WOE', 'points'],
      rows,
      right: [1, 2, 3, 4, 5, 6],
    },
    bars: {
      title: `Weight of evidence of ${name} by group`,
      bars: rows.map(([label], group) => ({ label: label!, value: woe[group]! })),
    },
  };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
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
    return members
      .map((bin) => named(names[bin]) ?? (bin === bins.categories ? '(other)' : 'missing'))
      .join(', ');
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

/** A category may be the empty text. */
function named(category: string | undefined): string | undefined {
  return category?.trim() === '' ? `"${category}"` : category;
}
