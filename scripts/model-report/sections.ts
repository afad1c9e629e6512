/** A model for people: what it is made of, how good it was on rows kept back, what its PDs mean. */
import type { ModelArtefact } from '#models/artefact.ts';
import { aucHalfWidth } from '#models/metrics/auc-interval.ts';
import { scoreOfPd } from '#models/scoring/scaling.ts';
import { parameterSections } from '#scripts/model-report/parameters.ts';
import { concernsIn } from '#shared/contract/concerns.ts';
import type { Section } from '#scripts/model-report/section.ts';
import { spellingsOf } from '#shared/contract/outcome.ts';

/** @param size how large it is, by kind */
export function sectionsOf(artefact: ModelArtefact, size: Readonly<Record<string, number>>): Section[] {
  const { contract } = artefact;
  return [
    {
      lines: [
        `contract ${contract.name}: ${contract.features.length} features, bad is ${contract.target.column} = ${spellingsOf(contract.target.bad).join(' or ')}`,
        Object.entries(size)
          .map(([what, count]) => (count === 1 ? `1 ${what.replace(/s$/, '')}` : `${count} ${what}`))
          .join(', '),
        ...concernsIn(contract).map((concern) => `note: ${concern}`),
      ],
    },
    ...figures(artefact),
    calibration(artefact),
    ...segments(artefact),
    scale(artefact),
    ...parameterSections(artefact),
    {
      title: 'Explanations are against this applicant, made of typical values',
      table: {
        head: ['feature', 'value'],
        rows: contract.features.map((f, j) => [f.name, valueText(artefact.baseline.row[j] ?? null)]),
        right: [],
      },
    },
  ];
}

/** In the order in which they are asked for; `of` the rows after calibration, which are others. */
const FIGURES: readonly (readonly [name: string, words: string])[] = [
  ['auc', 'AUC (0.5 is chance)'],
  ['gini', 'Gini'],
  ['ks', 'KS'],
  ['logLoss', 'log-loss'],
  ['logLossSkill', 'log-loss saved against the bad rate alone'],
  ['brier', 'Brier score'],
  ['brierSkill', 'Brier score saved against the bad rate alone'],
  ['meanPd', 'mean PD'],
  ['badRate', 'bad rate'],
  ['holdoutRows', 'rows'],
];
const AFTER_CALIBRATION: typeof FIGURES = [
  ['calibratedLogLoss', 'log-loss'],
  ['calibratedBrier', 'Brier score'],
  ['calibratedMeanPd', 'mean PD'],
  ['calibrationError', 'mean gap between PD and bad rate'],
  ['calibrationSlope', 'slope (1 is right)'],
  ['calibrationIntercept', 'intercept (0 is right)'],
];
/** Bounds of what equal scores leave open, and what is said elsewhere. */
const LEFT_OUT = new Set(['aucError', 'ksUpper']);

function figures({ metrics }: ModelArtefact): Section[] {
  const shown = (list: typeof FIGURES): string[][] =>
    list.flatMap(([name, words]) =>
      metrics[name] === undefined ? [] : [[words, figureText(name, metrics)]],
    );
  const known = new Set([...FIGURES, ...AFTER_CALIBRATION].map(([name]) => name));
  const others = Object.entries(metrics)
    .filter(([name]) => !known.has(name) && !LEFT_OUT.has(name))
    .map(([name]) => [inWords(name), figureText(name, metrics)]);
  const table = (rows: string[][]) => ({ head: ['figure', 'value'], rows, right: [1] });
  const sections: Section[] = [];
  const before = shown(FIGURES);
  if (before.length > 0) sections.push({ title: 'On the rows kept back', table: table(before) });
  const after = shown(AFTER_CALIBRATION);
  if (after.length > 0)
    sections.push({
      title: 'After calibration, on the half of them that it was not fitted to',
      lines: ['other rows than above: not to be compared figure by figure'],
      table: table(after),
    });
  if (others.length > 0) sections.push({ title: 'Training', table: table(others) });
  return sections;
}

