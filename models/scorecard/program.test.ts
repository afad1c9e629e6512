import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseArtefact, type ModelArtefact } from '#models/artefact.ts';
import { calibratedLogit } from '#models/evaluation/calibration-map.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import { createScorecardAnswerer } from '#models/scorecard/answer.ts';
import { scorecard } from '#models/scorecard/program.ts';
import { scorecardStability } from '#models/scorecard/stability.ts';
import { scoreOfLogit } from '#models/scoring/scaling.ts';
import { scorerOf } from '#models/scorer.ts';
import { dealtOut, lenderContract, madeUpLender } from '#models/testing/made-up-lenders.ts';
import { runOverTables } from '#models/testing/run-over-tables.ts';
import { dataContract, type DataContract } from '#shared/contract/contract.ts';
import { isNumberColumn, selectRows, type Column, type Table } from '#shared/contract/table.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';

type Scorecard = Extract<ModelArtefact, { kind: 'scorecard' }>;

const planned = (settings: Json) => ({ name: 'scorecard', settings, create: createScorecardAnswerer });

const table = madeUpLender(6000, 'scorecard');
const pooled = await runOverTables(planned({}), lenderContract, [table]);
const model = read(pooled.artefact);

function read(artefact: string): Scorecard {
  const parsed = parseArtefact(JSON.parse(artefact));
  if (parsed.kind !== 'scorecard') throw new Error(`expected a scorecard, got a ${parsed.kind}`);
  return parsed;
}

async function train(
  settings: Json,
  of: Table = table,
  contract: DataContract = lenderContract,
): Promise<Scorecard> {
  return read((await runOverTables(planned(settings), contract, [of])).artefact);
}

const namesOf = ({ contract, parameters }: Scorecard) =>
  parameters.characteristics.map((c) => contract.features[c.feature]!.name);
const rejectedOf = ({ contract, parameters }: Scorecard) =>
  Object.fromEntries(parameters.rejected!.map((r) => [contract.features[r.feature]!.name, r.reason]));
const rowAt = (of: Table, i: number) =>
  Float64Array.from(of.columns, (c) => (isNumberColumn(c) ? c.values[i]! : c.codes[i]!));

/** The table with one more number column. */
function withColumn(of: Table, contract: DataContract, name: string, value: (row: number) => number) {
  const feature = { name, type: 'number', min: -1e6, max: 1e6 } as const;
  const extended = dataContract.parse({ ...contract, features: [...contract.features, feature] });
  const values = Float64Array.from({ length: of.rowCount }, (_, i) => value(i));
  const columns = [...of.columns, { feature: extended.features.at(-1)!, values } as Column];
  return { contract: extended, table: { ...of, columns } };
}

describe('however the rows are spread', () => {
  test.each([2, 5, 20])('over %d banks, the artefact is the same bytes', async (banks) => {
    const tables = dealtOut(table, banks);
    const run = await runOverTables(planned({}), lenderContract, tables, banks === 5);
    expect(run.artefact).toBe(pooled.artefact);
    expect(run.kinds).toEqual(pooled.kinds);
  });

  test('also for small books, other settings and banks without a single row', async () => {
    const settings = fc.record({
      binning: fc.record({
        fine: fc.integer({ min: 2, max: 20 }),
        shape: fc.constantFrom('monotone', 'free'),
        groupsMax: fc.integer({ min: 2, max: 5 }),
      }),
      newton: fc.record({ ridge: fc.constantFrom(0.5, 3) }),
      selection: fc.record({ method: fc.constantFrom('iv', 'backward'), minIv: fc.constant(0) }),
    });
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.integer({ min: 250, max: 500 }),
        fc.integer({ min: 2, max: 6 }),
        async (s, rows, banks) => {
          const program = planned(s as unknown as Json);
          const all = selectRows(table, range(rows));
          const [one, many] = [[all], [...dealtOut(all, banks), selectRows(all, new Uint32Array(0))]];
          const first = await runOverTables(program, lenderContract, one);
          expect((await runOverTables(program, lenderContract, many)).artefact).toBe(first.artefact);
        },
      ),
      { numRuns: 12 },
    );
  });
});

