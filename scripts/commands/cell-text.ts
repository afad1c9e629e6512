/** A cell of an applicant's row for people, as the contract reads it. */
import type { DataContract } from '#shared/contract/contract.ts';

/** @param j the feature's place in the contract @returns null where it is missing */
export function cellText({ features }: DataContract, row: Float64Array, j: number): string | null {
  const feature = features[j]!;
  const value = row[j]!;
  if (feature.type === 'number') return Number.isNaN(value) ? null : String(value);
  return value === 0 ? null : (feature.categories[value - 1] ?? '(other)');
}
