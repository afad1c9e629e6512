import { describe, expect, test } from 'vitest';
import { calibrationRecord } from '#models/evaluation/calibration-map.ts';
import { answerEvaluation, evaluationFields, readEvaluation } from '#models/evaluation/evaluation.ts';
import { exactMetrics } from '#models/metrics/exact-metrics.ts';
import type { RecordKeys } from '#models/rows/record-keys.ts';
import type { Table } from '#shared/contract/table.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { assertNoOverflow, vectorLength } from '#shared/ring/field.ts';
import { addInto, createWords, RingSum } from '#shared/ring/ring-sum.ts';

interface Scored {
  readonly logits: Float64Array;
  readonly bad: Uint8Array;
  readonly keys: RecordKeys;
}

/** The truth is half the log-odds, minus one: a model too sure of itself. */
function scoredRows(rows: number): Scored {
  const generator = new SeededGenerator('evaluation test');
  const logits = Float64Array.from({ length: rows }, () => 6 * generator.nextUnit() - 4);
  const bad = Uint8Array.from(logits, (z) =>
    generator.nextUnit() < 1 / (1 + Math.exp(1 - 0.5 * z)) ? 1 : 0,
  );
  const keys = { high: new Uint32Array(rows), low: new Uint32Array(rows), occurrence: new Uint32Array(rows) };
  generator.fill(keys.high);
  generator.fill(keys.low);
  return { logits, bad, keys };
}

function part({ logits, bad, keys }: Scored, rows: Uint32Array): Scored {
  return {
    logits: Float64Array.from(rows, (i) => logits[i]!),
    bad: Uint8Array.from(rows, (i) => bad[i]!),
    keys: {
      high: Uint32Array.from(rows, (i) => keys.high[i]!),
      low: Uint32Array.from(rows, (i) => keys.low[i]!),
      occurrence: new Uint32Array(rows.length),
    },
  };
}

const fields = evaluationFields('holdout', []);

/** Training rows of a bank that keeps a fifth of its bads and of its goods back. */
function trainingRows(bad: Uint8Array): { table: Table } {
  const rows = Uint8Array.from({ length: 4 * bad.length }, (_, i) => bad[i >> 2]!);
  return { table: { rowCount: rows.length, columns: [], bad: rows } };
}

function summed(banks: readonly Scored[], trainingOf = trainingRows): RingSum {
  const sum = createWords('u64', vectorLength(fields));
  for (const { logits, bad, keys } of banks) {
    const table = { rowCount: bad.length, columns: [], bad };
    const split = { training: trainingOf(bad), holdout: { table, keys } };
    const answer = answerEvaluation('holdout', [], logits, split, 'seed');
    addInto(sum, encodeFields(answer, fields, 'u64', 's'));
  }
  return new RingSum(sum, fields, banks.length);
}

