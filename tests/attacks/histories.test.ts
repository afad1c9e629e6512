/** A bank that is started again and told another history of the same run. */
import { expect, test } from 'vitest';
import { Consortium } from './consortium.ts';

test('a bank does not answer the same questions among other banks', async () => {
  const consortium = await Consortium.gather();
  consortium.propose();
  await consortium.consents(0, ['a', 'c']);
  const proposed = consortium.history.fork();
  const { id: run } = consortium.history.run;
  const grant = { run, from: consortium.bank('d').id, decision: 'granted', reason: '' } as const;
  consortium.history.tell(consortium.bank('d').sign('consent', grant));
  consortium.history.say('run-started', consortium.runStarted());
  await consortium.dealKeys();
  await consortium.round();
  // the sum of a, b, c and d is known; the sum of a, b and c would show d
  const { mark } = consortium;
  await consortium.restart(proposed);
  const roster = consortium.names.slice(0, 3);
  const identityKeys = consortium.identityKeys.slice(0, 3);
  proposed.say('run-started', consortium.runStarted({ roster, identityKeys }));
  proposed.say('open-session', consortium.openSession(1, { participants: roster }));
  expect(await consortium.agent.leftRun()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.slice(mark)).toEqual([]);
});

test('a bank does not answer the same question among fewer banks of the same run', async () => {
  const consortium = await Consortium.running();
  const started = consortium.history.fork();
  await consortium.dealKeys();
  await consortium.round();
  await consortium.restart(started);
  await consortium.dealKeys(1, ['a', 'b', 'c']);
  consortium.ask();
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(1);
});

test('a bank that is told another seal of the same session uses none of its keys', async () => {
  const consortium = await Consortium.running();
  const session = await consortium.advertiseKeys(2);
  await consortium.dealShares(session);
  const other = consortium.history.before('share-keys', 'last');
  consortium.seal(session);
  await consortium.round();
  await consortium.restart(other);
  consortium.seal(other.session); // without the last dealer
  consortium.ask({ deadlineAt: 4_100_000_000_000 });
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(1);
});

test('a bank that has used no keys yet uses none under another seal of the same session', async () => {
  const consortium = await Consortium.running();
  const session = await consortium.advertiseKeys(2);
  await consortium.dealShares(session);
  const other = consortium.history.before('share-keys', 'last');
  consortium.seal(session);
  const { mark } = consortium;
  consortium.ask(); // its answer shows that it holds the keys under the first seal
  await consortium.coordinator.until('masked-input', mark);
  await consortium.restart(other);
  consortium.seal(other.session);
  consortium.ask();
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(1);
});

test('a bank that only lost its connection is told no other history', async () => {
  const consortium = await Consortium.dealt();
  const { coordinator, mark } = consortium;
  const before = consortium.history.fork();
  consortium.ask();
  await coordinator.until('masked-input', mark);
  consortium.show(before);
  const other = consortium.ask({ deadlineAt: 4_100_000_000_000 });
  consortium.input('a', 'c', 'd');
  before.lie('fix-survivors', consortium.survivors());
  coordinator.hangUp();
  expect(await consortium.agent.brokenOff()).toBe('STALE');
  await consortium.settle();
  const contexts = coordinator.submitted.all.map(({ payload }) => 'ctx' in payload && payload.ctx);
  expect(contexts).not.toContain(other.hash);
});

test('a bank believes nothing that comes after a lie, though it is true', async () => {
  const consortium = await Consortium.dealt();
  await consortium.agent.stop();
  const { history, mark } = consortium;
  history.lie('void-round', { ctx: 'e'.repeat(64), code: 'COHORT', reason: 'a lie' });
  consortium.ask();
  consortium.input('a', 'c', 'd');
  await consortium.agent.start();
  expect(await consortium.agent.brokenOff()).toBe('STALE');
  await consortium.settle();
  expect(consortium.sent.slice(mark)).toEqual([]);
});
