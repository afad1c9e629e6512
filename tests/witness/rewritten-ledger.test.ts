/**
 * A malicious operator, who has the database, all keys of the coordinator, and restarts it: what the banks
 * notice, and what any one of them can prove.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import pino from 'pino';
import { verifyForkProof } from '#shared/ledger/fork-proof.ts';
import type { Payload } from '#shared/protocol/messages.ts';
import { eventually } from '../support/eventually.ts';
import { TestAgent } from '../support/test-agent.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyPlan } from '../support/tiny-bank-data.ts';

const IDS = ['a', 'b', 'c'];

async function afterOneRun(database: (typeof DATABASES)[number]) {
  const spoken: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void spoken.push(line) });
  const coordinator = await TestCoordinator.start({ database });
  const agents = await TestAgent.joinAll(coordinator, IDS, { log });
  const run = await TestRun.propose(coordinator, tinyPlan(IDS));
  expect((await run.finished()).outcome).toBe('completed');
  // a cosignature more than the quorum may come after the end
  const cosignatures = async () =>
    (await coordinator.ledger()).filter(({ type }) => type === 'cosign').length;
  await eventually('all cosignatures', async () => (await cosignatures()) === IDS.length);
  const size = (await coordinator.ledger()).length;
  for (const agent of agents) {
    await agent.stop();
    await agent.start(); // and is shown the newest head
    const note = join(agent.folder, 'state/witness.note');
    await eventually(
      'the last head',
      async () => (await readFile(note, 'utf8')).split('\n')[1] === `${size}`,
    );
  }
  const charter = (await coordinator.ledger())[0]!.payload as Payload<'charter'>;
  return { coordinator, agents, spoken, size, charter };
}

describe.each(DATABASES)('a ledger on %s', (database) => {
  test('that was cut and went on differently is refused by every bank, and each can prove it', async () => {
    const { coordinator, agents, size, charter } = await afterOneRun(database);
    await coordinator.stop();
    await coordinator.inDatabase(async (db) => {
      const { seq } = await db
        .selectFrom('entries')
        .select('seq')
        .where('type', '=', 'run-finished')
        .executeTakeFirstOrThrow();
      await db.deleteFrom('entries').where('seq', '>=', seq).execute();
    });
    await coordinator.start(); // and it finishes the run again, a little later than the first time
    for (let i = 0; (await coordinator.ledger()).length < size + 1; i++)
      await coordinator.operator.post('/v1/incidents', { reason: `nothing to see here ${i}` });
    for (const agent of agents) {
      const forks = join(agent.folder, 'state/forks');
      await eventually('the proof', async () => existsSync(forks) && (await readdir(forks)).length > 0);
      const [file] = await readdir(forks);
      const proof: unknown = JSON.parse(await readFile(join(forks, file!), 'utf8'));
      const { older, newer } = verifyForkProof(proof, charter.origin, [{ key: charter.logKey, from: 1 }]);
      expect(older.size).toBe(size);
      expect(newer.size).toBeGreaterThanOrEqual(size);
    }
    // nobody takes part in anything any more
    const after = await TestRun.propose(coordinator, tinyPlan(IDS, { name: 'after' }));
    expect(after.entries.some(({ message }) => message.type === 'consent')).toBe(false);
  });

  test('that was restored from yesterday is noticed by every bank, and taken up again when it is whole', async () => {
    const { coordinator, spoken, size } = await afterOneRun(database);
    await coordinator.stop();
    const cut = await coordinator.inDatabase(async (db) => {
      const rows = await db
        .selectFrom('entries')
        .selectAll()
        .where('seq', '>=', size - 3)
        .execute();
      await db
        .deleteFrom('entries')
        .where('seq', '>=', size - 3)
        .execute();
      return rows;
    });
    await coordinator.start();
    const complaints = (): number =>
      spoken.filter((line) => line.includes('restored from an old backup')).length;
    await eventually('their complaints', () => complaints() === IDS.length);
    await coordinator.stop();
    await coordinator.inDatabase(async (db) => {
      await db
        .deleteFrom('entries')
        .where('seq', '>=', size - 3)
        .execute();
      await db
        .insertInto('entries')
        .values(cut.map((row) => ({ ...row, seq: Number(row.seq), time: Number(row.time) })))
        .execute();
    });
    await coordinator.start();
    const next = await TestRun.propose(coordinator, tinyPlan(IDS, { name: 'next' }));
    expect((await next.finished()).outcome).toBe('completed');
  });
});
