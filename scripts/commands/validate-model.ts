/** `tallystick model validate`: a model against outcomes that have come in since, at the bank that has them. */
import { loadTable } from '#participant-agent/data/load-table.ts';
import { renderDataReport } from '#participant-agent/data/data-report.ts';
import type { ModelArtefact } from '#models/artefact.ts';
import { calibratedLogit } from '#models/evaluation/calibration-map.ts';
import { modelStability, type ModelStability } from '#models/evaluation/model-stability.ts';
import { delongDifference, type AucDifference } from '#models/metrics/auc-interval.ts';
import { validationOf, type Validation } from '#models/metrics/validation.ts';
import { scorerOf } from '#models/scorer.ts';
import { readModelFile } from '#scripts/commands/model-file.ts';
import { rateText } from '#scripts/commands/rate-text.ts';
import { EXIT, print, printJson, say, table } from '#scripts/commands/output.ts';
import { countBads, rowAt, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

/** Exit code 1 when the data do not pass the check against the model's contract. */
export async function validateModel(
  file: string,
  options: { data: string; against?: string; json?: boolean },
): Promise<number> {
  const { artefact, root } = await readModelFile(file);
  const rival = options.against === undefined ? undefined : await readModelFile(options.against);
  const { table: rows, report } = await loadTable(options.data, artefact.contract);
  if (!report.passed) {
    if (options.json === true) printJson({ model: root, data: report });
    else print(renderDataReport(report));
    return EXIT.failed;
  }
  for (const finding of report.findings) say(`  ${finding.severity}: ${inert(finding.message)}`);
  assertBothOutcomes(options.data, rows);
  const logits = logitsOf(artefact, rows);
  const calibrated = logits.map((z) => calibratedLogit(artefact.calibration.map, z));
  const validation = validationOf(calibrated, rows.bad);
  const stability = modelStability(artefact, rows, logits);
  const comparison = rival === undefined ? undefined : await compare(logits, rows, rival, options.data);
  if (options.json === true)
    printJson({ model: root, ...validation, stability, against: comparison ?? null });
  else print(render(root, validation, stability, comparison));
  return EXIT.ok;
}

/** @throws FederationError DATA_SOURCE with so few of one outcome that nothing can be said */
function assertBothOutcomes(path: string, rows: Table): void {
  const bads = countBads(rows);
  const goods = rows.rowCount - bads;
  if (bads >= 2 && goods >= 2) return;
  throw new FederationError(
    'DATA_SOURCE',
    `${path}: expected two bad and two good applicants or more to judge a model by, found ${bads} bad and ${goods} good; wait for more outcomes, or join several months`,
  );
}

/** Before calibration, which does not change who ranks where. */
function logitsOf(artefact: ModelArtefact, rows: Table): Float64Array {
  const scorer = scorerOf(artefact);
  const row = new Float64Array(rows.columns.length);
  return Float64Array.from({ length: rows.rowCount }, (_, i) => scorer.logit(rowAt(rows, i, row)));
}

interface Comparison extends AucDifference {
  /** The other model. */
  readonly model: string;
}

/**
 * The same applicants through the other model, whose contract may ask for other columns of the file.
 * @throws FederationError CONTRACT when it does not take the same rows, or sees other outcomes
 */
async function compare(
  logits: Float64Array,
  rows: Table,
  { artefact, root }: { artefact: ModelArtefact; root: string },
  data: string,
): Promise<Comparison> {
  const { table: others, report } = await loadTable(data, artefact.contract);
  const isSame = others.rowCount === rows.rowCount && others.bad.every((y, i) => y === rows.bad[i]);
  if (!report.passed || !isSame) {
    throw new FederationError(
      'CONTRACT',
      `expected rows that fit both models; under the contract of the other, "${artefact.contract.name}", ` +
        (report.passed ? 'outcomes or rows differ' : `${data} does not pass: ${report.findings[0]!.message}`),
    );
  }
  return { model: root, ...delongDifference(logits, logitsOf(artefact, others), rows.bad) };
}

function render(
  root: string,
  v: Validation,
  stability: ModelStability,
  against: Comparison | undefined,
): string {
  const { interval, brierSplit: split, hosmerLemeshow: hl, spiegelhalter } = v;
  const figures = [
    ['AUC', v.auc.toFixed(4), `${interval.low.toFixed(4)} … ${interval.high.toFixed(4)} (95 %)`],
    ['Gini', v.gini.toFixed(4), ''],
    ['KS', v.ks.toFixed(4), ''],
    ['log-loss', v.logLoss.toFixed(4), ''],
    [
      'Brier score',
      v.brier.toFixed(4),
      `reliability ${split.reliability.toFixed(4)}, resolution ${split.resolution.toFixed(4)}, uncertainty ${split.uncertainty.toFixed(4)}`,
    ],
    ['mean PD', rateText(v.meanPd), `bad rate ${rateText(v.bads / v.rows)}`],
    [
      'calibration error',
      v.expectedCalibrationError.toFixed(4),
      'mean gap of PD and bad rate over the groups',
    ],
    [
      'Hosmer-Lemeshow p',
      hl.p.toPrecision(3),
      `χ² ${hl.chiSquare.toFixed(2)}, ${hl.degrees} degrees of freedom`,
    ],
    ['Spiegelhalter p', spiegelhalter.p.toPrecision(3), `z ${spiegelhalter.z.toFixed(3)}`],
  ];
  const groups = v.groups.map(({ rows, bads, meanPd, jeffreysP }) => [
    String(rows),
    String(bads),
    rateText(bads / rows),
    rateText(meanPd),
    jeffreysP.toPrecision(3),
    jeffreysP < 0.05 ? 'PD too low' : '',
  ]);
  const lift = v.lift.map((row) => [
    `${Math.round(100 * row.population)} %`,
    rateText(row.badRate),
    row.lift.toFixed(2),
    `${(100 * row.captured).toFixed(1)} %`,
  ]);
  return [
    `model ${root}\n${v.rows} applicants whose outcome is known, ${v.bads} of them bad; PDs after calibration`,
    table(['figure', 'value', ''], figures, [1]),
    table(['rows', 'bads', 'bad rate', 'mean PD', 'Jeffreys p', ''], groups, [0, 1, 2, 3, 4]),
    table(['riskiest', 'bad rate', 'lift', 'bads captured'], lift, [0, 1, 2, 3]),
    ...(against === undefined ? [] : [renderComparison(against)]),
    renderStability(stability),
    'Outcomes are known of accepted applicants only: of those declined this says nothing.',
  ].join('\n\n');
}

function renderComparison({ model, difference, low, high, p }: Comparison): string {
  const who = difference >= 0 ? 'better' : 'worse';
  const verdict = p < 0.05 ? '' : ', which chance alone may have made';
  return (
    `Ranks these applicants ${who} than ${model}: AUC ${signed(difference)} ` +
    `(${signed(low)} … ${signed(high)}, 95 %; p ${p.toPrecision(3)})${verdict}`
  );
}

function signed(x: number): string {
  return `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(4)}`;
}

function renderStability({ score, characteristics }: ModelStability): string {
  const found = [...(score === undefined ? [] : [{ name: 'score', ...score }]), ...characteristics];
  if (found.length === 0)
    return 'The model has no counts to hold these applicants against: no stability index.';
  const lines = found.map(({ name, psi, noiseLimit, alert }) => [
    name,
    psi.toFixed(3),
    noiseLimit.toFixed(3),
    alert ? 'has moved' : '',
  ]);
  return `Stability index (PSI) against the rows the model was made with; chance alone stays below the limit in 95 %\n${table(['', 'PSI', 'limit', ''], lines, [1, 2])}`;
}
