import { describe, expect, test } from 'vitest';
import { answerEvaluation, evaluationFields, readEvaluation } from '#models/evaluation/evaluation.ts';
import { segmentsOf } from '#models/evaluation/segments.ts';
import { exactMetrics } from '#models/metrics/exact-metrics.ts';
import { recordKeys } from '#models/rows/record-keys.ts';
import { dataContract } from '#shared/contract/contract.ts';
import { selectRows, type Table } from '#shared/contract/table.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { vectorLength } from '#shared/ring/field.ts';
import { addInto, createWords, RingSum } from '#shared/ring/ring-sum.ts';

const contract = dataContract.parse({
  v: 1,
  name: 'segments test',
  target: { column: 'bad', bad: '1' },
  features: [
    { name: 'x', type: 'number', min: -10, max: 10 },
    { name: 'trade', type: 'category', categories: ['shop', 'farm', 'mine', 'ship'] },
  ],
});
const ROWS = 6000;

/** Many shops, fewer farms, 30 mines, 8 ships, nothing else; farms default twice as often as their score says. */
function makeTable(): { table: Table; logits: Float64Array } {
  const generator = new SeededGenerator('segments');
  const logits = Float64Array.from({ length: ROWS }, () => 5 * generator.nextUnit() - 4);
  const codes = Uint16Array.from({ length: ROWS }, (_, i) => (i < 8 ? 4 : i < 38 ? 3 : i % 3 === 0 ? 2 : 1));
  const bad = Uint8Array.from(logits, (z, i) => {
    const p = 1 / (1 + Math.exp(-z));
    return generator.nextUnit() < (codes[i] === 2 ? Math.min(1, 2 * p) : p) ? 1 : 0;
  });
  const [x, trade] = contract.features as [never, never];
  const columns = [
    { feature: x, values: logits },
    { feature: trade, codes },
  ];
  return { table: { rowCount: ROWS, columns, bad }, logits };
}

const { table, logits } = makeTable();
const segments = segmentsOf(contract, ['trade']);

function evaluated(banks: number, kMin: number) {
  const fields = evaluationFields('holdout', segments);
  const sum = createWords('u64', vectorLength(fields));
  for (let bank = 0; bank < banks; bank++) {
    const rows = range(ROWS).filter((i) => i % banks === bank);
    const part = selectRows(table, rows);
    const [training, holdout] = [{ table: part }, { table: part, keys: recordKeys(part) }];
    const split = { training, holdout };
    const own = Float64Array.from(rows, (i) => logits[i]!);
    addInto(sum, encodeFields(answerEvaluation('holdout', segments, own, split, 's'), fields, 'u64', 's'));
  }
  return readEvaluation('holdout', segments, new RingSum(sum, fields, banks), {
    method: 'identity',
    kMin,
    holdoutFraction: 0.5,
    participants: 3,
  });
}

describe('figures by category', () => {
  test('are those of its rows in one place', () => {
    const { segments: found } = evaluated(3, 20);
    expect(found.map(({ feature, category }) => `${feature} ${category}`)).toEqual(
      ['shop', 'farm', 'mine', 'ship'].map((trade) => `trade ${trade}`),
    );
    for (const [code, category] of [
      [1, 'shop'],
      [2, 'farm'],
    ] as const) {
      const rows = range(ROWS).filter((i) => (table.columns[1] as { codes: Uint16Array }).codes[i] === code);
      const part = selectRows(table, rows);
      const exact = exactMetrics(
        Float64Array.from(rows, (i) => logits[i]!),
        part.bad,
      );
      const figures = found.find((s) => s.category === category)!;
      expect(figures.rows).toBe(rows.length);
      expect(figures.badRate).toBeCloseTo(part.bad.reduce((n, y) => n + y, 0) / rows.length, 12);
      expect(Math.abs(figures.auc! - exact.auc)).toBeLessThanOrEqual(figures.aucError!);
      expect(figures.meanPd).toBeCloseTo(exact.meanPd, 3); // by bin
    }
    const farm = found[1]!;
    expect(farm.badRate! / farm.meanPd!).toBeGreaterThan(1.5);
  });

  test('are the same for any number of banks', () => {
    expect(evaluated(1, 20)).toEqual(evaluated(7, 20));
  });

  test('of few rows are withheld, and with them others from which they would follow', () => {
    const { segments: found } = evaluated(2, 20);
    // 8 ships alone would be the total less the rest
    expect(found.filter(({ rows }) => rows === null).map(({ category }) => category)).toEqual([
      'mine',
      'ship',
    ]);
    for (const { rows, ...figures } of found) {
      if (rows === null) expect(Object.values(figures).filter((f) => typeof f === 'number')).toEqual([]);
    }
  });
});

test.each([
  [['x'], 'a category feature'],
  [['nothing'], 'a category feature'],
  [['trade', 'trade'], 'twice'],
])('segments %j are refused, and the error names the setting', (names, why) => {
  expect(() => segmentsOf(contract, names)).toThrow(FederationError);
  expect(() => segmentsOf(contract, names)).toThrow(/program\.settings\.segments\.\d/);
  expect(() => segmentsOf(contract, names)).toThrow(why);
});