describe('evaluation', () => {
  const scored = scoredRows(20_000);
  const settings = { method: 'platt', kMin: 20, holdoutFraction: 0.2, participants: 20 } as const;
  const { metrics, calibration } = readEvaluation('holdout', [], summed([scored]), settings);

  test('agrees with the metrics of all scores in one place', () => {
    const exact = exactMetrics(scored.logits, scored.bad);
    expect(metrics['holdoutRows']).toBe(20_000);
    for (const name of ['logLoss', 'brier', 'meanPd'] as const)
      expect(metrics[name]).toBeCloseTo(exact[name], 6);
    expect(Math.abs(metrics['auc']! - exact.auc)).toBeLessThanOrEqual(metrics['aucError']!);
    expect(metrics['gini']).toBeCloseTo(2 * exact.auc - 1, 4);
    expect(exact.ks).toBeGreaterThanOrEqual(metrics['ks']!);
    expect(exact.ks).toBeLessThanOrEqual(metrics['ksUpper']!);
  });

  test('says what share of the loss it saves against a model that knows the bad rate only', () => {
    const rate = scored.bad.reduce((n, y) => n + y, 0) / scored.bad.length;
    const base = exactMetrics(new Float64Array(20_000).fill(Math.log(rate / (1 - rate))), scored.bad);
    expect(metrics['logLossSkill']).toBeCloseTo(1 - metrics['logLoss']! / base.logLoss, 9);
    expect(metrics['brierSkill']).toBeCloseTo(1 - metrics['brier']! / base.brier, 9);
  });

  test('finds the truth in both halves; each agrees with what the other one says', () => {
    if (calibration.map.method !== 'platt') throw new Error('expected a line');
    expect(Math.abs(calibration.map.slope - 0.5)).toBeLessThan(0.05);
    expect(Math.abs(calibration.map.intercept + 1)).toBeLessThan(0.08);
    expect(Math.abs(metrics['calibrationSlope']! - 1)).toBeLessThan(0.1);
    expect(calibration.hosmerLemeshow.p).toBeGreaterThan(0.001);
    expect(metrics['calibrationError']).toBeLessThan(0.02);
    expect(metrics['calibratedLogLoss']).toBeLessThan(metrics['logLoss']!);
    expect(metrics['calibratedBrier']).toBeLessThan(metrics['brier']!);
  });

  test('an uncalibrated model is shown to be one', () => {
    const raw = readEvaluation('holdout', [], summed([scored]), { ...settings, method: 'identity' });
    expect(raw.calibration.map).toEqual({ method: 'identity' });
    expect(raw.calibration.hosmerLemeshow.p).toBeLessThan(1e-6);
    expect(Math.abs(raw.metrics['calibrationSlope']! - 0.5)).toBeLessThan(0.05);
  });

  test('the isotonic map and its record fit the schema and calibrate as well', () => {
    const { calibration, metrics } = readEvaluation('holdout', [], summed([scored]), {
      ...settings,
      method: 'isotonic',
    });
    expect(calibration.map.method).toBe('isotonic');
    expect(calibrationRecord.safeParse(calibration).success).toBe(true);
    expect(metrics['calibrationError']).toBeLessThan(0.03);
  });

  test('is the same for any number of banks and any order of rows', () => {
    const order = new SeededGenerator('order').shuffle(range(20_000));
    for (const banks of [2, 5, 20]) {
      const parts = Array.from({ length: banks }, (_, b) =>
        part(
          scored,
          order.filter((i) => i % banks === b),
        ),
      );
      expect(readEvaluation('holdout', [], summed(parts), settings)).toEqual({
        metrics,
        calibration,
        segments: [],
      });
    }
  });

  test('the table has at most ten groups that hold all rows', () => {
    const rows = calibration.table.reduce((n, g) => n + g.rows, 0);
    expect(calibration.table.length).toBeLessThanOrEqual(10);
    expect(calibration.table.length).toBeGreaterThan(7);
    expect(rows).toBe(20_000);
  });

  test('each group ends where the next one begins, the last nowhere', () => {
    const ends = calibration.table.map((g) => g.logitBelow);
    expect(ends.at(-1)).toBeUndefined();
    const borders = [-Infinity, ...(ends.slice(0, -1) as number[]), Infinity];
    calibration.table.forEach(({ rows }, g) => {
      expect(scored.logits.filter((z) => z >= borders[g]! && z < borders[g + 1]!)).toHaveLength(rows);
    });
  });

  test('a line the rows cannot tell from identity is not drawn', () => {
    const generator = new SeededGenerator('calibrated already');
    const bad = Uint8Array.from(scored.logits, (z) =>
      generator.nextUnit() < 1 / (1 + Math.exp(-z)) ? 1 : 0,
    );
    const { calibration } = readEvaluation('holdout', [], summed([{ ...scored, bad }]), settings);
    expect(calibration.map).toEqual({ method: 'identity' });
  });

  test('a line is not drawn through fewer than kMin rows', () => {
    const many = part(scored, range(1000)); // about 500 in a half
    const methodFor = (kMin: number) =>
      readEvaluation('holdout', [], summed([many]), { ...settings, kMin }).calibration.map.method;
    expect([methodFor(400), methodFor(600)]).toEqual(['platt', 'identity']);
  });

  test('rows kept back that cannot be chance stop the run, and it says whose and how many', () => {
    const skewed = (bad: Uint8Array) => ({
      table: { ...trainingRows(bad).table, bad: new Uint8Array(bad.length * 4) },
    });
    const read = (trainingOf: typeof trainingRows) =>
      readEvaluation('holdout', [], summed([scored], trainingOf), { ...settings, participants: 3 });
    // all bads kept back and none trained on, as where the draw knew the outcome
    expect(() => read(skewed)).toThrow(/expected 20\.0 % ± 8\.\d % of all banks' bads .* got 100\.0 %/);
    const twice = (bad: Uint8Array) => trainingRows(bad.subarray(0, bad.length / 3));
    expect(() => read(twice)).toThrow(/bads .* got 4\d\.\d %/);
    expect(() => read(trainingRows)).not.toThrow();
  });

  test('too few rows are not published', () => {
    const few = readEvaluation('holdout', [], summed([part(scored, range(15))]), settings);
    expect(few.metrics).toEqual({ holdoutRows: 15 });
    expect(few.calibration).toEqual({
      map: { method: 'identity' },
      table: [],
      hosmerLemeshow: { chiSquare: 0, degrees: 0, p: 1 },
    });
  });

  test('log-odds beyond all sense neither overflow a sum nor divide by zero', () => {
    assertNoOverflow(fields, 'u64', 128);
    const rows = 200;
    const wild: Scored = {
      ...part(scored, range(rows)),
      logits: Float64Array.from({ length: rows }, (_, i) => (i % 2 === 0 ? 1e9 : -1e9)),
    };
    const { metrics } = readEvaluation('holdout', [], summed([wild]), { ...settings, method: 'identity' });
    for (const value of Object.values(metrics)) expect(Number.isFinite(value)).toBe(true);
  });
});
