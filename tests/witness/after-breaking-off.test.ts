/** A bank that has broken off: nothing leaves it any more. */
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { expect, test } from 'vitest';
import { Connection } from '#participant-agent/transport/connection.ts';
import { wayTo } from '#participant-agent/transport/way.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { participantId } from '#shared/protocol/ids.ts';
import { History } from '../attacks/history.ts';
import { Arrivals, MaliciousCoordinator } from '../support/malicious-coordinator.ts';
import { closeLater } from '../support/opened.ts';

test('a bank that breaks off over what it is shown when it comes back gives out no token for uploads', async () => {
  const coordinator = await MaliciousCoordinator.start();
  const history = new History(coordinator.seed, coordinator.logSeed);
  history.say('charter', coordinator.charter);
  coordinator.show('b', history);
  const seen = new Arrivals<string>();
  const connection: Connection = new Connection({
    ...{
      way: wayTo(coordinator.url, undefined),
      charter: coordinator.charterHash,
      participant: participantId.parse('b'),
    },
    ...{ seed: sha256(utf8('b')), clock: { now: () => Date.now() }, log: pino({ level: 'silent' }) },
    ...{ position: () => 0, onHead: () => {}, onConnected: () => {}, onTrouble: () => {} },
    onItem() {
      connection.close(); // as for a history that was rewritten
    },
    onFollowed: () => seen.push('the end of the feed'),
  });
  closeLater(() => connection.close());
  connection.connect();
  await seen.until('the end', () => true);
  await sleep(50);
  const token = connection.httpToken(new AbortController().signal);
  expect(await Promise.race([token, sleep(200, 'nothing')])).toBe('nothing');
});