function figureText(name: string, metrics: Readonly<Record<string, number>>): string {
  const value = metrics[name]!;
  if (name !== 'auc') return Number.isInteger(value) ? String(value) : value.toFixed(4);
  const { holdoutRows, badRate } = metrics;
  const half =
    holdoutRows === undefined || badRate === undefined
      ? NaN
      : aucHalfWidth(value, badRate * holdoutRows, (1 - badRate) * holdoutRows);
  return Number.isFinite(half)
    ? `${value.toFixed(4)}, 95 % ${Math.max(0, value - half).toFixed(3)} to ${Math.min(1, value + half).toFixed(3)}`
    : value.toFixed(4);
}

/** `newtonRound` as "newton round". */
function inWords(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function calibration({ calibration: { map, table: groups, hosmerLemeshow } }: ModelArtefact): Section {
  const how =
    map.method === 'platt'
      ? `platt, slope ${map.slope.toPrecision(4)}, intercept ${map.intercept.toPrecision(4)}`
      : map.method === 'identity'
        ? 'none: the PDs are as the model gives them'
        : map.method;
  if (groups.length === 0)
    return { title: 'Calibration', lines: [how, 'too few rows kept back to judge it'] };
  return {
    title: 'Calibration',
    lines: [
      how,
      `Hosmer-Lemeshow χ² ${hosmerLemeshow.chiSquare.toFixed(2)} with ${hosmerLemeshow.degrees} degrees of freedom, p ${hosmerLemeshow.p.toPrecision(3)}${hosmerLemeshow.p < 0.05 ? ': these PDs are off by more than chance' : ''}`,
    ],
    table: {
      head: ['rows', 'bads', 'bad rate', 'mean PD'],
      rows: groups.map(({ rows, bads, meanPd }) => [
        String(rows),
        String(bads),
        (bads / rows).toFixed(4),
        meanPd.toFixed(4),
      ]),
      right: [0, 1, 2, 3],
    },
    diagonal: {
      title: 'Mean PD of a group against its bad rate',
      points: groups.map(({ rows, bads, meanPd }) => ({ predicted: meanPd, observed: bads / rows, rows })),
    },
  };
}

function segments({ segments: records = [] }: ModelArtefact): Section[] {
  if (records.length === 0) return [];
  const rows = records.map(({ feature, category, rows: n, badRate, meanPd, auc, ks }) => [
    feature,
    category,
    n === null ? 'withheld' : String(n),
    ...[badRate, meanPd, auc, ks].map((x) => (x === null ? '' : x.toFixed(4))),
  ]);
  const head = ['feature', 'category', 'rows', 'bad rate', 'mean PD', 'AUC', 'KS'];
  return [{ title: 'By category, after calibration', table: { head, rows, right: [2, 3, 4, 5, 6] } }];
}

function scale(artefact: ModelArtefact): Section {
  const { scaling, cutoffs } = artefact;
  const scoreText = (pd: number): string =>
    pd > 0 && pd < 1 ? scoreOfPd(pd, scaling).score.toFixed(0) : 'never reached';
  return {
    title: 'Score and decision',
    lines: [
      `score ${scaling.score} at odds ${scaling.odds}:1 good to bad, ${scaling.pdo} points double them; cut to ${scaling.min} … ${scaling.max}`,
      cutoffs === undefined
        ? 'no cut-offs: the model gives PDs and scores, no decisions'
        : `approve below PD ${cutoffs.approveBelow} (score ${scoreText(cutoffs.approveBelow)}), decline from ${cutoffs.declineFrom} (${scoreText(cutoffs.declineFrom)}), refer between`,
    ],
  };
}

function valueText(value: number | string | null): string {
  if (value === null) return 'missing';
  return typeof value === 'string' ? value : String(Number(value.toPrecision(6)));
}