describe('the model', () => {
  test('is where the likelihood of the training rows is greatest', () => {
    const { training } = splitByKey(table, 0.2, 'seed');
    const { intercept, characteristics } = model.parameters;
    const scorer = scorerOf(model);
    // gradient by plain sums, per characteristic as the scorer sees it: β·WOE is the contribution
    const size = characteristics.length + 1;
    const gradient = Array<number>(size).fill(0);
    const against = scorerOf({ ...model, baseline: { row: model.baseline.row.map(() => null) } });
    const missingWoe = characteristics.map((c) => c.woe[c.groups.at(-1)!]!);
    for (let i = 0; i < training.table.rowCount; i++) {
      const row = rowAt(training.table, i);
      const residual = training.table.bad[i]! - 1 / (1 + Math.exp(-scorer.logit(row)));
      const contributions = against.contributions(row);
      gradient[0]! += residual;
      characteristics.forEach(({ feature, coefficient }, j) => {
        gradient[j + 1]! += residual * (contributions[feature]! / coefficient + missingWoe[j]!);
      });
    }
    expect(Number.isFinite(intercept)).toBe(true);
    for (const g of gradient) expect(Math.abs(g)).toBeLessThan(1e-6);
    expect(training.table.rowCount).toBe(model.metrics['trainingRows']);
  });

  test('finds the features that matter and leaves noise out', () => {
    expect(namesOf(model)).toEqual(['utilisation', 'months', 'income', 'sector']);
    expect(rejectedOf(model)).toEqual({
      noise: 'information value below 0.02',
      constant: 'no two groups of it are large enough',
    });
    expect(model.metrics['auc']).toBeGreaterThan(0.7);
  });

  test('obeys the direction of the contract: the bad rate rises with utilisation', () => {
    const { groups, woe } = model.parameters.characteristics[0]!;
    const bins = model.transform.features[0]!;
    const ranges = 'edges' in bins ? bins.edges.length + 1 : 0;
    const weights = groups.slice(0, ranges).map((g) => woe[g]!);
    expect(weights).toEqual(weights.toSorted((a, b) => a - b));
  });

  test('publishes no group of fewer than 20 rows or 10 bads, and counts every training row once', () => {
    for (const { counts } of model.parameters.characteristics) {
      for (const count of counts!) {
        expect(count!.rows).toBeGreaterThanOrEqual(20);
        expect(count!.bads).toBeGreaterThanOrEqual(10);
      }
      expect(counts!.reduce((n, c) => n + c!.rows, 0)).toBe(model.metrics['trainingRows']);
    }
  });

  test('with groups of fewer than 10 bads leaves their counts out, and those that would give them away', async () => {
    const few = selectRows(table, range(500));
    const { parameters } = await train({ binning: { minBads: 2, minShare: 0, shape: 'free' } }, few);
    const all = parameters.characteristics.map((c) => c.counts!);
    expect(all.some((counts) => counts.some((count) => count === null))).toBe(true);
    for (const counts of all) {
      for (const count of counts) if (count !== null) expect(count.bads).toBeGreaterThanOrEqual(10);
      expect(counts.filter((count) => count === null)).not.toHaveLength(1);
    }
  });

  test('has means of the population and a baseline of typical values', () => {
    for (const { counts, woe, mean } of model.parameters.characteristics) {
      const total = counts!.reduce((n, c) => n + c!.rows, 0);
      expect(mean).toBeCloseTo(
        counts!.reduce((m, c, g) => m + (c!.rows / total) * woe[g]!, 0),
        12,
      );
    }
    const { training } = splitByKey(table, 0.2, 'seed');
    model.contract.features.forEach((feature, f) => {
      const column = training.table.columns[f]!;
      if (!isNumberColumn(column)) {
        const rows =
          feature.type === 'category'
            ? feature.categories.map((_, c) => column.codes.filter((x) => x === c + 1).length)
            : [];
        expect(model.baseline.row[f]).toBe(column.feature.categories[rows.indexOf(Math.max(...rows))]);
        return;
      }
      const values = [...column.values].filter((x) => !Number.isNaN(x) && x !== -1);
      const share = values.filter((x) => x <= Number(model.baseline.row[f])).length / values.length;
      if (feature.name !== 'constant') expect(Math.abs(share - 0.5)).toBeLessThan(0.02);
    });
  });
});

