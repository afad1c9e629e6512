/** What a bank does with the model: one applicant of the demonstration, scored with reasons. */
import { parseArtefact } from '#models/artefact.ts';
import { createApplicantScorer } from '#models/scoring/score-applicant.ts';
import { cellText } from '#scripts/commands/cell-text.ts';
import { paint, print } from '#scripts/commands/output.ts';
import { rowAt, type Table } from '#shared/contract/table.ts';

export interface ScoredApplicant {
  readonly pd: number;
  readonly score: number;
  readonly values: Readonly<Record<string, string>>;
  readonly reasons: readonly { readonly text: string; readonly pointsLost: number }[];
}

/** What a bank does with the model: here for the first new applicant against whom something can be said. */
export function scoreOneApplicant(artefact: Uint8Array, test: Table): ScoredApplicant {
  const model = parseArtefact(JSON.parse(new TextDecoder().decode(artefact)));
  const scorer = createApplicantScorer(model);
  const row = new Float64Array(test.columns.length);
  let index = 0;
  while (index < test.rowCount - 1 && scorer.reasons(rowAt(test, index, row)).length < 3) index++;
  rowAt(test, index, row);
  const { pd, score } = scorer.score(row);
  const { contract } = model;
  const values = contract.features.map((feature, j) => [
    feature.name,
    cellText(contract, row, j) ?? 'missing',
  ]);
  return {
    pd,
    score,
    values: Object.fromEntries(values) as Record<string, string>,
    reasons: scorer.reasons(row),
  };
}

export function printApplicant({ pd, score, values, reasons }: ScoredApplicant): void {
  print(`\n${paint('bold', 'One applicant, scored inside its bank')}\n`);
  print(
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  );
  print(`\n  PD ${(pd * 100).toFixed(1)} %, score ${score.toFixed(0)}`);
  for (const { text, pointsLost } of reasons) print(`  − ${pointsLost.toFixed(0)} points: ${text}`);
}
