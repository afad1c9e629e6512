/**
 * The end of the retention period: bodies of finished runs are deleted, entries never. The entry that says so
 * comes first; a crash after it leaves bodies behind, which the next start removes.
 */
import type { Journal } from '#coordinator/journal/journal.ts';
import { charterHash } from '#coordinator/participants/enrolment.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import { bodyNamedBy, isKeptForGood, NAME_BODIES, type NamedBody } from '#shared/ledger/bodies-named.ts';
import { parseEntry } from '#shared/ledger/entry.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { leastRetentionMs } from '#shared/ledger/record-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

export interface RetentionDependencies {
  readonly journal: Journal;
  readonly entries: EntryStore;
  readonly bodies: BodyStore;
}

const DAY_MS = 86_400_000;
/** One entry names so many runs at most; what is over waits for the next time. */
const RUNS_AT_ONCE = 500;

/**
 * @param keepMs how long bodies are kept after the end of their run
 * @param by the operator
 * @returns the runs whose bodies are gone now
 * @throws FederationError STATE when the charter keeps them longer
 */
export async function expireBodies(
  keepMs: number,
  by: string,
  deps: RetentionDependencies,
): Promise<string[]> {
  const { journal } = deps;
  const leastMs = leastRetentionMs(journal.state);
  if (keepMs < leastMs)
    throw new FederationError(
      'STATE',
      `the charter keeps bodies for ${leastMs / DAY_MS} days after the end of their run; give as many or more`,
    );
  const before = journal.now() - keepMs;
  const runs = [...journal.state.runs.values()].filter(
    ({ phase, expiredAt }) => phase.name === 'finished' && phase.at <= before && expiredAt === undefined,
  );
  const due = runs.slice(0, RUNS_AT_ONCE);
  if (due.length === 0) return [];
  const days = Math.round((keepMs / DAY_MS) * 10) / 10;
  const reason = `ended more than ${days} days ago`;
  await journal.record('retention', {
    ...{ charter: charterHash(journal), runs: due.map(({ id }) => id), reason, by },
  });
  await deleteBodiesOf(due, deps);
  return due.map(({ id }) => id);
}

/** What a crash left behind. */
export async function finishExpiring(deps: RetentionDependencies): Promise<void> {
  const expired = [...deps.journal.state.runs.values()].filter(({ expiredAt }) => expiredAt !== undefined);
  await deleteBodiesOf(expired, deps);
}

async function deleteBodiesOf(runs: readonly Run[], { journal, entries, bodies }: RetentionDependencies) {
  if (runs.length === 0) return;
  const { size } = journal.state;
  const wanted = new Set<string>();
  // The same bytes may be a body of another run too: a bank that sends one vector twice. And a bank may have sent as
  // a masked vector, which can be anything, what is somebody's model.
  for (const run of journal.state.runs.values()) {
    for await (const body of bodiesNamed(entries, 0, run.id))
      if (run.expiredAt === undefined || isKeptForGood(body)) wanted.add(body.root);
  }
  const unwanted = new Set<string>();
  for (const run of runs)
    for await (const { root } of bodiesNamed(entries, 0, run.id)) if (!wanted.has(root)) unwanted.add(root);
  for await (const { root } of bodiesNamed(entries, size)) unwanted.delete(root); // named while we looked
  for (const root of unwanted) await bodies.remove(root);
}

async function* bodiesNamed(entries: EntryStore, from: number, run?: string): AsyncGenerator<NamedBody> {
  const only = { types: NAME_BODIES, ...(run === undefined ? {} : { run }) };
  for (;;) {
    const page = await entries.page(from, LIMITS.pageEntriesMax, only);
    for (const { text } of page) {
      const body = bodyNamedBy(parseEntry(text).entry.message);
      if (body !== undefined) yield body;
    }
    if (page.length < LIMITS.pageEntriesMax) return;
    from = page.at(-1)!.seq + 1;
  }
}
