/** `tallystick model validate`: a model against outcomes that have come in since, at the bank that has them. */
import { loadTable } from '#participant-agent/data/load-table.ts';
import { renderDataReport } from '#participant-agent/data/data-report.ts';
import { calibratedLogit } from '#models/evaluation/calibration.ts';
import { validationOf, type Validation } from '#models/metrics/validation.ts';
import { scorerOf } from '#models/scorer.ts';
import { readModelFile } from '#scripts/commands/model-file.ts';
import { EXIT, print, printJson, say, table } from '#scripts/commands/output.ts';
import { rowAt } from '#shared/contract/table.ts';

/** Exit code 1 when the data do not pass the check against the model's contract. */
export async function validateModel(
  file: string,
  options: { data: string; json?: boolean },
): Promise<number> {
  const { artefact, root } = await readModelFile(file);
  const { table: rows, report } = await loadTable(options.data, artefact.contract);
  if (!report.passed) {
    if (options.json === true) printJson({ model: root, data: report });
    else print(renderDataReport(report));
    return EXIT.failed;
  }
  for (const finding of report.findings) say(`  ${finding.severity}: ${finding.message}`);
  const scorer = scorerOf(artefact);
  const row = new Float64Array(rows.columns.length);
  const logits = new Float64Array(rows.rowCount);
  for (let i = 0; i < rows.rowCount; i++)
    logits[i] = calibratedLogit(artefact.calibration.map, scorer.logit(rowAt(rows, i, row)));
  const validation = validationOf(logits, rows.bad);
  if (options.json === true) printJson({ model: root, ...validation });
  else print(render(root, validation));
  return EXIT.ok;
}

function render(root: string, v: Validation): string {
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
    ['mean PD', v.meanPd.toFixed(4), `bad rate ${(v.bads / v.rows).toFixed(4)}`],
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
    (bads / rows).toFixed(4),
    meanPd.toFixed(4),
    jeffreysP.toPrecision(3),
    jeffreysP < 0.05 ? 'PD too low' : '',
  ]);
  const lift = v.lift.map((row) => [
    `${Math.round(100 * row.population)} %`,
    row.badRate.toFixed(4),
    row.lift.toFixed(2),
    `${(100 * row.captured).toFixed(1)} %`,
  ]);
  return [
    `model ${root}\n${v.rows} applicants whose outcome is known, ${v.bads} of them bad; PDs after calibration`,
    table(['figure', 'value', ''], figures, [1]),
    table(['rows', 'bads', 'bad rate', 'mean PD', 'Jeffreys p', ''], groups, [0, 1, 2, 3, 4]),
    table(['riskiest', 'bad rate', 'lift', 'bads captured'], lift, [0, 1, 2, 3]),
    'Outcomes are known of accepted applicants only: of those declined this says nothing.',
  ].join('\n\n');
}