describe('its scorer', () => {
  const scorer = scorerOf(model);
  const baseline = scorerOf(model).logit(
    Float64Array.from(model.baseline.row, (cell, f) => {
      const feature = model.contract.features[f]!;
      return typeof cell === 'number'
        ? cell
        : feature.type === 'category'
          ? feature.categories.indexOf(String(cell)) + 1
          : NaN;
    }),
  );

  test('gives points that add up to the score, up to rounding', () => {
    const wide = { ...model.scaling, min: -1e9, max: 1e9 };
    for (let i = 0; i < 200; i++) {
      const row = rowAt(table, i);
      const score = scoreOfLogit(calibratedLogit(model.calibration.map, scorer.logit(row)), wide).score;
      let points = 0;
      let residuals = 0;
      for (const c of model.parameters.characteristics) {
        const bins = model.transform.features[c.feature]!;
        const value = row[c.feature]!;
        const bin =
          'categories' in bins
            ? value === 0
              ? bins.categories + 1
              : value - 1
            : Number.isNaN(value)
              ? c.groups.length - 1
              : bins.special.includes(value)
                ? bins.edges.length + 1
                : bins.edges.filter((e) => e < value).length;
        points += c.points[c.groups[bin]!]!;
        residuals += c.residual[c.groups[bin]!]!;
      }
      expect(points + residuals).toBeCloseTo(score, 8);
    }
  });

  test('explains every row: contributions add up to the difference from the baseline', () => {
    for (let i = 0; i < 200; i++) {
      const row = rowAt(table, i);
      const contributions = scorer.contributions(row);
      const sum = contributions.reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(scorer.logit(row) - baseline, 12);
      expect([contributions[4], contributions[5]]).toEqual([0, 0]);
    }
  });
});

