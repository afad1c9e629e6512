import { describe, expect, test } from 'vitest';
import { parseArtefact, type ModelArtefact } from '#models/artefact.ts';
import { createLogisticAnswerer } from '#models/logistic/answer.ts';
import { logistic } from '#models/logistic/program.ts';
import { inputNames, transformTable } from '#models/preprocessing/transform.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import { scorerOf } from '#models/scorer.ts';
import { dealtOut, lenderContract, madeUpLender } from '#models/testing/made-up-lenders.ts';
import { runOverTables } from '#models/testing/run-over-tables.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, selectRows, type Table } from '#shared/contract/table.ts';
import { fromBase64 } from '#shared/crypto/base64.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { range } from '#shared/random/seeded-generator.ts';

const planned = (settings: Json) => ({ name: 'logistic', settings, create: createLogisticAnswerer });
const table = madeUpLender(4000, 'logistic');
const pooled = await runOverTables(planned({}), lenderContract, [table]);

function read(artefact: string): Extract<ModelArtefact, { kind: 'network' }> {
  const parsed = parseArtefact(JSON.parse(artefact));
  if (parsed.kind !== 'network') throw new Error(`expected a network, got a ${parsed.kind}`);
  return parsed;
}

/** Gradient of the penalised log-likelihood by plain sums, per input and intercept, over `rows`. */
function gradientOf(artefact: string, contract: DataContract, rows: Table, ridge: number) {
  const { transform, parameters } = read(artefact);
  const weights = new Float32Array(fromBase64(parameters.weights).slice().buffer);
  const width = inputNames(contract).length;
  const x = transformTable(contract, transform, rows);
  const gradient = new Float64Array(width + 1);
  for (let i = 0; i < rows.rowCount; i++) {
    let z = weights[width]!;
    for (let j = 0; j < width; j++) z += weights[j]! * x[i * width + j]!;
    const residual = rows.bad[i]! - 1 / (1 + Math.exp(-z));
    for (let j = 0; j < width; j++) gradient[j]! += residual * x[i * width + j]!;
    gradient[width]! += residual;
  }
  for (let j = 0; j < width; j++) gradient[j]! -= ridge * weights[j]!;
  return { gradient, weights };
}

describe('logistic regression', () => {
  test.each([2, 5, 20])('over %d banks is the same bytes as over all rows in one place', async (banks) => {
    const run = await runOverTables(planned({}), lenderContract, dealtOut(table, banks), banks === 5);
    expect(run.artefact).toBe(pooled.artefact);
  });

  test('ends where the penalised likelihood of the training rows is greatest', async () => {
    const { training } = splitByKey(table, 0.2, 'seed');
    for (const ridge of [1, 50]) {
      const run = await runOverTables(planned({ newton: { ridge } }), lenderContract, [table]);
      const { gradient } = gradientOf(run.artefact, lenderContract, training.table, ridge);
      // weights are rounded to float32: 6e-8 of a weight, times at most 3200 rows of curvature ¼ and x² up to 25
      for (const g of gradient) expect(Math.abs(g)).toBeLessThan(2e-3);
    }
  });

  test('standardises by the mean and deviation of the training rows', () => {
    const { training } = splitByKey(table, 0.2, 'seed');
    const { transform } = read(pooled.artefact);
    const noise = training.table.columns[4]!;
    if (!isNumberColumn(noise)) throw new Error('not the contract above');
    const units = [...noise.values].map((v) => (v + 4) / 8);
    const mean = units.reduce((a, b) => a + b, 0) / units.length;
    expect(transform.means[3]).toBeCloseTo(mean, 11);
    expect(transform.deviations[3]).toBeCloseTo(
      Math.sqrt(units.reduce((a, u) => a + (u - mean) ** 2, 0) / units.length),
      9,
    );
    expect(transform.deviations[4]).toBe(1); // the constant
  });

  test('without a ridge leaves out inputs that follow from others, and reaches the same predictions', async () => {
    const sector = table.columns[3]!;
    // without the few of no declared sector, none of whom is bad
    const declared = range(4000).filter((i) => !isNumberColumn(sector) && sector.codes[i]! < 6);
    const rows = [selectRows(table, declared)];
    const none = await runOverTables(planned({ newton: { ridge: 0 } }), lenderContract, rows);
    const tiny = await runOverTables(planned({ newton: { ridge: 1e-3 } }), lenderContract, rows);
    expect(none.reason).toMatch(/^12 inputs/); // of 18: six never vary or follow from others
    const { weights } = gradientOf(none.artefact, lenderContract, table, 0);
    expect(weights.filter((w) => w === 0)).toHaveLength(6);
    const [one, other] = [scorerOf(read(none.artefact)), scorerOf(read(tiny.artefact))];
    for (const i of declared.slice(0, 50)) {
      const row = Float64Array.from(table.columns, (c) => (isNumberColumn(c) ? c.values[i]! : c.codes[i]!));
      expect(one.logit(row)).toBeCloseTo(other.logit(row), 3);
    }
  });

  test('judges on rows it was not trained on, and knows them from noise', () => {
    const { metrics, baseline } = read(pooled.artefact);
    expect(metrics['auc']).toBeGreaterThan(0.68);
    expect(metrics['holdoutRows']! + metrics['trainingRows']!).toBe(4000);
    expect(baseline.row[3]).toBe('shop');
    expect(pooled.kinds.slice(0, 3)).toEqual(['totals', 'squares', 'newton']);
    expect(pooled.kinds.length).toBeLessThanOrEqual(logistic.maximumRounds({}));
  });

  test('of one category alone needs no deviations, and ends at the greatest likelihood too', async () => {
    const contract = dataContract.parse({ ...lenderContract, features: [lenderContract.features[3]] });
    const sectors: Table = { ...table, columns: [table.columns[3]!] };
    const run = await runOverTables(planned({}), contract, [sectors]);
    expect(run.kinds).not.toContain('squares');
    const { training } = splitByKey(sectors, 0.2, 'seed');
    for (const g of gradientOf(run.artefact, contract, training.table, 1).gradient) {
      expect(Math.abs(g)).toBeLessThan(2e-3);
    }
  });

  test('refuses what it cannot fit', async () => {
    const goods = range(4000).filter((i) => table.bad[i] === 0);
    await expect(
      runOverTables(planned({}), lenderContract, [selectRows(table, goods)]),
    ).rejects.toMatchObject({
      code: 'DATA_SOURCE',
    });
    const categories = Array.from({ length: 600 }, (_, i) => `c${i}`);
    const wide = dataContract.parse({
      ...lenderContract,
      features: [{ name: 'c', type: 'category', categories }],
    });
    expect(() => logistic.begin({ contract: wide, settings: {}, participants: 1, seed: 's' })).toThrow(
      /602 inputs/,
    );
  });
});

test('more banks than sums have room for are refused before the first question', () => {
  const setup = { contract: lenderContract, settings: {}, seed: 'seed' };
  expect(logistic.begin({ ...setup, participants: 240 }).kind).toBe('ask');
  expect(() => logistic.begin({ ...setup, participants: 300 })).toThrow(/300 banks/);
});
