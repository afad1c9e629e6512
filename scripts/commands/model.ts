/** `tallystick model show`, `explain` and `export`: what a model is, why it scores as it does, other formats of it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachBatch } from '#participant-agent/data/applicant-records.ts';
import type { ModelArtefact } from '#models/artefact.ts';
import { exportOnnx } from '#models/export/onnx.ts';
import { exportPmml } from '#models/export/pmml.ts';
import { exportTfjs, TFJS_WEIGHTS_FILE } from '#models/export/tfjs.ts';
import type { Against } from '#models/scoring/attribution.ts';
import { createRowReader, rowOf } from '#models/scoring/row.ts';
import { createApplicantScorer, type Language } from '#models/scoring/score-applicant.ts';
import { cellText } from '#scripts/commands/cell-text.ts';
import { readModelFile } from '#scripts/commands/model-file.ts';
import { bytes, EXIT, print, printJson, table } from '#scripts/commands/output.ts';
import { renderModel, summariseModel, titleOf } from '#scripts/commands/model-report.ts';
import { modelPage } from '#scripts/model-report/page.ts';
import { sectionsOf } from '#scripts/model-report/sections.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

export async function showModel(file: string, options: { json?: boolean }): Promise<number> {
  const { artefact, root } = await readModelFile(file);
  const summary = summariseModel(artefact, root);
  if (options.json === true) printJson(summary);
  else print(renderModel(artefact, summary));
  return EXIT.ok;
}

/** One page for people without this command. */
export async function reportModel(file: string, options: { out: string; json?: boolean }): Promise<number> {
  const { artefact, root } = await readModelFile(file);
  const page = modelPage(titleOf(artefact), root, sectionsOf(artefact, summariseModel(artefact, root).size));
  await writeFile(options.out, page, { flag: 'wx' });
  if (options.json === true) printJson({ model: root, out: options.out, bytes: page.length });
  else print(`Wrote ${options.out}: one page that needs nothing else`);
  return EXIT.ok;
}

export interface ExplainOptions {
  readonly row?: string;
  readonly data?: string;
  readonly line?: number;
  readonly language: Language;
  readonly against: Against;
  readonly json?: boolean;
}

export async function explainRow(file: string, options: ExplainOptions): Promise<number> {
  const { artefact, root } = await readModelFile(file);
  const { contract, baseline } = artefact;
  const isAgainstBaseline = options.against === 'baseline';
  const row = await chosenRow(contract, options);
  const scorer = createApplicantScorer(artefact, options.against);
  const score = scorer.score(row);
  const { baselineScore, points, gap } = scorer.explain(row);
  const reasons = scorer.reasons(row, options.language);
  const features = contract.features
    .map((feature, j) => ({
      name: feature.name,
      value: cellText(contract, row, j),
      ...(isAgainstBaseline ? { baseline: baseline.row[j] ?? null } : {}),
      points: points[j]!,
    }))
    .sort((a, b) => a.points - b.points);
  if (options.json === true) {
    printJson({ model: root, ...score, baselineScore, features, gap, reasons });
    return EXIT.ok;
  }
  print(
    `PD ${percent(score.pd)}   score ${score.score.toFixed(1)}${score.scoreClipped ? ' (cut to its range)' : ''}   ${score.decision ?? 'no cut-offs, so no decision'}`,
  );
  const start = isAgainstBaseline ? 'The baseline applicant scores' : 'The mean of the training rows scores';
  print(`${start} ${baselineScore.toFixed(1)}. Points against it, most costly first:\n`);
  print(
    table(
      ['feature', 'value', isAgainstBaseline ? 'baseline' : '', 'points'],
      features
        .filter((f) => f.points !== 0)
        .map((f) => [
          f.name,
          f.value ?? 'missing',
          isAgainstBaseline ? String(f.baseline ?? 'missing') : '',
          signed(f.points),
        ]),
      [3],
    ),
  );
  print(`\nWhat the points leave unexplained: ${gap.toFixed(4)}`);
  reasons.forEach((reason, i) =>
    print(`reason ${i + 1}: ${inert(reason.text)} (${reason.pointsLost.toFixed(1)} points)`),
  );
  return EXIT.ok;
}

