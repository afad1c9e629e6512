import { describe, expect, test } from 'vitest';
import { parseArtefact } from '#models/artefact.ts';
import { sigmoid } from '#models/arithmetic/exp-log.ts';
import { calibratedLogit } from '#models/evaluation/calibration-map.ts';
import { createGbdtAnswerer } from '#models/gbdt/answer.ts';
import { createLogisticAnswerer } from '#models/logistic/answer.ts';
import { createScorecardAnswerer } from '#models/scorecard/answer.ts';
import { scorerOf } from '#models/scorer.ts';
import { dealtOut } from '#models/testing/made-up-lenders.ts';
import { runOverTables } from '#models/testing/run-over-tables.ts';
import { fewCells, fewCellsContract, thinFile, thinFileContract } from '#models/testing/tied-rows.ts';
import { concatTables } from '#shared/contract/table.ts';

const programs = [
  { name: 'logistic', settings: {}, create: createLogisticAnswerer },
  { name: 'scorecard', settings: { selection: { method: 'iv', minIv: 0 } }, create: createScorecardAnswerer },
  { name: 'gbdt', settings: { trees: 30, rowShare: 0.7 }, create: createGbdtAnswerer },
] as const;
const seeds = Array.from({ length: 8 }, (_, i) => `seed ${i}`);

function pdOf(artefact: string, row: Float64Array): number {
  const model = parseArtefact(JSON.parse(artefact));
  return sigmoid(calibratedLogit(model.calibration.map, scorerOf(model).logit(row)));
}

describe.each(programs)('of rows that tie, $name', (program) => {
  const cells = fewCells();

  test('learns the bad rate of each cell, and judges it on a fifth of the rows', async () => {
    for (const seed of seeds) {
      const { artefact, metrics } = await runOverTables(program, fewCellsContract, [cells], false, seed);
      expect(pdOf(artefact, Float64Array.of(1))).toBeCloseTo(0.15, 1.8);
      expect(pdOf(artefact, Float64Array.of(2))).toBeCloseTo(0.05, 1.8);
      expect(metrics['holdoutRows']).toBe(800);
      expect(metrics['badRate']).toBe(0.1);
      expect(metrics['logLoss']).toBeLessThan(0.315); // 0.3106 is the entropy, 0.3251 that of one rate for all
    }
  });

  test('gives a thin file the same PD whatever the seed, and but for a scorecard the bad rate of thin files', async () => {
    const book = thinFile(6000);
    const thin = new Float64Array(3).fill(NaN);
    const pds: number[] = [];
    for (const seed of seeds)
      pds.push(pdOf((await runOverTables(program, thinFileContract, [book], false, seed)).artefact, thin));
    expect(Math.max(...pds) - Math.min(...pds)).toBeLessThan(0.03);
    // a scorecard adds up what each of three missing features says, as if they were missing for three reasons
    if (program.name !== 'scorecard') for (const pd of pds) expect(Math.abs(pd - 0.1)).toBeLessThan(0.02);
  });

  test('makes of all rows in one place what it makes of them at banks, once it is said whose they are', async () => {
    const banks = dealtOut(cells, 5);
    const apart = await runOverTables(program, fewCellsContract, banks);
    const pooled = await runOverTables(program, fewCellsContract, [concatTables(banks.toReversed())]);
    expect(pooled.artefact).toBe(apart.artefact);
  });
});
