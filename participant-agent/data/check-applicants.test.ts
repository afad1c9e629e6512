import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApplicantCheck } from '#participant-agent/data/check-applicants.ts';
import type { ModelArtefact } from '#models/artefact.ts';
import { exampleForest, exampleNetwork } from '#models/export/example-models.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

/** turnover, sector, months, arrears, owner: see `example-models.ts`. */
type Applicant = [turnover: number, sector: number, months: number, arrears: number, owner: number];

function applicant(u: () => number): Applicant {
  const turnover = Math.exp(9.6 + 1.4 * (u() + u() + u() - 1.5));
  const arrears = u() < 0.3 ? -1 : Math.floor(60 * u() * u());
  return [turnover, 1 + Math.floor(4 * u()), Math.floor(200 * u() * u()), arrears, 1 + Math.floor(2 * u())];
}

/** With the means and deviations of such applicants, in units of their ranges. */
const network = {
  ...exampleNetwork(),
  transform: { kind: 'standardised', means: [0.8, 0.21, 0.15], deviations: [0.035, 0.19, 0.16] },
} as ModelArtefact;
/** Bins that hold equally many of such applicants. */
const binned = ((): ModelArtefact => {
  const generator = new SeededGenerator('binned applicants');
  const rows = Array.from({ length: 4000 }, () => applicant(() => generator.nextUnit()));
  const edges = (j: number, few: number): number[] => {
    const sorted = rows.map((row) => row[j]!).sort((a, b) => a - b);
    const cuts = Array.from(
      { length: few - 1 },
      (_, i) => sorted[Math.ceil(((i + 1) / few) * sorted.length)]!,
    );
    return [...new Set(cuts)];
  };
  const forest = exampleForest();
  const features = [
    { edges: edges(0, 20), special: [] },
    { categories: 4 },
    { edges: edges(2, 20), special: [] },
    { edges: edges(3, 20), special: [-1, -2] },
    { categories: 2 },
  ];
  return { ...forest, transform: { kind: 'bins', features } } as ModelArtefact;
})();

function check(model: ModelArtefact, rows: number, change: (row: Applicant) => Applicant, seed = 'rows') {
  const generator = new SeededGenerator('applicants', seed);
  const applicants = new ApplicantCheck(model);
  for (let i = 0; i < rows; i++)
    applicants.add(Float64Array.from(change(applicant(() => generator.nextUnit()))));
  return applicants.findings();
}
const errors = (found: ReturnType<typeof check>) =>
  found.filter(({ severity }) => severity === 'error').map(({ feature, code }) => `${feature} ${code}`);

describe.each([
  ['network', network],
  ['forest', binned],
])('applicants for a %s', (_, model) => {
  it('as it was made for are passed, whatever draw of them comes, and special values are nothing strange', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 400 }), (seed, rows) => {
        expect(errors(check(model, rows, (row) => row, seed))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('in another coding are refused', () => {
    expect(errors(check(model, 300, ([a, , c, d, e]) => [a, 5, c, d, e]))).toEqual([
      'sector unknown-categories',
    ]);
  });

  it('in another unit are refused, outside the range and within it', () => {
    expect(errors(check(model, 300, ([a, b, c, d, e]) => [a * 1e5, b, c, d, e]))).toEqual([
      'turnover out-of-range',
    ]);
    expect(errors(check(model, 300, ([a, b, c, d, e]) => [a / 1000, b, c, d, e]))).toEqual([
      'turnover shifted',
    ]);
  });

  it('of whom a column is empty are refused, when they are many', () => {
    const emptied = ([a, b, c, , e]: Applicant): Applicant => [a, b, c, NaN, e];
    expect(errors(check(model, 50, emptied))).toEqual(['arrears all-missing']);
    expect(errors(check(model, 5, emptied))).toEqual([]);
  });

  it('one or two may be strange without being refused; three of three are not chance', () => {
    const strange = ([a, , c, d, e]: Applicant): Applicant => [a, 5, c, d, e];
    expect(errors(check(model, 2, strange))).toEqual([]);
    expect(check(model, 2, strange)).toMatchObject([{ severity: 'warning', code: 'unknown-categories' }]);
    expect(errors(check(model, 3, strange))).toEqual(['sector unknown-categories']);
  });

  it('of one kind only, as a selection is, are passed', () => {
    expect(errors(check(model, 300, ([a, , , d, e]) => [a, 1, 3, d, e]))).toEqual([]);
    expect(errors(check(model, 300, ([a, b, c, , e]) => [a, b, c, 0, e]))).toEqual([]);
  });
});
