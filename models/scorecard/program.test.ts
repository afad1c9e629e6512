import { describe, expect, test } from 'vitest';
import { parseArtefact } from '#models/artefact.ts';
import { dealtOut, lenderContract, madeUpLender } from '#models/testing/made-up-lenders.ts';
import { runOverTables } from '#models/testing/run-over-tables.ts';

const program = { name: 'scorecard', settings: {} };
const table = madeUpLender(6000, 'scorecard');
const pooled = await runOverTables(program, lenderContract, [table]);

describe('the scorecard', () => {
  test.each([2, 5, 20])('is the same bytes for the rows spread over %d banks', async (banks) => {
    const { artefact } = await runOverTables(program, lenderContract, dealtOut(table, banks), banks === 5);
    expect(artefact).toBe(pooled.artefact);
  });
  test('x', () => {
    const a = parseArtefact(JSON.parse(pooled.artefact));
    console.log(pooled.kinds.join(' '), pooled.reason, JSON.stringify(a.metrics), JSON.stringify(a.parameters), JSON.stringify(a.calibration), a.baseline);
  });
});