describe('the plan decides', () => {
  test('which features: those it names are used, and no others', async () => {
    const forced = await train({
      selection: { features: ['noise', 'months'], minIv: 0 },
      binning: { shape: 'free' },
    });
    expect(namesOf(forced).toSorted()).toEqual(['months', 'noise']);
    expect(rejectedOf(forced)['income']).toBe('not among the features of the plan');
    expect(() =>
      scorecard.begin({
        contract: lenderContract,
        settings: { selection: { features: ['nose'] } },
        participants: 1,
        seed: 's',
      }),
    ).toThrow(/"nose"/);
  });

  test('how many: the ones of the highest information value', async () => {
    const two = await train({ selection: { max: 2 } });
    expect(namesOf(two)).toEqual(['utilisation', 'months']);
    expect(rejectedOf(two)['sector']).toMatch(/highest/);
  });

  test('on elimination: what chance explains is taken out and the rest fitted again', async () => {
    const all = await train({ selection: { method: 'iv', minIv: 0 }, binning: { shape: 'free' } });
    const backward = await train({
      selection: { method: 'backward', minIv: 0, pMax: 1e-4 },
      binning: { shape: 'free' },
    });
    expect(namesOf(all)).toContain('noise');
    expect(namesOf(backward)).not.toContain('noise');
    expect(rejectedOf(backward)['noise']).toMatch(/Wald p is above 0.0001/);
    const direct = await train({ selection: { features: namesOf(backward) }, binning: { shape: 'free' } });
    // the same maximum, reached from elsewhere
    backward.parameters.characteristics.forEach(({ feature, coefficient }) => {
      const same = direct.parameters.characteristics.find((c) => c.feature === feature)!;
      expect(same.coefficient).toBeCloseTo(coefficient, 9);
    });
  });

  test('a feature that repeats another one is dropped as collinear, not fitted', async () => {
    const months = table.columns[1]!;
    const twice = withColumn(table, lenderContract, 'twice', (i) =>
      isNumberColumn(months) ? (months.values[i] === -1 ? -1 : 2 * months.values[i]!) : NaN,
    );
    const features = twice.contract.features.map((f) =>
      // a range twice as long, so that its bins are the other's
      f.name === 'twice' ? { ...f, min: 0, max: 800, special: [-1] } : f,
    );
    const contract = dataContract.parse({ ...twice.contract, features });
    const columns = twice.table.columns.map((c, j) => ({ ...c, feature: contract.features[j] })) as Column[];
    const fitted = await train({}, { ...twice.table, columns }, contract);
    expect(rejectedOf(fitted)['twice']).toMatch(/follows from other/);
    expect(namesOf(fitted)).toEqual(namesOf(model));
  });

  describe('where two features say much the same', () => {
    const generator = new SeededGenerator('echo');
    const draws = Array.from({ length: 4000 }, () => {
      const a = 4 * generator.nextUnit() - 2;
      const b = a + 2 * generator.nextUnit() - 1;
      const pd = 1 / (1 + Math.exp(1 - 2.5 * a + 0.9 * b)); // b speaks for the borrower, given a
      return { a, b, bad: generator.nextUnit() < pd ? 1 : 0 };
    });
    const number = (name: string) => ({ name, type: 'number', min: -3, max: 3 });
    const contract = dataContract.parse({ ...lenderContract, features: [number('a'), number('b')] });
    const echo: Table = {
      rowCount: draws.length,
      bad: Uint8Array.from(draws, (d) => d.bad),
      columns: contract.features.map((feature, j) => ({
        feature,
        values: Float64Array.from(draws, (d) => (j === 0 ? d.a : d.b)),
      })) as Column[],
    };

    test('the one whose coefficient has the wrong sign goes', async () => {
      const kept = await train({ selection: { method: 'iv' } }, echo, contract);
      const ofB = kept.parameters.characteristics.find((c) => c.feature === 1)!;
      expect(ofB.wald).toBeLessThan(-2);
      expect(ofB.vif).toBeGreaterThan(1.5);
      const fitted = await train({}, echo, contract);
      expect(namesOf(fitted)).toEqual(['a']);
      expect(rejectedOf(fitted)['b']).toMatch(/wrong sign/);
    });

    test('and the contract agrees on a direction, it goes whatever the selection: iv, or named', async () => {
      const features = contract.features.map((f) => ({ ...f, monotone: 'increasing' }));
      const agreed = dataContract.parse({ ...contract, features });
      const columns = echo.columns.map((c, j) => ({ ...c, feature: agreed.features[j] })) as Column[];
      for (const selection of [{ method: 'iv' }, { features: ['b', 'a'] }]) {
        const fitted = await train({ selection }, { ...echo, columns }, agreed);
        expect(namesOf(fitted)).toEqual(['a']);
        expect(rejectedOf(fitted)['b']).toMatch(/against the agreed direction/);
      }
      const few = { selection: { method: 'iv' }, newton: { rounds: 15 } };
      await expect(train(few, { ...echo, columns }, agreed)).rejects.toMatchObject({
        code: 'DIVERGED',
        message: expect.stringContaining('"b"'),
      });
    });

    test('the one whose variance is inflated goes', async () => {
      // outcomes from a + b, so that both have the right sign
      const bad = Uint8Array.from(draws, (d) =>
        generator.nextUnit() < 1 / (1 + Math.exp(1 - d.a - d.b)) ? 1 : 0,
      );
      const both = await train({}, { ...echo, bad }, contract);
      expect(namesOf(both).toSorted()).toEqual(['a', 'b']);
      const one = await train({ selection: { vifMax: 1.2 } }, { ...echo, bad }, contract);
      expect(namesOf(one)).toHaveLength(1);
      expect(Object.values(rejectedOf(one))).toEqual([
        expect.stringMatching(/variance inflation is above 1.2/),
      ]);
    });
  });

  test('scaling and cut-offs travel with the model', async () => {
    const settings = {
      scaling: { score: 500, odds: 20, pdo: 40 },
      cutoffs: { approveBelow: 0.03, declineFrom: 0.1 },
    };
    const scaled = await train(settings);
    expect(scaled.scaling).toEqual({ score: 500, odds: 20, pdo: 40, min: 300, max: 850 });
    expect(scaled.cutoffs).toEqual(settings.cutoffs);
    expect(scaled.parameters.characteristics[0]!.points).not.toEqual(
      model.parameters.characteristics[0]!.points,
    );
  });
});

