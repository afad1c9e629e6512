import { describe, expect, test } from 'vitest';
import { parseArtefact, type ModelArtefact } from '#models/artefact.ts';
import { splitByKey } from '#models/rows/record-keys.ts';
import { createScorecardAnswerer } from '#models/scorecard/answer.ts';
import { isCostly, reasonWith, remarks, separation } from '#models/scorecard/remarks.ts';
import { runOverTables } from '#models/testing/run-over-tables.ts';
import { dataContract } from '#shared/contract/contract.ts';
import type { Column, Table } from '#shared/contract/table.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

type Scorecard = Extract<ModelArtefact, { kind: 'scorecard' }>;

const contract = dataContract.parse({
  v: 1,
  name: 'shapes',
  target: { column: 'bad', bad: '1' },
  features: [
    { name: 'x', type: 'number', min: -5, max: 5 },
    { name: 'z', type: 'number', min: -5, max: 5 },
    { name: 'flag', type: 'category', categories: ['none', 'hit', 'safe'] },
  ],
});
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));

/** @param isBad of a row, with a number drawn evenly from [0, 1) @param flagOf the category's code */
function book(
  isBad: (x: number, z: number, u: number) => boolean,
  flagOf: (bad: boolean, u: number) => number = () => 1,
): Table {
  const generator = new SeededGenerator('shapes');
  const u = () => generator.nextUnit();
  const gauss = () => Math.sqrt(-2 * Math.log(1 - u())) * Math.cos(2 * Math.PI * u());
  const rows = Array.from({ length: 3000 }, () => {
    const [x, z] = [gauss(), gauss()];
    const bad = isBad(x, z, u());
    return { x, z, bad, flag: flagOf(bad, u()) };
  });
  const columns = [
    { values: Float64Array.from(rows, (r) => r.x) },
    { values: Float64Array.from(rows, (r) => r.z) },
    { codes: Uint16Array.from(rows, (r) => r.flag) },
  ].map((cells, j) => ({ feature: contract.features[j], ...cells }) as Column);
  return { rowCount: rows.length, columns, bad: Uint8Array.from(rows, (r) => (r.bad ? 1 : 0)) };
}

async function train(table: Table, settings: Json = {}, of = contract) {
  const program = { name: 'scorecard', settings, create: createScorecardAnswerer };
  const run = await runOverTables(program, of, [table]);
  const model = parseArtefact(JSON.parse(run.artefact)) as Scorecard;
  const ivOf = (name: string) => {
    const f = contract.features.findIndex((feature) => feature.name === name);
    const { characteristics, rejected = [] } = model.parameters;
    return [...characteristics, ...rejected].find(({ feature }) => feature === f)!.iv;
  };
  return { ...run, model, ivOf, said: remarks(of, model.parameters) };
}

const ordinary = (x: number, z: number, u: number) => u < sigmoid(-1.8 + x + 0.5 * z);

/** By hand over the training rows: two groups of a category, the pure one and the rest, with ½ more in the former. */
function ivByHand(table: Table, code: number): number {
  const { bad, columns } = splitByKey(table, 0.2, 'seed').training.table;
  const { codes } = columns[2] as { codes: Uint16Array };
  const count = (isIn: boolean, outcome: number) =>
    codes.filter((c, i) => (c === code) === isIn && bad[i] === outcome).length;
  const [b, g, restB, restG] = [count(true, 1), count(true, 0), count(false, 1), count(false, 0)];
  const shares = [
    [(b + 0.5) / (b + restB), (g + 0.5) / (g + restG)],
    [restB / (b + restB), restG / (g + restG)],
  ] as const;
  return shares.reduce((iv, [p, q]) => iv + (p - q) * Math.log(p / q), 0);
}

