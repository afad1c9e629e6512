/**
 * A bank that is stopped after each thing it has signed, before it hears that it arrived, and told the same
 * history again: it says the very same thing, byte for byte.
 */
import { expect, test } from 'vitest';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';
import { Consortium } from './consortium.ts';

/** The agent's message of this type is lost; after a restart it sends it again. */
async function sentAgain(
  consortium: Consortium,
  type: BankMessage['type'],
  provoke: () => void | Promise<void>,
): Promise<[string, string]> {
  const { coordinator } = consortium;
  coordinator.unanswered = type;
  const { mark } = consortium;
  await provoke();
  const first = await coordinator.until(type, mark);
  coordinator.unanswered = undefined;
  await consortium.agent.stop();
  const again = consortium.mark;
  await consortium.agent.start();
  const second = await consortium.relay(again, type);
  return [canonicalJson(first), canonicalJson(second)];
}

test('a bank sends the same keys again', async () => {
  const consortium = await Consortium.running();
  const [first, second] = await sentAgain(consortium, 'advertise-keys', () => {
    consortium.history.say('open-session', consortium.openSession(3));
  });
  expect(second).toBe(first);
  await consortium.settle();
});

test('a bank sends the same encrypted shares again', async () => {
  const consortium = await Consortium.running();
  const [first, second] = await sentAgain(consortium, 'share-keys', async () => {
    await consortium.advertiseKeys(3);
  });
  expect(second).toBe(first);
  await consortium.settle();
  const [table, again] = consortium.coordinator.uploads;
  expect(again).toBe(table);
});

test('a bank sends the same masked vector again', async () => {
  const consortium = await Consortium.dealt();
  const [first, second] = await sentAgain(consortium, 'masked-input', () => {
    consortium.ask();
    consortium.input('a', 'c', 'd');
  });
  expect(second).toBe(first);
  await consortium.openUp();
  consortium.close();
  await consortium.round();
  await consortium.settle();
});

test('a bank sends the same certificate again', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const [first, second] = await sentAgain(consortium, 'consistency-check', () => consortium.fix());
  expect(second).toBe(first);
  await consortium.settle();
});

test('a bank sends the same shares again', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const { mark } = consortium;
  consortium.fix();
  await consortium.relay(mark, 'consistency-check');
  const [first, second] = await sentAgain(consortium, 'unmask', () => consortium.certify('a', 'c', 'd'));
  expect(second).toBe(first);
  await consortium.settle();
});

test('a bank sends the same vote again', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const [first, second] = await sentAgain(consortium, 'abort-round', () => consortium.giveUp());
  expect(second).toBe(first);
  await consortium.settle();
});

test('a bank sends the same complaint again', async () => {
  const consortium = await Consortium.running();
  const session = await consortium.advertiseKeys(2);
  await consortium.dealShares(session);
  const [first, second] = await sentAgain(consortium, 'complain', () => {
    consortium.seal(session, (bytes, dealer) => (dealer === 'd' ? new Uint8Array(bytes.length) : bytes));
  });
  expect(second).toBe(first);
  await consortium.settle();
});

test('a bank that is stopped after every step completes its rounds, and keeps every promise', async () => {
  const consortium = await Consortium.dealt(1);
  await consortium.restart();
  await consortium.round();
  await consortium.restart();
  await consortium.dealKeys(1);
  await consortium.restart();
  await consortium.round();
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'unmask')).toHaveLength(2);
});

test('a bank that is started again in its second session complains about nobody', async () => {
  const consortium = await Consortium.dealt(1);
  await consortium.round();
  await consortium.dealKeys(2);
  await consortium.round();
  await consortium.restart();
  await consortium.round();
  await consortium.settle();
  expect(consortium.sent).not.toContain('complain');
});
