/**
 * `tallystick model score`: a file of applicants to a file of PDs, scores, decisions and reasons, record by record, so
 * that its size does not matter. What cannot be scored is kept out of the output and named by line and column.
 * The output appears under its name only when it is complete.
 */
import { createWriteStream } from 'node:fs';
import { access, rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { forEachBatch } from '#participant-agent/data/applicant-records.ts';
import { ApplicantCheck } from '#participant-agent/data/check-applicants.ts';
import type { Finding } from '#participant-agent/data/data-report.ts';
import { createRowReader } from '#models/scoring/row.ts';
import { createApplicantScorer, REASONS_MAX, type Language } from '#models/scoring/score-applicant.ts';
import { readModelFile } from '#scripts/commands/model-file.ts';
import { EXIT, print, printJson, say } from '#scripts/commands/output.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

/** Problems named one by one; further ones are counted. */
const PROBLEMS_NAMED_MAX = 20;

export interface ScoreOptions {
  readonly data: string;
  readonly out: string;
  /** A column of the data to carry over, such as an application number. */
  readonly id?: string;
  readonly language: Language;
  /** Keep the scores of a file that does not pass the check. */
  readonly despiteCheck?: boolean;
  readonly json?: boolean;
}

interface Problem {
  readonly line: number;
  /** None when the record as such is wrong. */
  readonly column: string | null;
  readonly message: string;
}

interface Tally {
  scored: number;
  rejected: number;
  clipped: number;
  readonly decisions: Record<string, number>;
  /** The first ones. */
  readonly problems: Problem[];
}

/** Exit code 1 when some records were kept out, or all because the file does not pass the check. */
export async function scoreFile(model: string, options: ScoreOptions): Promise<number> {
  const { artefact, root } = await readModelFile(model);
  await assertNew(options.out);
  const part = `${options.out}.part`;
  const decisions = artefact.cutoffs === undefined ? {} : { approve: 0, refer: 0, decline: 0 };
  const tally: Tally = { scored: 0, rejected: 0, clipped: 0, decisions, problems: [] };
  const check = new ApplicantCheck(artefact);
  try {
    await writeScores(artefact, options, part, tally, check);
    const findings = check.findings();
    const isRefused = findings.some(({ severity }) => severity === 'error') && options.despiteCheck !== true;
    if (isRefused) {
      await rm(part, { force: true });
      refuse(root, options, findings);
      return EXIT.failed;
    }
    await rename(part, options.out);
    report(root, options, tally, findings);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return tally.rejected === 0 ? EXIT.ok : EXIT.failed;
}

async function assertNew(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) throw new FederationError('USAGE', `${path} exists already; choose another --out`);
}

async function writeScores(
  artefact: Parameters<typeof createApplicantScorer>[0],
  { data, id, language }: ScoreOptions,
  path: string,
  tally: Tally,
  check: ApplicantCheck,
): Promise<void> {
  const reader = createRowReader(artefact.contract);
  const scorer = createApplicantScorer(artefact);
  const row = new Float64Array(artefact.contract.features.length);
  const out = createWriteStream(path, { flags: 'w' });
  const failed = finished(out); // so that a full disk is an error of ours, not of the process
  failed.catch(() => undefined);
  const reasonNames = Array.from({ length: REASONS_MAX }, (_, i) => `reason${i + 1}`);
  out.write(
    `${['line', ...(id === undefined ? [] : [textCell(id)]), 'pd', 'score', 'decision', ...reasonNames].join(',')}\n`,
  );
  // reasons repeat: each text is quoted once
  const quoted = new Map<string, string>();
  const cellOf = (text: string): string => {
    let cell = quoted.get(text);
    if (cell === undefined) quoted.set(text, (cell = textCell(text)));
    return cell;
  };
  const reject = (problem: Problem): void => {
    tally.rejected++;
    if (tally.problems.length < PROBLEMS_NAMED_MAX) tally.problems.push(problem);
  };

  const columns = id === undefined ? reader.columns : [...reader.columns, id];
  await forEachBatch(data, [...new Set(columns)], async (batch) => {
    let text = '';
    for (const record of batch) {
      const { line, cells } = record;
      const unusable = record.problem ?? record.aside;
      if (unusable !== undefined) {
        reject({ line, column: null, message: unusable });
        continue;
      }
      const problem = reader.readCells(cells, row);
      if (problem !== undefined) {
        reject({ line, ...problem });
        continue;
      }
      check.add(row);
      const { pd, score, scoreClipped, decision } = scorer.score(row);
      const carried = id === undefined ? '' : `,${textCell(cells[idPosition(reader.columns, id)] ?? '')}`;
      text += `${line}${carried},${pd.toPrecision(6)},${Math.round(score)},${decision ?? ''}`;
      const reasons = scorer.reasons(row, language);
      for (let i = 0; i < REASONS_MAX; i++)
        text += `,${reasons[i] === undefined ? '' : cellOf(reasons[i]!.text)}`;
      text += '\n';
      tally.scored++;
      if (scoreClipped) tally.clipped++;
      if (decision !== undefined) tally.decisions[decision] = (tally.decisions[decision] ?? 0) + 1;
    }
    if (text !== '' && !out.write(text)) await Promise.race([once(out, 'drain'), failed]);
    return true;
  });
  out.end();
  await failed;
}

/** The id is the last column read, unless it is a feature too. */
function idPosition(columns: readonly string[], id: string): number {
  const at = columns.indexOf(id);
  return at < 0 ? columns.length : at;
}

/**
 * A text as a CSV cell. Spreadsheets take cells that begin with = + - @ (or a tab, or a line end before them) for
 * formulas and run them: these get an apostrophe in front.
 */
function textCell(text: string): string {
  const safe = /^[\s]*[=+\-@]|^[\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function refuse(model: string, { data, out, json }: ScoreOptions, findings: readonly Finding[]): void {
  if (json === true) {
    printJson({ model, out: null, scored: 0, refused: true, findings });
    return;
  }
  sayFindings(findings);
  print(
    `${data} is not what this model was made for: nothing is scored, ${out} not written. Correct the file, or score it all the same with --despite-check`,
  );
}

function sayFindings(findings: readonly Finding[]): void {
  for (const { severity, feature, message } of findings)
    say(`  ${severity}: ${feature === undefined ? '' : `${feature}: `}${message}`);
}

function report(
  model: string,
  { out, json }: ScoreOptions,
  tally: Tally,
  findings: readonly Finding[],
): void {
  const { scored, rejected, clipped, decisions, problems } = tally;
  if (json === true) {
    printJson({ model, out, scored, rejected, scoresCut: clipped, decisions, problems, findings });
    return;
  }
  sayFindings(findings);
  for (const { line, column, message } of problems)
    say(`  line ${line}${column === null ? '' : `, column "${inert(column)}"`}: ${inert(message)}`);
  if (rejected > problems.length) say(`  and ${rejected - problems.length} more`);
  const counted = Object.entries(decisions).map(([decision, count]) => `${decision} ${count}`);
  print(
    `Wrote ${out}: ${scored} scored${counted.length === 0 ? '' : ` (${counted.join(', ')})`}, ${rejected} kept out${clipped === 0 ? '' : `; ${clipped} scores were cut to their range`}`,
  );
}
