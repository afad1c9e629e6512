/**
 * What a consortium may know of its pooled rows: the artefact of the `profile` program, and its text form.
 *
 * Nothing in it rests on fewer than kMin rows. A cell with fewer (but not none) is null. The total less what is
 * shown is the sum of what is not, so where cells of a feature are null there are two or more of them and they
 * hold kMin rows together; cells large enough are null as well where it takes them. A quantile is null when fewer
 * than kMin rows lie on either side of it, and cells end at quantiles that are not; the smallest and the largest
 * value are never known.
 */
import { z } from 'zod';
import { withheldCells } from '#models/rows/withheld-cells.ts';
import { dataContract } from '#shared/contract/contract.ts';

const fraction = z.number().min(0).max(1);

/** Rows and share of bads; null where too few. */
const cell = z.strictObject({ label: z.string(), rows: z.int().nullable(), badRate: fraction.nullable() });
export type ProfileCell = z.infer<typeof cell>;

const numberProfile = z.strictObject({
  name: z.string(),
  type: z.literal('number'),
  /** Of the values clipped to the contract's range; null when too few. */
  mean: z.number().nullable(),
  deviation: z.number().nullable(),
  quantiles: z.array(z.strictObject({ fraction, value: z.number().nullable() })),
  /** Ranges between deciles, then special values, then missing. */
  cells: z.array(cell),
});
const categoryProfile = z.strictObject({
  name: z.string(),
  type: z.literal('category'),
  /** Categories in contract order, then other, then missing. */
  cells: z.array(cell),
});

export const profileArtefact = z.strictObject({
  v: z.literal(1),
  kind: z.literal('profile'),
  contract: dataContract,
  kMin: z.int(),
  rows: z.int(),
  badRate: fraction,
  features: z.array(z.discriminatedUnion('type', [numberProfile, categoryProfile])),
});
export type Profile = z.infer<typeof profileArtefact>;

/** One feature's cells with the small ones left out. */
export function publishedCells(
  labels: readonly string[],
  counts: { readonly bad: readonly number[]; readonly good: readonly number[] },
  kMin: number,
): ProfileCell[] {
  const rows = labels.map((_, i) => counts.bad[i]! + counts.good[i]!);
  const hidden = withheldCells(rows, kMin);
  return labels.map((label, i) => {
    if (hidden[i]) return { label, rows: null, badRate: null };
    return { label, rows: rows[i]!, badRate: rows[i] === 0 ? null : counts.bad[i]! / rows[i]! };
  });
}

/**
 * The profile as a table of text: a heading row, then one row for each feature and each of its cells.
 * Columns: feature, cell, rows, bad rate, mean, deviation, then the quantiles.
 */
export function renderProfile(profile: Profile): string[][] {
  const fractions = profile.features.find((f) => f.type === 'number')?.quantiles.map((q) => q.fraction) ?? [];
  const heading = ['feature', 'cell', 'rows', 'bad rate', 'mean', 'deviation', ...fractions.map(percent)];
  const lines = profile.features.flatMap((feature) => {
    const moments =
      feature.type === 'number'
        ? [feature.mean, feature.deviation, ...feature.quantiles.map((q) => q.value)].map(quantity)
        : ['', '', ...fractions.map(() => '')];
    const first = [feature.name, '', String(profile.rows), percent(profile.badRate), ...moments];
    const cells = feature.cells.map((c) => [
      '',
      c.label,
      c.rows === null ? `< ${profile.kMin} or withheld` : String(c.rows),
      c.badRate === null ? '' : percent(c.badRate),
      ...moments.map(() => ''),
    ]);
    return [first, ...cells];
  });
  return [heading, ...lines];
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function quantity(x: number | null): string {
  return x === null ? '–' : String(Number(x.toPrecision(6)));
}