describe('ends', () => {
  test('with an error when there are too few bads to learn from', async () => {
    const goods = range(6000).filter((i) => table.bad[i] === 0);
    await expect(train({}, selectRows(table, goods))).rejects.toMatchObject({ code: 'DATA_SOURCE' });
  });

  test('with an error when nothing tells bads from goods', async () => {
    await expect(train({ selection: { minIv: 4 } })).rejects.toMatchObject({ code: 'DATA_SOURCE' });
  });

  test('with an error that names the ridge when bads and goods are separable; with a ridge it fits', async () => {
    // bad is who has two of three marks: no mark alone tells, a sum of them tells all
    const generator = new SeededGenerator('separable');
    const marks = Array.from({ length: 800 }, () => [0, 1, 2].map(() => Math.round(generator.nextUnit())));
    const names = ['first', 'second', 'third', 'serial'];
    const features = names.map((name) => ({ name, type: 'number', min: 0, max: 800 }));
    const contract = dataContract.parse({ ...lenderContract, features });
    const separable: Table = {
      rowCount: marks.length,
      bad: Uint8Array.from(marks, ([a, b, c]) => (a! + b! + c! >= 2 ? 1 : 0)),
      columns: contract.features.map((feature, j) => ({
        feature,
        values: Float64Array.from(marks, (m, i) => m[j] ?? i),
      })) as Column[],
    };
    const selection = { features: names.slice(0, 3) };
    await expect(train({ selection }, separable, contract)).rejects.toMatchObject({
      code: 'DIVERGED',
      message: expect.stringContaining('newton.ridge'),
    });
    const ridged = await train({ selection, newton: { ridge: 1 } }, separable, contract);
    expect(namesOf(ridged)).toHaveLength(3);
  });

  test('within the rounds it announced', () => {
    expect(pooled.kinds.length).toBeLessThanOrEqual(scorecard.maximumRounds({}));
    expect(pooled.kinds.at(-1)).toBe('evaluate');
    expect(pooled.reason).toMatch(/4 characteristics, converged after \d Newton rounds/);
    expect(() => scorecard.maximumRounds({ newton: { rounds: 3 } })).toThrow(/newton.rounds/);
  });
});

test('stability: a bank like the others has none to report, one of other customers has', () => {
  const alike = scorecardStability(model.parameters, model.transform, selectRows(table, range(1500)));
  expect(alike.map((s) => s.feature)).toEqual(model.parameters.characteristics.map((c) => c.feature));
  for (const { alert, rows } of alike) {
    expect(alert).toBe(false);
    expect(rows.reduce((a, b) => a + b, 0)).toBe(1500);
  }
  const utilisation = table.columns[0]!;
  const heavy = range(6000).filter((i) => isNumberColumn(utilisation) && utilisation.values[i]! > 0.8);
  const [other] = scorecardStability(model.parameters, model.transform, selectRows(table, heavy));
  expect(other).toMatchObject({ feature: 0, alert: true });
  const withheld = model.parameters.characteristics.map((c) => ({ ...c, counts: c.counts!.map(() => null) }));
  expect(
    scorecardStability({ ...model.parameters, characteristics: withheld }, model.transform, table),
  ).toEqual([]);
});

test('more banks than sums have room for are refused before the first question', () => {
  const setup = { contract: lenderContract, settings: {}, seed: 'seed' };
  expect(scorecard.begin({ ...setup, participants: 240 }).kind).toBe('ask');
  expect(() => scorecard.begin({ ...setup, participants: 300 })).toThrow(/300 banks/);
});
