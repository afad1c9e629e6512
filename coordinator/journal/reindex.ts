/**
 * Everything that is derived from the texts of entries, made anew from them: the fold (with every signature and
 * rule checked), the columns by which entries are looked up, and the snapshot.
 */
import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import type { CoordinatorConfig } from '#coordinator/config.ts';
import { restoreLedger } from '#coordinator/journal/restore.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { assertDataVersion } from '#shared/platform/files/data-version.ts';
import { lockFolder } from '#shared/platform/files/folder-lock.ts';
import { openDatabase } from '#coordinator/store/open-database.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { parseEntry } from '#shared/ledger/entry.ts';
import { RunIndex } from '#shared/ledger/run-index.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

export interface Reindexed {
  readonly entries: number;
  /** Hex. */
  readonly root: string;
  /** Rows whose columns did not say what their text says. */
  readonly mended: number;
}

/** @throws FederationError LEDGER when an entry is not valid, STORAGE when the coordinator is running */
export async function reindexLedger(config: CoordinatorConfig): Promise<Reindexed> {
  await assertDataVersion(config.dataDir, 'coordinator', false);
  const lock = await lockFolder(join(config.dataDir, 'lock'));
  try {
    const db = await openDatabase(config.dataDir, config.databaseUrl);
    try {
      const store = new EntryStore(db);
      await rm(join(config.dataDir, 'ledger.snapshot'), { force: true });
      const { tree } = await restoreLedger(store, []);
      return { entries: tree.size, root: toHex(tree.root()), mended: await mendColumns(store) };
    } finally {
      await db.destroy();
    }
  } finally {
    await lock.release();
  }
}

async function mendColumns(store: EntryStore): Promise<number> {
  const index = new RunIndex();
  let mended = 0;
  for (let from = 0; ;) {
    const page = await store.page(from, LIMITS.pageEntriesMax);
    for (const { text } of page) {
      const recorded = parseEntry(text);
      if (await store.reindex(recorded, index.take(recorded))) mended++;
    }
    if (page.length < LIMITS.pageEntriesMax) return mended;
    from = page.at(-1)!.seq + 1;
  }
}
