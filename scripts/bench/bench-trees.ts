/**
 * Boosted trees against XGBoost: the same training rows, test rows, features, number of trees, depth and
 * learning rate, one thread each, side by side in one run. Ours is the whole federated program (quantiles,
 * ring vectors, sums, roots, hold-out figures) over one table in this process; theirs is `xgboost.train` with
 * `tree_method=hist`, the building of its matrix included.
 *
 * Public data sets are read from the folder that TALLYSTICK_DATA names; they are no part of the project. The
 * Python with xgboost is `python3`, or what TALLYSTICK_PYTHON names.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArtefact } from '#models/artefact.ts';
import { exactMetrics } from '#models/metrics/exact-metrics.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import { scorerOf } from '#models/scorer.ts';
import { inferContract } from '#participant-agent/data/infer-contract.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { say } from '#scripts/commands/output.ts';
import { DATA_SETS, type DataSet } from '#scripts/results/data-sets.ts';
import { splitTest } from '#scripts/simulate/partition.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import { contractHash, type DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, selectRows, type Table } from '#shared/contract/table.ts';
import { plan } from '#shared/protocol/plan.ts';
import { bytesOf } from '#shared/ring/vector-root.ts';

/** Those of thousands of rows, so that times say something. */
const MEASURED = ['taiwan_default', 'sba_national_natural', 'hmeq'];

const TREES = { trees: 300, depth: 4, learningRate: 0.1, l2: 1, minHessian: 1, bins: 64 };
/** XGBoost knows no such limits: the least that a plan may ask for. */
const LIMITS = { minCount: 20, minCategoryCount: 20 };
const HOLDOUT_FRACTION = 0.05;
/** Both are run this often, in turns, so that a busy machine is busy for both; the best time counts. */
const REPEATS = 5;
/** Of one turn of XGBoost, whose process has first to be started. */
const REPEATS_IN_TURN = 2;
const SEED = 'bench';

export interface TreesCost {
  readonly dataSet: string;
  readonly trainingRows: number;
  readonly features: number;
  readonly auc: number;
  readonly seconds: number;
  /** Of one row, logit and contributions. */
  readonly scoreMicroseconds: number;
  readonly explainMicroseconds: number;
  /** Undefined when there is no XGBoost here. */
  readonly xgboost: { readonly version: string; readonly auc: number; readonly seconds: number } | undefined;
}

/** @returns nothing when TALLYSTICK_DATA is not set, which it says */
export async function benchTrees(): Promise<TreesCost[]> {
  const folder = process.env['TALLYSTICK_DATA'];
  if (folder === undefined) {
    say('Trees: not measured. Set TALLYSTICK_DATA to a folder with the public credit data sets.');
    return [];
  }
  const costs: TreesCost[] = [];
  for (const set of DATA_SETS.filter(({ name }) => MEASURED.includes(name))) {
    if (!existsSync(join(folder, set.file))) say(`Trees: ${set.file} is not in ${folder}; skipped.`);
    else costs.push(await benchDataSet(set, join(folder, set.file)));
  }
  return costs;
}

async function benchDataSet({ name, target, bad, exclude }: DataSet, path: string): Promise<TreesCost> {
  const { contract } = await inferContract(path, { target, bad, exclude, name });
  const { table } = await loadTable(path, contract);
  const split = splitTest(table.bad, 0.3, SEED);
  const known = selectRows(table, split.training);
  const test = selectRows(table, split.test);
  // what the program trains on: XGBoost gets the same rows and no hold-out
  const training = splitByKey(known, HOLDOUT_FRACTION, SEED).training.table;

  say(`Trees on ${name}: ${training.rowCount} rows, ${contract.features.length} features …`);
  let seconds = Infinity;
  let artefact: Uint8Array = new Uint8Array();
  let xgboost: TreesCost['xgboost'];
  for (let i = 0; i < REPEATS; i++) {
    const started = performance.now();
    artefact = (await trainHere(planFor(contract), contract, [known])).artefact;
    seconds = Math.min(seconds, (performance.now() - started) / 1000);
    if (i > 0 && xgboost === undefined) continue; // there is none here
    const theirs = await runXgboost(contract, training, test);
    if (theirs !== undefined && theirs.seconds < (xgboost?.seconds ?? Infinity)) xgboost = theirs;
  }
  const scorer = scorerOf(parseArtefact(JSON.parse(new TextDecoder().decode(artefact))));
  const rows = rowsOf(test);
  const logits = Float64Array.from(rows, (row) => scorer.logit(row));
  return {
    dataSet: name,
    trainingRows: training.rowCount,
    features: contract.features.length,
    auc: exactMetrics(logits, test.bad).auc,
    seconds,
    scoreMicroseconds: medianMicroseconds(rows, (row) => scorer.logit(row)),
    explainMicroseconds: medianMicroseconds(rows, (row) => scorer.contributions(row)),
    xgboost,
  };
}

