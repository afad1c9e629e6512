import { expect, test, vi } from 'vitest';
import { ShareTables } from '#coordinator/rounds/share-tables.ts';
import { BodyStore } from '#coordinator/store/body-store.ts';
import type { Session } from '#shared/ledger/federation-state.ts';

test('tables are read once while their run goes on, and not at all after it', async () => {
  const bodies = new BodyStore('/nowhere');
  const reading = vi.spyOn(bodies, 'read').mockResolvedValue(new Uint8Array(3));
  const tables = new ShareTables(bodies);
  const sessionOf = (run: string): Session =>
    ({
      hash: `session of ${run}`,
      payload: { run },
      dealt: new Map([[2, { table: 'root' }]]),
    }) as unknown as Session;
  await tables.read(sessionOf('r1'), 2);
  expect(await tables.read(sessionOf('r1'), 2)).toHaveLength(3);
  expect(reading).toHaveBeenCalledTimes(1);
  tables.forget(sessionOf('r1').payload.run);
  await expect(tables.read(sessionOf('r1'), 2)).rejects.toMatchObject({ code: 'LATE' });
  expect(reading).toHaveBeenCalledTimes(1);
  expect(await tables.read(sessionOf('r2'), 2)).toHaveLength(3);
});
