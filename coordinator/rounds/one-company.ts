/** The company of banks in which a run asks what it may ask again of the same rows. */
import { programNamed } from '#models/catalogue.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';

/**
 * @param kind of the question; undefined while the program has not begun
 * @returns the banks in the run's first such sum, or undefined when there is none yet or any company will do
 */
export function companyFor({ plan, past }: Run, kind: string | undefined): ParticipantId[] | undefined {
  const program = programNamed(plan.program.name);
  if (plan.aggregation === 'plain' || kind === undefined || !program.isOfOneCompany(kind)) return undefined;
  const first = past.find(
    ({ open, end }) => end.outcome === 'closed' && program.isOfOneCompany(open.payload.question.kind),
  );
  if (first?.end.outcome !== 'closed') return undefined;
  return first.end.payload.survivors.map((index) => first.open.roster[index]!);
}
