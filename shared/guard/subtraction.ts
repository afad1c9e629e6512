/**
 * Two sums over the same rows whose banks differ show, subtracted, the part of those by which they differ. So a bank has
 * its rows added up in one company, or in companies that differ by as many banks as a sum needs itself: the colluders
 * know their own part, and two honest ones must be left.
 */
import type { Company } from '#shared/ledger/federation-state.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

/** Banks that are in one of two sums and not in the other. */
export function difference(one: readonly ParticipantId[], other: readonly ParticipantId[]): ParticipantId[] {
  return [...one.filter((id) => !other.includes(id)), ...other.filter((id) => !one.includes(id))];
}

/** Whether sums over these two companies may both be known. */
export function mayBothBeKnown(
  one: readonly ParticipantId[],
  other: readonly ParticipantId[],
  { minimum }: Company,
): boolean {
  const { length } = difference(one, other);
  return length === 0 || length >= minimum;
}

/**
 * @param earlier companies in which these rows were added up before
 * @param now the one in which they would be
 * @throws FederationError SUBTRACTION naming the banks by which they differ
 */
export function assertNoSubtraction(
  earlier: readonly (readonly ParticipantId[])[],
  now: readonly ParticipantId[],
  company: Company,
): void {
  const other = earlier.find((before) => !mayBothBeKnown(before, now, company));
  if (other === undefined) return;
  const by = difference(other, now);
  throw new FederationError(
    'SUBTRACTION',
    `these rows were added up with ${other.length} banks before, now it would be ${now.length}: the difference would show ${by.join(', ')}; have the same banks take part, or wait for new rows`,
  );
}
