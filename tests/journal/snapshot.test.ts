/** What a start does not fold again, and what it makes anew from the entries alone. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { describe, expect, test } from 'vitest';
import type { Journal } from '#coordinator/journal/journal.ts';
import { reindexLedger } from '#coordinator/journal/reindex.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { signBytes } from '#shared/crypto/signatures.ts';
import { temporaryFolder } from '../support/opened.ts';
import { LocalFederation } from '../support/local-federation.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';

const MANY = 5100;

/** Counts the rows that are read. */
class CountingStore extends EntryStore {
  rows = 0;

  override async page(...args: Parameters<EntryStore['page']>): ReturnType<EntryStore['page']> {
    const page = await super.page(...args);
    this.rows += page.length;
    return page;
  }
}

async function longLedger() {
  const federation = await LocalFederation.open('postgres');
  const path = join(await temporaryFolder('snapshot'), 'ledger.snapshot');
  const open = async (): Promise<{ journal: Journal; rows: number }> => {
    const store = new CountingStore(federation.db);
    const journal = await federation.journal(store, () => {}, path);
    return { journal, rows: store.rows };
  };
  const { journal } = await open();
  await federation.join(journal, 'a');
  const charter = journal.state.charter!.hash;
  const reasons = Array.from({ length: MANY }, (_, i) => `number ${i}`);
  await Promise.all(reasons.map((reason) => journal.record('incident', { charter, reason })));
  await journal.saveSnapshot();
  return { federation, path, open, journal, charter };
}

describe('a snapshot', () => {
  test('spares the next start the fold, which goes on where it left off', async () => {
    const { open, journal, charter } = await longLedger();
    await journal.record('incident', { charter, reason: 'after the snapshot' });
    const next = await open();
    expect(next.rows).toBeLessThan(10);
    expect(next.journal.state).toEqual(journal.state);
    expect(next.journal.checkpoint()).toBe(journal.checkpoint());
    await next.journal.record('incident', { charter, reason: 'and on' });
    expect((await open()).journal.tree.inclusionProof(3)).toEqual(next.journal.tree.inclusionProof(3));
  }, 120_000);

  test('of another form is not used, though the version is the same and the signature right', async () => {
    const { path, open, federation } = await longLedger();
    const content = deserialize((await readFile(path)).subarray(64)) as { form?: number };
    const rowsWith = async (form: number | undefined): Promise<number> => {
      const bytes = serialize({ ...content, form });
      const text = utf8(`tallystick/v1 snapshot\n${toHex(sha256(bytes))}`);
      await writeFile(path, Buffer.concat([signBytes(federation.keys.logSeed, text), bytes]));
      return (await open()).rows;
    };
    expect(await rowsWith(content.form)).toBeLessThan(10);
    expect(await rowsWith(content.form! - 1)).toBeGreaterThan(MANY);
    expect(await rowsWith(undefined)).toBeGreaterThan(MANY);
  }, 120_000);

  test('that is damaged, of another ledger or beyond what is stored is not used', async () => {
    const { path, open, journal, federation } = await longLedger();
    const bytes = await readFile(path);
    const damaged = Buffer.from(bytes);
    damaged[damaged.length >> 1]! ^= 1;
    await writeFile(path, damaged);
    const folded = await open();
    expect(folded.rows).toBeGreaterThan(MANY);
    expect(folded.journal.state).toEqual(journal.state);

    const { path: elsewhere } = await longLedger();
    await writeFile(path, await readFile(elsewhere));
    expect((await open()).rows).toBeGreaterThan(MANY);

    await writeFile(path, bytes);
    await federation.db
      .deleteFrom('entries')
      .where('seq', '=', journal.tree.size - 1)
      .execute();
    const cut = await open();
    expect(cut.rows).toBeGreaterThan(MANY);
    expect(cut.journal.tree.size).toBe(journal.tree.size - 1);
  }, 120_000);
});

describe.each(DATABASES)('reindexing on %s', (database) => {
  test('makes what entries are looked up by agree with their texts again', async () => {
    const coordinator = await TestCoordinator.start({ database });
    await coordinator.operator.post('/v1/incidents', { reason: 'one' });
    const config = coordinator.config();
    await coordinator.stop();
    await coordinator.inDatabase(async (db) => {
      await db
        .updateTable('entries')
        .set({ type: 'invite', claim: 'x', run: 'y', time: 7 })
        .where('seq', '=', 1)
        .execute();
    });
    const reindexed = await reindexLedger(config);
    expect(reindexed).toMatchObject({ entries: 2, mended: 1 });
    expect(await reindexLedger(config)).toMatchObject({ mended: 0 });
    const row = await coordinator.inDatabase((db) =>
      db.selectFrom('entries').selectAll().where('seq', '=', 1).executeTakeFirstOrThrow(),
    );
    expect(row).toMatchObject({ type: 'incident', run: null });
  });

  test('names an entry that is not valid', async () => {
    const coordinator = await TestCoordinator.start({ database });
    await coordinator.operator.post('/v1/incidents', { reason: 'the truth' });
    await coordinator.stop();
    await coordinator.inDatabase(async (db) => {
      const { text } = await db
        .selectFrom('entries')
        .select('text')
        .where('seq', '=', 1)
        .executeTakeFirstOrThrow();
      await db
        .updateTable('entries')
        .set({ text: text.replace('the truth', 'all lies!') })
        .where('seq', '=', 1)
        .execute();
    });
    await expect(reindexLedger(coordinator.config())).rejects.toMatchObject({
      code: 'LEDGER',
      message: expect.stringContaining('entry 1') as string,
    });
  });
});
