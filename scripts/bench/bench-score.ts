/**
 * Scoring with each kind of model, made of the demonstration's applicants: one applicant at a time, with and without
 * reasons, and a file of 100,000 from CSV to CSV with PD, score and reasons.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArtefact } from '#models/artefact.ts';
import { createApplicantScorer } from '#models/scoring/score-applicant.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { say } from '#scripts/commands/output.ts';
import { scoreFile } from '#scripts/commands/score-file.ts';
import { writeApplicantsCsv } from '#scripts/demo/applicants.ts';
import { DEMO_BANKS, demoContract } from '#scripts/demo/banks.ts';
import { planFor } from '#scripts/operator/plan-file.ts';
import { MODELS, type ModelName } from '#scripts/operator/models.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { rowAt, type Table } from '#shared/contract/table.ts';
import { plan as planSchema } from '#shared/protocol/plan.ts';

export interface ScoreCost {
  readonly model: ModelName;
  /** Median of PD, score and decision of one applicant, µs. */
  readonly scoreMicroseconds: number;
  /** Median with up to four reasons, µs. */
  readonly reasonsMicroseconds: number;
  readonly fileRows: number;
  /** CSV to CSV, with reasons. */
  readonly fileSeconds: number;
}

const TRAINING_ROWS = 6000;
const FILE_ROWS = 100_000;
/** Applicants timed one by one. */
const TIMED = 3000;
/** Of one network's reasons, whose gradients take longer. */
const TIMED_REASONS = 300;
/** A network is as fast after one round of training as after many; trees are 100 of depth 4. */
const ROUNDS: Partial<Record<ModelName, number>> = { mlp: 1, gbdt: 100 };

export async function benchScore(): Promise<ScoreCost[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-score-'));
  try {
    const [training, many] = [join(folder, 'training.csv'), join(folder, 'many.csv')];
    const bank = DEMO_BANKS[0]!;
    await writeApplicantsCsv(training, { bank, seed: 'bench', rows: TRAINING_ROWS });
    await writeMany(training, many);
    const { table } = await loadTable(training, demoContract);
    const costs: ScoreCost[] = [];
    for (const model of MODELS) {
      say(`Scoring with ${model} …`);
      costs.push(await costOf(model, table, folder, many));
    }
    return costs;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function costOf(model: ModelName, table: Table, folder: string, many: string): Promise<ScoreCost> {
  const proposal = planFor({
    ...{ name: 'bench', model, rounds: ROUNDS[model], participants: ['bank'], minimum: 1, seed: 'bench' },
    aggregation: 'plain',
  });
  const plan = planSchema.parse({ ...proposal, contract: contractHash(demoContract) });
  const { artefact } = await trainHere(plan, demoContract, [table]);
  const file = join(folder, `${model}.json`);
  await writeFile(file, artefact);
  const scorer = createApplicantScorer(parseArtefact(JSON.parse(await readFile(file, 'utf8'))));
  const row = new Float64Array(table.columns.length);
  const medianOf = (times: number, what: (row: Float64Array) => unknown): number => {
    for (let i = 0; i < times; i++) what(rowAt(table, i, row)); // V8 compiles
    const taken = Float64Array.from({ length: times }, (_, i) => {
      rowAt(table, i, row);
      const began = process.hrtime.bigint();
      what(row);
      return Number(process.hrtime.bigint() - began) / 1000;
    });
    return taken.sort()[taken.length >> 1]!;
  };
  const scoreMicroseconds = medianOf(TIMED, (r) => scorer.score(r));
  const reasonsMicroseconds = medianOf(TIMED_REASONS, (r) => [scorer.score(r), scorer.reasons(r)]);
  const began = performance.now();
  await scoreFile(file, { data: many, out: join(folder, `${model}.csv`), language: 'en', json: false });
  const fileSeconds = (performance.now() - began) / 1000;
  return { model, scoreMicroseconds, reasonsMicroseconds, fileRows: FILE_ROWS, fileSeconds };
}

/** The training file's records over and over: as many as are to be scored. */
async function writeMany(from: string, to: string): Promise<void> {
  const [header, ...lines] = (await readFile(from, 'utf8')).trimEnd().split('\n') as [string, ...string[]];
  const out = createWriteStream(to);
  await pipeline(async function* () {
    yield `${header}\n`;
    for (let i = 0; i < FILE_ROWS; i++) yield `${lines[i % lines.length]!}\n`;
  }, out);
}
