import { describe, expect, test } from 'vitest';
import { createProfileAnswerer } from '#models/profile/answer.ts';
import { publishedCells, profileArtefact, renderProfile, type Profile } from '#models/profile/profile.ts';
import { profile } from '#models/profile/program.ts';
import { dealtOut, lenderContract, madeUpLender } from '#models/testing/made-up-lenders.ts';
import { runOverTables } from '#models/testing/run-over-tables.ts';
import { dataContract } from '#shared/contract/contract.ts';
import { selectRows, type NumberColumn, type Table } from '#shared/contract/table.ts';
import { range } from '#shared/random/seeded-generator.ts';

const program = { name: 'profile', settings: {}, create: createProfileAnswerer };
const table = madeUpLender(3000, 'profile');
const pooled = await runOverTables(program, lenderContract, [table]);
const read = (artefact: string): Profile => profileArtefact.parse(JSON.parse(artefact));

function numberProfile(p: Profile, name: string) {
  const feature = p.features.find((f) => f.name === name);
  if (feature?.type !== 'number') throw new Error(`${name} is not a number feature`);
  return feature;
}

/** The ordinary values of a column, clipped and sorted. */
function ordinary(of: Table, index: number): number[] {
  const { feature, values } = of.columns[index] as NumberColumn;
  return [...values]
    .filter((x) => !Number.isNaN(x) && !(feature.special ?? []).includes(x))
    .map((x) => Math.min(feature.max, Math.max(feature.min, x)))
    .toSorted((a, b) => a - b);
}