function planFor(contract: DataContract) {
  return plan.parse({
    v: 1,
    name: 'trees',
    contract: contractHash(contract),
    program: { name: 'gbdt', settings: { ...TREES, ...LIMITS, holdoutFraction: HOLDOUT_FRACTION } },
    participants: ['bank-1'],
    cohort: { minimum: 1 },
    aggregation: 'plain',
    seed: SEED,
  });
}

function rowsOf(table: Table): Float64Array[] {
  return Array.from({ length: table.rowCount }, (_, i) =>
    Float64Array.from(table.columns, (column) =>
      isNumberColumn(column) ? column.values[i]! : column.codes[i]!,
    ),
  );
}

/** Median over batches of rows, each long enough for the clock. */
function medianMicroseconds(rows: readonly Float64Array[], work: (row: Float64Array) => unknown): number {
  const times: number[] = [];
  const batch = 100;
  for (let start = 0; start + batch <= rows.length; start += batch) {
    const started = performance.now();
    for (let i = start; i < start + batch; i++) work(rows[i]!);
    times.push(((performance.now() - started) * 1000) / batch);
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

const XGBOOST = `
import json, os, sys, time
import numpy, xgboost
folder, options = sys.argv[1], json.loads(sys.argv[2])
def matrix(name):
    x = numpy.fromfile(os.path.join(folder, name + '.x'), dtype='<f4').reshape(-1, len(options['types']))
    return x, numpy.fromfile(os.path.join(folder, name + '.y'), dtype='u1')
(x, y), (tx, ty) = matrix('training'), matrix('test')
best, booster = float('inf'), None
for _ in range(options['repeats']):
    started = time.perf_counter()
    data = xgboost.DMatrix(x, label=y, feature_types=options['types'], enable_categorical=True, nthread=1)
    booster = xgboost.train(options['parameters'], data, options['trees'])
    best = min(best, time.perf_counter() - started)
test = xgboost.DMatrix(tx, feature_types=options['types'], enable_categorical=True, nthread=1)
booster.predict(test, output_margin=True).astype('<f8').tofile(os.path.join(folder, 'logits'))
print(json.dumps({'seconds': best, 'version': xgboost.__version__}))
`;

async function runXgboost(
  contract: DataContract,
  training: Table,
  test: Table,
): Promise<TreesCost['xgboost']> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-trees-'));
  try {
    for (const [name, table] of Object.entries({ training, test })) {
      await writeFile(join(folder, `${name}.x`), bytesOf(matrixOf(table)));
      await writeFile(join(folder, `${name}.y`), table.bad);
    }
    const options = {
      types: contract.features.map((f) => (f.type === 'number' ? 'q' : 'c')),
      trees: TREES.trees,
      repeats: REPEATS_IN_TURN,
      parameters: {
        objective: 'binary:logistic',
        tree_method: 'hist',
        max_depth: TREES.depth,
        eta: TREES.learningRate,
        lambda: TREES.l2,
        min_child_weight: TREES.minHessian,
        base_score: 0.5,
        nthread: 1,
      },
    };
    const python = process.env['TALLYSTICK_PYTHON'] ?? 'python3';
    const run = spawnSync(python, ['-', folder, JSON.stringify(options)], { input: XGBOOST });
    if (run.status !== 0) {
      const problem = run.error?.message ?? run.stderr.toString().trim().split('\n').at(-1);
      say(`  XGBoost: not measured (${problem}). Name a Python that has it in TALLYSTICK_PYTHON.`);
      return undefined;
    }
    const { seconds, version } = JSON.parse(run.stdout.toString()) as { seconds: number; version: string };
    return { version, seconds, auc: exactMetrics(await readLogits(folder), test.bad).auc };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readLogits(folder: string): Promise<Float64Array> {
  const bytes = Uint8Array.from(await readFile(join(folder, 'logits')));
  return new Float64Array(bytes.buffer);
}

/** Row-major float32: numbers with NaN where missing, categories as codes from 0. */
function matrixOf(table: Table): Float32Array {
  const width = table.columns.length;
  const matrix = new Float32Array(table.rowCount * width);
  table.columns.forEach((column, j) => {
    for (let i = 0; i < table.rowCount; i++) {
      const code = isNumberColumn(column) ? 0 : column.codes[i]!;
      const value = isNumberColumn(column) ? column.values[i]! : code === 0 ? Number.NaN : code - 1;
      matrix[i * width + j] = value;
    }
  });
  return matrix;
}
