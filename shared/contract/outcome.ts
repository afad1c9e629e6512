/**
 * What the text of an outcome means. A contract lists the spellings of bad, of good and of "not known"; a spelling it
 * does not list is never taken for good. Where it lists no good, the one other spelling of the file is good, and a
 * file with several is refused. Numbers are the same spelling when they are the same number ("1", "1.0").
 */
import { outcomeKey } from '#shared/contract/cell-text.ts';
import type { DataContract } from '#shared/contract/contract.ts';

export const GOOD = 0;
export const BAD = 1;
export const NOT_KNOWN = 2;
/** In none of the contract's lists. */
export const UNLISTED = 3;
export type Outcome = typeof GOOD | typeof BAD | typeof NOT_KNOWN | typeof UNLISTED;

export function spellingsOf(listed: string | readonly string[] | undefined): readonly string[] {
  return listed === undefined ? [] : typeof listed === 'string' ? [listed] : listed;
}

/** @returns the outcome of a cell, by its key */
export function outcomeReader(target: DataContract['target']): (key: string) => Outcome {
  const outcomes = new Map<string, Outcome>([['', NOT_KNOWN]]);
  for (const text of target.missing ?? []) outcomes.set(outcomeKey(text), NOT_KNOWN);
  for (const text of spellingsOf(target.good)) outcomes.set(outcomeKey(text), GOOD);
  for (const text of spellingsOf(target.bad)) outcomes.set(outcomeKey(text), BAD);
  return (key) => outcomes.get(key) ?? UNLISTED;
}