describe('the profile', () => {
  test.each([2, 5, 20])('is the same bytes for the rows spread over %d banks', async (banks) => {
    const { artefact } = await runOverTables(program, lenderContract, dealtOut(table, banks), banks === 5);
    expect(artefact).toBe(pooled.artefact);
  });

  test('has the means, deviations and quantiles of the pooled rows', () => {
    const p = read(pooled.artefact);
    for (const [index, name] of [
      [0, 'utilisation'],
      [1, 'months'],
      [2, 'income'],
      [4, 'noise'],
    ] as const) {
      const values = ordinary(table, index);
      const feature = numberProfile(p, name);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((a, x) => a + (x - mean) ** 2, 0) / values.length;
      expect(feature.mean! / mean).toBeCloseTo(1, 8);
      expect(feature.deviation! / Math.sqrt(variance)).toBeCloseTo(1, 8);
      for (const { fraction, value } of feature.quantiles) {
        const rank = fraction * values.length;
        if (rank < 20 || values.length - rank < 20) expect(value).toBeNull();
        else {
          const below = values.filter((x) => x < value!).length;
          const atMost = values.filter((x) => x <= value!).length;
          expect(below - 20).toBeLessThan(rank);
          expect(atMost + 20).toBeGreaterThan(rank);
        }
      }
    }
  });

  test('never gives the smallest or largest value, here of 3000 rows', () => {
    const { quantiles } = numberProfile(read(pooled.artefact), 'noise');
    const given = new Map(quantiles.map((q) => [q.fraction, q.value]));
    expect([given.get(0.001), given.get(0.999)]).toEqual([null, null]);
    expect(given.get(0.01)).toEqual(expect.any(Number));
  });

  test('counts every row once in the cells of a feature', () => {
    const p = read(pooled.artefact);
    expect(p.rows).toBe(3000);
    expect(p.badRate).toBe(table.bad.reduce((a, b) => a + b, 0) / 3000);
    const months = numberProfile(p, 'months');
    expect(months.cells.every((c) => c.rows !== null)).toBe(true);
    expect(months.cells.reduce((n, c) => n + c.rows!, 0)).toBe(3000);
    const never = (table.columns[1] as NumberColumn).values.filter((x) => x === -1).length;
    expect(months.cells.find((c) => c.label === '= -1')!.rows).toBe(never);
  });

  test('of too few rows is refused, and of few has no small cell', async () => {
    await expect(
      runOverTables(program, lenderContract, [selectRows(table, range(19))]),
    ).rejects.toMatchObject({
      code: 'DATA_SOURCE',
    });
    const { artefact } = await runOverTables(program, lenderContract, [selectRows(table, range(150))]);
    for (const { cells } of read(artefact).features) {
      for (const { rows } of cells) expect(rows === null || rows === 0 || rows >= 20).toBe(true);
      const withheld = cells.filter((c) => c.rows === null).length;
      expect(withheld === 1 && cells.filter((c) => c.rows !== 0).length > 1).toBe(false);
    }
  });

  test('cuts cells at no decile that it withholds among the quantiles', async () => {
    const few = [selectRows(table, range(150))]; // ranks 15 and 135 have fewer than 20 rows beside them
    const { artefact } = await runOverTables(program, lenderContract, few);
    const open = await runOverTables({ ...program, settings: { kMin: 5 } }, lenderContract, few);
    const ranges = (of: string) => numberProfile(read(of), 'noise').cells.length - 1;
    expect([ranges(artefact), ranges(open.artefact)]).toEqual([8, 10]);
    const { quantiles } = numberProfile(read(artefact), 'noise');
    expect(quantiles.find((q) => q.fraction === 0.1)!.value).toBeNull();
  });

  test('of a contract without numbers needs one question', async () => {
    const contract = dataContract.parse({ ...lenderContract, features: [lenderContract.features[3]] });
    const sectors: Table = { ...table, columns: [table.columns[3]!] };
    const { kinds, artefact } = await runOverTables(program, contract, [sectors]);
    expect(kinds).toEqual(['counts']);
    expect(read(artefact).features).toHaveLength(1);
  });

  test('takes no more rounds than it says', () => {
    expect(pooled.kinds.length).toBeLessThanOrEqual(profile.maximumRounds({}));
    expect(() => profile.maximumRounds({ kMin: 1 })).toThrow(/kMin/);
  });

  test('of more banks than sums have room for is refused before the first question', () => {
    const setup = { contract: lenderContract, settings: {}, seed: 'seed' };
    expect(profile.begin({ ...setup, participants: 255 }).kind).toBe('ask');
    expect(() => profile.begin({ ...setup, participants: 300 })).toThrow(/300 banks/);
  });

  test('reads as a table with one line for each feature and cell', () => {
    const p = read(pooled.artefact);
    const lines = renderProfile(p);
    expect(lines).toHaveLength(1 + p.features.reduce((n, f) => n + 1 + f.cells.length, 0));
    expect(new Set(lines.map((l) => l.length)).size).toBe(1);
    expect(lines[0]!.slice(0, 7)).toEqual([
      'feature',
      'cell',
      'rows',
      'bad rate',
      'mean',
      'deviation',
      '0.1 %',
    ]);
  });
});

test('a single small cell takes the smallest other one with it, for the total would give it away', () => {
  const counts = { bad: [5, 0, 10, 3, 0], good: [95, 0, 30, 4, 60] };
  const cells = publishedCells(['a', 'b', 'c', 'd', 'e'], counts, 20);
  expect(cells.map((c) => c.rows)).toEqual([100, 0, null, null, 60]);
  expect(cells.map((c) => c.badRate)).toEqual([0.05, null, null, null, 0]);
});

test('several small cells take others with them until they hold as many rows as a cell must', () => {
  const counts = { bad: [2, 3, 10, 0, 90], good: [3, 4, 30, 25, 60] }; // 5, 7, 40, 25, 150
  const cells = publishedCells(['a', 'b', 'c', 'd', 'e'], counts, 20);
  expect(cells.map((c) => c.rows)).toEqual([null, null, 40, null, 150]);
  const enough = publishedCells(['a', 'b', 'c'], { bad: [1, 5, 9], good: [11, 9, 40] }, 20); // 12 and 14 are 26
  expect(enough.map((c) => c.rows)).toEqual([null, null, 49]);
});
