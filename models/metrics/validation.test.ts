import { describe, expect, test } from 'vitest';
import { validationOf, type Validation } from '#models/metrics/validation.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

const logit = (pd: number) => Math.log(pd / (1 - pd));

/** PDs around one in ten, and outcomes that follow them, or their log-odds moved by `shift`. */
function made(
  rows: number,
  shift: number,
  seed = 'validation test',
): { logits: Float64Array; bad: Uint8Array } {
  const generator = new SeededGenerator(seed);
  const logits = Float64Array.from({ length: rows }, () => -3 + 2 * generator.nextUnit());
  const bad = Uint8Array.from(logits, (z) => (generator.nextUnit() < 1 / (1 + Math.exp(-z - shift)) ? 1 : 0));
  return { logits, bad };
}

describe('validationOf', () => {
  test('gives the known figures of ten applicants', () => {
    const pds = [0.05, 0.1, 0.15, 0.2, 0.35, 0.35, 0.4, 0.6, 0.8, 0.3];
    const bad = Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 1, 1, 0);
    const found = validationOf(Float64Array.from(pds, logit), bad);
    expect(found.auc).toBeCloseTo(0.7708333, 7);
    expect(found.interval.variance).toBeCloseTo(0.0314236, 7);
    expect(found.gini).toBeCloseTo(0.5416667, 7);
    expect(found.spiegelhalter.z).toBeCloseTo(0.0659829, 7);
    const { reliability, resolution, uncertainty } = found.brierSplit;
    expect(reliability - resolution + uncertainty).toBeCloseTo(0.177, 12);
    expect(found.lift.at(-1)).toMatchObject({ captured: 1 });
  });

  test('rejects true PDs as often as a test at 5 % should: in about ten of 200 samples', () => {
    const all = Array.from({ length: 200 }, (_, i) => {
      const { logits, bad } = made(1000, 0, `sample ${i}`);
      return validationOf(logits, bad);
    });
    expect(all[0]!.hosmerLemeshow.degrees).toBe(10);
    // outside 2 … 20 of 200 once in a thousand times
    for (const pOf of [
      (v: Validation) => v.hosmerLemeshow.p,
      (v: Validation) => v.spiegelhalter.p,
      (v: Validation) => v.groups[4]!.jeffreysP,
    ]) {
      const rejected = all.filter((v) => pOf(v) < 0.05).length;
      expect(rejected).toBeGreaterThanOrEqual(2);
      expect(rejected).toBeLessThanOrEqual(20);
    }
  });

  test('finds PDs that are too low by a third, in all of them, and ranks as before', () => {
    const { logits, bad } = made(20_000, 0.4);
    const found = validationOf(logits, bad);
    expect(found.hosmerLemeshow.p).toBeLessThan(1e-6);
    expect(found.spiegelhalter.p).toBeLessThan(1e-6);
    expect(Math.max(...found.groups.map((g) => g.jeffreysP))).toBeLessThan(0.05);
    expect(found.interval.low).toBeGreaterThan(0.6);
  });

  test('says what it needs when nobody was bad', () => {
    const error = expect.objectContaining({ code: 'DATA_SOURCE' });
    expect(() => validationOf(new Float64Array(10), new Uint8Array(10))).toThrow(error);
  });

  test('ends for scores that are no numbers, which equal nothing', () => {
    const logits = Float64Array.of(-1, NaN, 0, NaN, 1, 2);
    expect(validationOf(logits, Uint8Array.of(0, 0, 1, 1, 0, 1)).logLoss).toBeNaN();
  });
});
