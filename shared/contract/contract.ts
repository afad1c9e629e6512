/**
 * The data contract: what one row means at every bank. Its hash is part of every plan, so all banks train
 * on the same definition or not at all.
 *
 * A number feature declares the closed range [min, max] its values are clipped to. The range is public and
 * agreed beforehand: it bounds what a single applicant can contribute to a sum. A category feature declares
 * its closed vocabulary; anything else becomes "other".
 */
import { z } from 'zod';
import { derivation, derivationColumns } from '#shared/contract/derive.ts';
import { outcomeKey } from '#shared/contract/cell-text.ts';
import { numberNotation } from '#shared/contract/number-notation.ts';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { legible } from '#shared/protocol/foreign-text.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { vectorRoot } from '#shared/ring/vector-root.ts';

const columnName = z.string().min(1).max(128);

/** What an applicant is told when this feature counted against them, by language. */
const reason = z.strictObject({
  en: legible(z.string().min(1).max(300)),
  'zh-CN': legible(z.string().min(1).max(300)).optional(),
});

/**
 * What whoever consents to a plan, or reads a model, should know of a feature:
 *   separates-outcome   it tells bad from good nearly alone, as what is written after the outcome does
 *   filled-after        it is filled for one outcome and empty for the other
 *   strong              its information value is above 1, which an applicant's data seldom have
 *   protected-ground    by its name: age, sex, family, origin, belief, health
 */
export const concern = z.enum(['separates-outcome', 'filled-after', 'strong', 'protected-ground']);
export type Concern = z.infer<typeof concern>;
const concerns = z.array(concern).min(1).max(4);

const numberFeature = z
  .strictObject({
    name: columnName,
    type: z.literal('number'),
    description: z.string().max(500).optional(),
    unit: legible(z.string().max(40)).optional(),
    min: z.number(),
    max: z.number(),
    /** `log` trains on sign(x)·ln(1+|x|): right for money and other heavy-tailed amounts. */
    scale: z.enum(['linear', 'log']).default('linear'),
    missing: z.enum(['allowed', 'refused']).default('allowed'),
    /** How PD may move as the value grows; models that can be constrained obey it. */
    monotone: z.enum(['increasing', 'decreasing']).optional(),
    /**
     * Values with a meaning of their own (−1 for "never"), which may lie outside the range. Binned models (scorecard,
     * gbdt) and profiles keep them apart; networks and the logistic regression have an input of its own for each.
     */
    special: z.array(z.number()).min(1).max(20).optional(),
    /** How its numbers are written, when not plainly. */
    notation: numberNotation.optional(),
    /** How it is computed, when it is not a column of the file. */
    derive: derivation.optional(),
    concerns: concerns.optional(),
    reason: reason.optional(),
  })
  .refine((f) => f.min < f.max, { message: 'min must be below max' })
  .refine((f) => new Set(f.special).size === (f.special ?? []).length, {
    message: 'a special value is listed twice',
  });

const categoryFeature = z.strictObject({
  name: columnName,
  type: z.literal('category'),
  description: z.string().max(500).optional(),
  categories: z.array(z.string().max(200)).min(1).max(1000),
  missing: z.enum(['allowed', 'refused']).default('allowed'),
  concerns: concerns.optional(),
  reason: reason.optional(),
});

export const feature = z.discriminatedUnion('type', [numberFeature, categoryFeature]);
export type Feature = z.infer<typeof feature>;
export type NumberFeature = z.infer<typeof numberFeature>;
export type CategoryFeature = z.infer<typeof categoryFeature>;

const SPELLINGS_MAX = 50;
const spelling = z.string().max(200);
/** One value of the outcome column, or several that mean the same. */
const spellings = z.union([spelling, z.array(spelling).min(1).max(SPELLINGS_MAX)]);

export const dataContract = z
  .strictObject({
    v: z.literal(1),
    name: legible(z.string().min(1).max(100)),
    description: z.string().max(2000).optional(),
    /** The outcome. `bad` is the positive class: PD is the probability of it. */
    target: z.strictObject({
      column: columnName,
      bad: spellings,
      /** Without it, the one other spelling of a file is good. */
      good: spellings.optional(),
      /** Spellings of an outcome that is not known (yet): such rows are not used. */
      missing: z.array(spelling).min(1).max(SPELLINGS_MAX).optional(),
      description: z.string().max(500).optional(),
    }),
    /** Texts that stand for an empty cell, in every column that does not list them as a category. */
    missingMarkers: z.array(z.string().min(1).max(40)).min(1).max(SPELLINGS_MAX).optional(),
    features: z.array(feature).min(1).max(2000),
  })
  .superRefine((contract, context) => {
    const { bad, good, missing = [] } = contract.target;
    const listed = [bad, good ?? [], missing].flat().map(outcomeKey);
    if (new Set(listed).size !== listed.length)
      context.addIssue({
        code: 'custom',
        path: ['target'],
        message: 'a value of the outcome is listed twice',
      });
    const seen = new Set([contract.target.column]);
    contract.features.forEach((f, index) => {
      if (seen.has(f.name)) {
        context.addIssue({
          code: 'custom',
          path: ['features', index, 'name'],
          message: `"${f.name}" is named twice`,
        });
      }
      seen.add(f.name);
      if (f.type === 'category' && new Set(f.categories).size !== f.categories.length) {
        context.addIssue({
          code: 'custom',
          path: ['features', index, 'categories'],
          message: 'a category is listed twice',
        });
      }
    });
    const named = new Map(contract.features.map((f) => [f.name, f]));
    contract.features.forEach((f, index) => {
      if (f.type !== 'number' || f.derive === undefined) return;
      for (const input of derivationColumns(f.derive)) {
        const source = named.get(input);
        const message =
          input === contract.target.column
            ? 'cannot be derived from the outcome'
            : source?.type === 'category'
              ? `cannot be derived from the category "${input}"`
              : source?.derive === undefined
                ? undefined
                : `cannot be derived from "${input}", which is itself derived`;
        if (message !== undefined)
          context.addIssue({ code: 'custom', path: ['features', index, 'derive'], message });
      }
    });
  });
export type DataContract = z.infer<typeof dataContract>;

/** A column that a derived feature reads, and the values in it that stand for "missing". */
export interface DerivationInput {
  readonly name: string;
  /** Special values of the feature of that name: "never" is not a number to compute with. */
  readonly special: readonly number[];
}

/** The columns behind a feature, in the order `derivedValue` takes them; none for one that is not derived. */
export function derivationInputs(contract: DataContract, feature: NumberFeature): DerivationInput[] {
  if (feature.derive === undefined) return [];
  return derivationColumns(feature.derive).map((name) => {
    const source = contract.features.find((f) => f.name === name);
    return { name, special: source?.type === 'number' ? (source.special ?? []) : [] };
  });
}

/** Every column a file must have, without repeats: the outcome, then what the features are read from. */
export function contractColumns(contract: DataContract): string[] {
  const columns = contract.features.flatMap((f) =>
    f.type === 'number' && f.derive !== undefined ? derivationColumns(f.derive) : [f.name],
  );
  return [...new Set([contract.target.column, ...columns])];
}

/** The contract as a body: canonical JSON, addressed like every other body by its root. */
export function contractBytes(contract: DataContract): Uint8Array {
  return utf8(canonicalJson(contract));
}

/** The hash by which plans, consents and model artefacts name a contract: the root of its bytes. */
export function contractHash(contract: DataContract): string {
  return vectorRoot(contractBytes(contract));
}