async function chosenRow(contract: DataContract, { row, data, line }: ExplainOptions): Promise<Float64Array> {
  if (row !== undefined && data === undefined) {
    let record: unknown;
    try {
      record = JSON.parse(row);
    } catch (cause) {
      throw new FederationError('USAGE', '--row is not JSON', { cause });
    }
    if (typeof record !== 'object' || record === null || Array.isArray(record))
      throw new FederationError('USAGE', 'expected --row to be an object with a value for each feature');
    return rowOf(contract, record as Record<string, unknown>);
  }
  if (row === undefined && data !== undefined && line !== undefined) return rowFromFile(contract, data, line);
  throw new FederationError('USAGE', 'expected --row JSON, or --data FILE with --line N');
}

async function rowFromFile(contract: DataContract, path: string, line: number): Promise<Float64Array> {
  const reader = createRowReader(contract);
  const row = new Float64Array(contract.features.length);
  let found = false;
  await forEachBatch(path, reader.columns, (batch) => {
    const record = batch.find((r) => r.line === line);
    if (record !== undefined) {
      found = true;
      const problem = record.problem ?? record.aside ?? describeProblem(reader.readCells(record.cells, row));
      if (problem !== undefined) throw new FederationError('CONTRACT', `${path}, line ${line}: ${problem}`);
    }
    return Promise.resolve(!found && (batch.at(-1)?.line ?? 0) < line);
  });
  if (!found)
    throw new FederationError(
      'USAGE',
      `no record begins on line ${line} of ${path} (line 1 is the header; of Parquet, rows count from 1)`,
    );
  return row;
}

function describeProblem(problem: { column: string; message: string } | undefined): string | undefined {
  return problem && `column "${problem.column}" ${problem.message}`;
}

function percent(pd: number): string {
  return `${(100 * pd).toPrecision(3)} %`;
}

function signed(points: number): string {
  return `${points > 0 ? '+' : ''}${points.toFixed(1)}`;
}

export type ExportFormat = 'onnx' | 'pmml' | 'tfjs';

/** Writes new files only. */
export async function exportModel(
  file: string,
  options: { to: ExportFormat; out: string; json?: boolean },
): Promise<number> {
  const { artefact, root } = await readModelFile(file);
  const files = exportedFiles(artefact, options.to);
  const isFolder = files.length > 1;
  if (isFolder) await mkdir(options.out, { recursive: true });
  for (const { name, content } of files) {
    const path = isFolder ? join(options.out, name) : options.out;
    try {
      await writeFile(path, content, { flag: 'wx' });
    } catch (cause) {
      const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
      const why = exists
        ? 'exists already; choose another --out'
        : `cannot be written: ${describeError(cause)}`;
      throw new FederationError('USAGE', `${path} ${why}`, { cause });
    }
  }
  const size = files.reduce((sum, { content }) => sum + content.length, 0);
  if (options.json === true) printJson({ model: root, to: options.to, out: options.out, bytes: size });
  else print(`Wrote ${options.out}: ${options.to}, ${bytes(size)}, of model ${root}`);
  return EXIT.ok;
}

function exportedFiles(
  artefact: ModelArtefact,
  format: ExportFormat,
): { name: string; content: Uint8Array }[] {
  switch (format) {
    case 'onnx':
      return [{ name: 'model.onnx', content: exportOnnx(artefact) }];
    case 'pmml':
      return [{ name: 'model.pmml', content: Buffer.from(exportPmml(artefact)) }];
    case 'tfjs': {
      const { model, weights } = exportTfjs(artefact);
      return [
        { name: 'model.json', content: Buffer.from(`${JSON.stringify(model)}\n`) },
        { name: TFJS_WEIGHTS_FILE, content: weights },
      ];
    }
  }
}
