/** A bundle's history in memory, checked as far as entries and heads go, for commands that show parts of it. */
import { readBundle } from '#scripts/audit/bundle-file.ts';
import { runBeginning } from '#scripts/operator/run-beginning.ts';
import type { BundledEntry } from '#shared/ledger/bundle.ts';
import { parseEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { RunIndex } from '#shared/ledger/run-index.ts';
import { verifyHistory, type History } from '#shared/ledger/verify-history.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface ShownEntry {
  readonly recorded: RecordedEntry;
  readonly run: string | undefined;
}

export interface CheckedHistory {
  readonly history: History;
  readonly note: string;
  readonly entries: readonly ShownEntry[];
}

/**
 * @param charter undefined: the bundle's own, which proves nothing about whose it is
 * @throws FederationError NOT_FOUND | BUNDLE, or the code of the first thing that is wrong
 */
export async function readHistory(path: string, charter: string | undefined): Promise<CheckedHistory> {
  return readBundle(path, async (bundle) => {
    const entries: ShownEntry[] = [];
    const texts: BundledEntry[] = [];
    const index = new RunIndex();
    for await (const entry of bundle.entries()) {
      texts.push(entry);
      if (typeof entry !== 'string') continue;
      const recorded = parseEntry(entry);
      entries.push({ recorded, run: index.take(recorded) });
    }
    const trusted = charter ?? entries[0]?.recorded.hash ?? '';
    const history = await verifyHistory(texts, bundle.note, trusted);
    const [finding] = history.findings;
    if (finding !== undefined)
      throw new FederationError(
        finding.code,
        `this history does not verify${finding.seq === undefined ? '' : `, at entry ${finding.seq}`}: ${finding.message}`,
      );
    return { history, note: bundle.note, entries };
  });
}

/** One run of a history, by its id or the beginning of it; the only one there is without. @throws FederationError NOT_FOUND */
export function runIn({ state }: History, id: string | undefined) {
  const runs = [...state.runs.values()];
  if (id !== undefined) {
    const named = runs.map((run) => ({ run: run.id }));
    return state.runs.get(runBeginning(named, id, 'tallystick audit show BUNDLE').run)!;
  }
  if (runs.length === 1) return runs[0]!;
  throw new FederationError(
    'NOT_FOUND',
    runs.length === 0
      ? 'no run is in this bundle'
      : `${runs.length} runs are in this bundle; name one with --run`,
  );
}