describe('a feature that separates', () => {
  test('all bads from all goods is found, and said to be one', async () => {
    const { model, reason, metrics, ivOf, said } = await train(book((x) => x > 0.9));
    // half a row more in each pure group; the fine range at 0.9 has both
    expect(ivOf('x')).toBeGreaterThan(3);
    expect(model.parameters.characteristics[0]!.feature).toBe(0);
    expect(said[0]).toMatch(/^"x" (alone tells all bads|has a group of bads only)/);
    expect(reason).toContain(said[0]);
    expect(metrics['separators']).toBe(1);
    expect(metrics['auc']).toBeGreaterThan(0.95);
  });

  test('half of the bads by a group of bads only is in the scorecard, with half counts', async () => {
    const hits = book(ordinary, (bad, u) => (bad && u < 0.5 ? 2 : 1));
    const { model, ivOf, said, reason } = await train(hits);
    const flag = model.parameters.characteristics.find(({ feature }) => feature === 2)!;
    expect(flag.separates).toBe('some');
    expect(ivOf('flag')).toBeCloseTo(ivByHand(hits, 2), 9);
    expect(ivOf('flag')).toBeGreaterThan(3.5); // 4.01 in a book like this one
    expect(said.join()).toContain('"flag" has a group of bads only or of goods only (IV ');
    expect(reason).toContain('"flag" has a group');
    expect(flag.coefficient).toBeLessThan(1.5);
  });

  test('some goods by a group of goods only, likewise', async () => {
    const safe = book(ordinary, (bad, u) => (!bad && u < 0.13 ? 3 : 1));
    const { ivOf, said } = await train(safe);
    expect(ivOf('flag')).toBeCloseTo(ivByHand(safe, 3), 9);
    expect(Math.abs(ivOf('flag') - 0.573)).toBeLessThan(0.15); // 0.573 in a book like this one
    expect(said.join()).toContain('"flag" has a group');
  });

  test.each([
    [{ bad: [0, 90], good: [200, 0] }, 'all'],
    [{ bad: [0, 90], good: [200, 3] }, 'some'],
    [{ bad: [1, 90], good: [200, 3] }, undefined],
    [{ bad: [90], good: [0] }, undefined],
    [{ bad: [3, 90, 0], good: [20, 3, 0] }, undefined],
  ] as const)('%j: %s', (groups, expected) => {
    expect(separation(groups)).toBe(expected);
  });
});

test('a reason has room for some remarks and says how many there are besides', () => {
  const said = Array.from({ length: 30 }, (_, i) => `remark ${i} ${'x'.repeat(100)}`);
  const reason = reasonWith('done', said);
  expect(reason.length).toBeLessThanOrEqual(500);
  expect(reason).toMatch(/^done; remark 0 x+; remark 1 x+; remark 2 x+; 27 more remarks in the model$/);
  expect(reasonWith('done', said.slice(0, 1))).toBe(`done; ${said[0]}`);
});

describe('a shape or a direction', () => {
  const uShaped = book((x, _z, u) => u < sigmoid(-3 + 1.5 * x * x));

  test('that the data do not have costs information value, and it is said how much', async () => {
    const { said, metrics, reason, ivOf } = await train(uShaped, { selection: { minIv: 0 } });
    const free = await train(uShaped, { binning: { shape: 'free' } });
    expect(free.ivOf('x') - ivOf('x')).toBeGreaterThan(0.5);
    expect(metrics['ivLostToShape']).toBeCloseTo(free.ivOf('x') - ivOf('x'), 9);
    expect(said).toContain(
      `the monotone shape costs "x" information value: ${ivOf('x').toFixed(3)}, and ${free.ivOf('x').toFixed(3)} without it`,
    );
    expect(reason).toContain('the monotone shape costs "x"');
    expect(free.said).toEqual([]);
  });

  test('against the data is named with its feature', async () => {
    const features = contract.features.map((f) =>
      f.name === 'x' ? { ...f, monotone: 'decreasing' as const } : f,
    );
    const against = dataContract.parse({ ...contract, features });
    const { said } = await train(book(ordinary), {}, against);
    expect(said.join()).toContain('the direction "decreasing" costs "x" information value: ');
  });

  test('that costs no more than noise is not spoken of', async () => {
    const { said, metrics } = await train(book(ordinary), { selection: { minIv: 0 } });
    expect(said).toEqual([]);
    expect(metrics).not.toHaveProperty('ivLostToShape');
    expect(metrics).not.toHaveProperty('separators');
  });

  test('is costly by what chance does in one of a thousand cases', () => {
    const groups = { bad: [300, 300], good: [900, 900] };
    // 31 degrees of freedom: 61.1; 600 · 1800 / 2400 = 450
    expect(isCostly(0, 61 / 450, 32, groups)).toBe(false);
    expect(isCostly(0, 61.2 / 450, 32, groups)).toBe(true);
  });
});
