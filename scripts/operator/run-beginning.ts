/** Runs are named by 64 hex digits; people give the first few. */
import { FederationError } from '#shared/protocol/error-codes.ts';

/**
 * @param start of the id, or all of it
 * @param seeAlso the command that lists the runs
 * @throws FederationError NOT_FOUND when it is of no run, or of several
 */
export function runBeginning<Run extends { readonly run: string }>(
  runs: readonly Run[],
  start: string,
  seeAlso: string,
): Run {
  const found = runs.filter(({ run }) => run.startsWith(start));
  if (found.length === 1) return found[0]!;
  throw new FederationError(
    'NOT_FOUND',
    `${found.length === 0 ? 'no run begins' : `${found.length} runs begin`} with "${start}"; see "${seeAlso}"`,
  );
}
