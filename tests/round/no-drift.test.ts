/**
 * What a model saw in training is what it sees when it scores: 10 000 applicants from one file, once as a bank's
 * rows and by the code that trains on them, once record by record and by the code that scores.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { forEachBatch } from '#participant-agent/data/applicant-records.ts';
import { loadTable } from '#participant-agent/data/load-table.ts';
import { parseArtefact, type ModelArtefact } from '#models/artefact.ts';
import { sigmoid } from '#models/arithmetic/exp-log.ts';
import { calibratedLogit } from '#models/evaluation/calibration-map.ts';
import { networkWeights } from '#models/fedavg/network-weights.ts';
import { createNetworkScorer } from '#models/fedavg/score-network.ts';
import { binsLeft } from '#models/gbdt/tree.ts';
import { binColumn, binCount } from '#models/preprocessing/bins.ts';
import { transformTable } from '#models/preprocessing/transform.ts';
import { createRowReader } from '#models/scoring/row.ts';
import { createApplicantScorer } from '#models/scoring/score-applicant.ts';
import { planFor } from '#scripts/operator/plan-file.ts';
import type { ModelName } from '#scripts/operator/models.ts';
import { trainHere } from '#scripts/simulate/reference.ts';
import { contractHash, dataContract } from '#shared/contract/contract.ts';
import type { Table } from '#shared/contract/table.ts';
import { plan as planSchema } from '#shared/protocol/plan.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';
import { temporaryFolder } from '../support/opened.ts';

const ROWS = 10_000;
const contract = dataContract.parse({
  v: 1,
  name: 'drift',
  target: { column: 'defaulted', bad: '1', good: '0' },
  features: [
    { name: 'turnover', type: 'number', min: 0, max: 1e7, scale: 'log' },
    { name: 'months', type: 'number', min: 0, max: 400, special: [-1], monotone: 'decreasing' },
    { name: 'burden', type: 'number', min: 0, max: 3, derive: { ratio: ['debt', 'turnover'] } },
    { name: 'trend', type: 'number', min: -1e6, max: 1e6, derive: { trend: ['m1', 'm2', 'm3'] } },
    { name: 'sector', type: 'category', categories: ['shop', 'farm', '07'] },
  ],
});

let file: string;
let table: Table;
beforeAll(async () => {
  file = join(await temporaryFolder('drift'), 'applicants.csv');
  const generator = new SeededGenerator('drift', 'applicants');
  const u = (): number => generator.nextUnit();
  const lines = Array.from({ length: ROWS }, () => {
    const turnover = u() < 0.05 ? '' : String(Math.round(u() ** 3 * 1.2e9) / 100); // some beyond the range
    const months = u() < 0.1 ? '-1' : u() < 0.05 ? '' : String(Math.floor(u() * 420));
    const debt = u() < 0.1 ? ' ' : (u() * 4e6).toFixed(2);
    const month = (): string => (u() < 0.05 ? '' : (u() * 9e5).toFixed(1));
    const sector = ['shop', ' farm ', '7', '07', 'mine', ''][Math.floor(u() * 6)]!;
    const bad = u() < 0.1 + (months === '-1' ? 0.3 : 0) + (sector === 'mine' ? 0.2 : 0) ? '1' : '0';
    return [turnover, months, debt, month(), month(), month(), sector, bad].join(',');
  });
  await writeFile(file, `turnover,months,debt,m1,m2,m3,sector,defaulted\n${lines.join('\n')}\n`);
  table = (await loadTable(file, contract)).table;
});

/** Log-odds of every row from what the bank's half of the program makes of the table. */
function asTrained(model: ModelArtefact): Float64Array {
  const { parameters, transform, kind } = model;
  if (kind === 'network') {
    const score = createNetworkScorer(model.parameters.network, networkWeights(model.parameters));
    return score(transformTable(contract, model.transform, table), ROWS);
  }
  if (transform.kind !== 'bins') throw new Error(kind);
  const bins = table.columns.map((column, j) => binColumn(column, transform.features[j]!));
  const logits = new Float64Array(ROWS);
  for (let i = 0; i < ROWS; i++) {
    if ('intercept' in parameters) {
      logits[i] = parameters.intercept;
      for (const { feature, groups, woe, coefficient } of parameters.characteristics)
        logits[i]! += coefficient * woe[groups[bins[feature]![i]!]!]!;
      continue;
    }
    if (!('trees' in parameters)) throw new Error(kind);
    logits[i] = parameters.baseLogit;
    for (const tree of parameters.trees) {
      const { feature, left, right, value } = tree;
      let node = 0;
      while (feature[node]! >= 0) {
        const j = feature[node]!;
        const own = transform.features[j]!;
        const at = bins[j]![i]!;
        const ordered = 'edges' in own ? own.edges.length + 1 : 0;
        const goesLeft = binsLeft(tree, node, ordered, binCount(own))[at] === 1;
        node = goesLeft ? left[node]! : right[node]!;
      }
      logits[i]! += value[node]!;
    }
  }
  return logits;
}

const models: [ModelName, object][] = [
  ['mlp', { stop: { rounds: 2 } }],
  ['logistic', {}],
  ['scorecard', { selection: { minIv: 0, method: 'iv' } }],
  ['gbdt', { trees: 20 }],
];
test.each(models)('%s', async (name, settings) => {
  const options = { name, model: name, participants: ['a'], minimum: 1, seed: 's' };
  const proposed = planFor({ ...options, aggregation: 'plain', settings: JSON.stringify(settings) });
  const plan = planSchema.parse({ ...proposed, contract: contractHash(contract) });
  const { artefact } = await trainHere(plan, contract, [table]);
  const model = parseArtefact(JSON.parse(new TextDecoder().decode(artefact)));
  const trained = asTrained(model);

  const reader = createRowReader(contract);
  const scorer = createApplicantScorer(model);
  const row = new Float64Array(contract.features.length);
  let at = 0;
  let worst = 0;
  await forEachBatch(file, reader.columns, (batch) => {
    for (const { cells } of batch) {
      expect(reader.readCells(cells, row)).toBeUndefined();
      const pd = sigmoid(calibratedLogit(model.calibration.map, trained[at]!));
      worst = Math.max(worst, Math.abs(scorer.score(row).pd - pd));
      at++;
    }
    return Promise.resolve(true);
  });
  expect(at).toBe(ROWS);
  expect(worst).toBeLessThan(1e-9);
});
