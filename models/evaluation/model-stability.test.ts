import { describe, expect, test } from 'vitest';
import { parseArtefact } from '#models/artefact.ts';
import { modelStability } from '#models/evaluation/model-stability.ts';
import { createScorecardAnswerer } from '#models/scorecard/answer.ts';
import { scorerOf } from '#models/scorer.ts';
import { lenderContract, madeUpLender } from '#models/testing/made-up-lenders.ts';
import { runOverTables } from '#models/testing/run-over-tables.ts';
import { rowAt, selectRows, type NumberColumn, type Table } from '#shared/contract/table.ts';
import { range } from '#shared/random/seeded-generator.ts';

const program = { name: 'scorecard', settings: {}, create: createScorecardAnswerer };
const { artefact } = await runOverTables(program, lenderContract, [madeUpLender(6000, 'stability')]);
const model = parseArtefact(JSON.parse(artefact));
const scorer = scorerOf(model);

const row = new Float64Array(lenderContract.features.length);
const logitsOf = (of: Table) => Float64Array.from(range(of.rowCount), (i) => scorer.logit(rowAt(of, i, row)));
const stabilityOf = (of: Table) => modelStability(model, of, logitsOf(of));

describe('the stability of a model', () => {
  const alike = madeUpLender(3000, 'the same book, other applicants');
  const utilisation = alike.columns[0] as NumberColumn;

  test('raises no alarm for applicants like those it was made with', () => {
    const { score, characteristics } = stabilityOf(alike);
    expect(score).toMatchObject({ alert: false });
    expect(score!.psi).toBeLessThan(0.05);
    expect(characteristics.map((c) => c.name)).toContain('utilisation');
    expect(characteristics.every((c) => !c.alert)).toBe(true);
  });

  test('raises one for the score and the characteristic that moved', () => {
    const drawn = range(3000).filter((i) => utilisation.values[i]! > 0.8);
    const { score, characteristics } = stabilityOf(selectRows(alike, drawn));
    expect(score).toMatchObject({ alert: true });
    expect(characteristics.filter((c) => c.alert).map((c) => c.name)).toEqual(['utilisation']);
  });

  test('of the score is its definition over the groups of the calibration record', () => {
    const groups = model.calibration.table;
    const logits = logitsOf(alike);
    const borders = [-Infinity, ...groups.slice(0, -1).map((g) => g.logitBelow!), Infinity];
    const total = groups.reduce((n, g) => n + g.rows, 0);
    const psi = groups.reduce((sum, { rows }, g) => {
      const now = logits.filter((z) => z >= borders[g]! && z < borders[g + 1]!).length / logits.length;
      return sum + (now - rows / total) * Math.log(now / (rows / total));
    }, 0);
    expect(groups.length).toBeGreaterThan(5);
    expect(stabilityOf(alike).score!.psi).toBeCloseTo(psi, 12);
  });

  test('is not known of a model without the borders of its groups', () => {
    const table = model.calibration.table.map(({ rows, bads, meanPd }) => ({ rows, bads, meanPd }));
    const old = { ...model, calibration: { ...model.calibration, table } };
    expect(modelStability(old, alike, logitsOf(alike)).score).toBeUndefined();
  });
});
