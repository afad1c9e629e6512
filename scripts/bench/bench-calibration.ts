/**
 * Whether calibration makes PDs better or worse, where the truth is known: applicants of a logistic model, a program
 * on a thousand or so of them, and the log-loss of its PDs before and after calibration in expectation over 4000 fresh
 * ones. A logistic regression is calibrated as it comes, so that every map is a mistake; trees on so few rows are too
 * sure of themselves. 200 draws of each, from seeds.
 *
 *   node --import tsx scripts/bench/bench-calibration.ts
 */
import { parseArtefact } from '#models/artefact.ts';
import { logLossOf, sigmoid } from '#models/arithmetic/exp-log.ts';
import { calibratedLogit } from '#models/evaluation/calibration-map.ts';
import { scorerOf } from '#models/scorer.ts';
import { print, table as textTable } from '#scripts/commands/output.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import { contractHash, dataContract } from '#shared/contract/contract.ts';
import { rowAt, type Column, type Table } from '#shared/contract/table.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { plan } from '#shared/protocol/plan.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const DRAWS = 200;
const FRESH = 4000;
const CASES: readonly { readonly program: string; readonly rows: number; readonly settings: Json }[] = [
  { program: 'logistic', rows: 600, settings: {} },
  { program: 'logistic', rows: 1000, settings: {} },
  { program: 'logistic', rows: 4000, settings: {} },
  { program: 'gbdt', rows: 1000, settings: { trees: 60, minCount: 20, minCategoryCount: 20 } },
  { program: 'gbdt', rows: 4000, settings: { trees: 200, minCount: 20, minCategoryCount: 20 } },
];

const contract = dataContract.parse({
  v: 1,
  name: 'calibration',
  target: { column: 'bad', bad: '1' },
  features: [
    { name: 'x', type: 'number', min: -5, max: 5, missing: 'refused' },
    { name: 'w', type: 'number', min: -5, max: 5, missing: 'refused' },
    { name: 'sector', type: 'category', categories: ['a', 'b', 'c'], missing: 'refused' },
  ],
});

/** Applicants, and the PD that each truly has. */
function draw(rows: number, seed: string): { readonly table: Table; readonly truth: Float64Array } {
  const generator = new SeededGenerator('bench calibration', seed);
  const [xs, ws] = [0, 1].map(() => Float64Array.from({ length: rows }, () => gauss(generator)));
  const codes = Uint16Array.from({ length: rows }, () => 1 + Math.floor(3 * generator.nextUnit()));
  const truth = xs!.map((x, i) => sigmoid(-1.6 + x + 0.5 * ws![i]! + (codes[i] === 1 ? 0.8 : 0)));
  const bad = Uint8Array.from(truth, (pd) => (generator.nextUnit() < pd ? 1 : 0));
  const columns = [{ values: xs }, { values: ws }, { codes }].map(
    (cells, j) => ({ feature: contract.features[j], ...cells }) as Column,
  );
  return { table: { rowCount: rows, columns, bad }, truth };
}

/** Box and Muller (1958), to four digits, as a file has them. */
function gauss(generator: SeededGenerator): number {
  const radius = Math.sqrt(-2 * Math.log(1 - generator.nextUnit()));
  return Math.round(1e4 * radius * Math.cos(2 * Math.PI * generator.nextUnit())) / 1e4;
}

const fresh = draw(FRESH, 'fresh');

/** What calibration changes of the expected log-loss, and whether there was a map. */
async function changeBy(
  { program: name, rows, settings }: (typeof CASES)[number],
  seed: string,
): Promise<{ before: number; after: number; isMapped: boolean }> {
  const planned = plan.parse({
    v: 1,
    name: 'bench',
    contract: contractHash(contract),
    program: { name, settings },
    participants: ['bank-10'],
    cohort: { minimum: 1 },
    aggregation: 'plain',
    seed,
  });
  const { artefact: bytes } = await trainHere(planned, contract, [
    draw(rows, `${name} ${rows} ${seed}`).table,
  ]);
  const artefact = parseArtefact(JSON.parse(new TextDecoder().decode(bytes)));
  const { map } = artefact.calibration;
  const scorer = scorerOf(artefact);
  const row = new Float64Array(contract.features.length);
  let [before, after] = [0, 0];
  for (let i = 0; i < FRESH; i++) {
    const z = scorer.logit(rowAt(fresh.table, i, row));
    const expected = (logit: number) =>
      fresh.truth[i]! * logLossOf(logit, 1) + (1 - fresh.truth[i]!) * logLossOf(logit, 0);
    before += expected(z) / FRESH;
    after += expected(calibratedLogit(map, z)) / FRESH;
  }
  return { before, after, isMapped: map.method !== 'identity' };
}

const lines: string[][] = [];
for (const case_ of CASES) {
  const changes: Awaited<ReturnType<typeof changeBy>>[] = [];
  for (let i = 0; i < DRAWS; i++) changes.push(await changeBy(case_, `draw ${i}`));
  const mean = (of: (c: (typeof changes)[number]) => number) =>
    changes.reduce((sum, c) => sum + of(c), 0) / DRAWS;
  const change = mean((c) => c.after - c.before);
  const error = Math.sqrt((mean((c) => (c.after - c.before) ** 2) - change ** 2) / DRAWS);
  lines.push([
    ...[case_.program, String(case_.rows), String(changes.filter((c) => c.isMapped).length)],
    ...[mean((c) => c.before), mean((c) => c.after)].map((x) => x.toFixed(6)),
    `${(Math.round(1e6 * change) / 1e6 + 0).toFixed(6)} ± ${(1.96 * error).toFixed(6)}`,
    Math.max(...changes.map((c) => c.after - c.before)).toFixed(6),
  ]);
}
print(
  textTable(
    ['program', 'rows', `maps of ${DRAWS}`, 'log-loss before', 'after', 'change (95 %)', 'worst'],
    lines,
    [1, 2, 3, 4, 5, 6],
  ),
);
