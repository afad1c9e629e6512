/** The check that ends each attack finds a bank that breaks its promises: one that the test plays. */
import { expect, test } from 'vitest';
import { Consortium } from './consortium.ts';
import { assertPromisesKept } from './promises-kept.ts';

test('a bank that certifies two sets of survivors would be found', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect(['a', 'c']);
  const { history } = consortium;
  const more = history.fork();
  consortium.fix();
  const first = consortium.bank('c').certify(history.open);
  const { asked } = consortium.machine();
  const { bodies } = consortium.coordinator;
  more.tell(consortium.bank('d').input(history.open, asked!, bodies).message);
  more.say('fix-survivors', consortium.survivors(more));
  const second = consortium.bank('c').certify(more.open);
  expect(() => assertPromisesKept([first], [history, more], bodies)).not.toThrow();
  expect(() => assertPromisesKept([first, second], [history, more], bodies)).toThrow('two messages');
});

test('a bank that reveals shares of both seeds of another would be found', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect(['a', 'c']);
  const { history } = consortium;
  consortium.fix();
  await consortium.certify('a', 'c', 'd');
  const { bodies } = consortium.coordinator;
  const { payload } = consortium.bank('c').unmask(history.open, bodies);
  const others = consortium.bank('c').sharesOf(history.open, 'mask', bodies);
  const bank = consortium.bank('c');
  const first = bank.sign('unmask', payload);
  const both = bank.sign('unmask', { ...payload, shares: [...payload.shares, others[0]!] });
  expect(() => assertPromisesKept([first], [history], bodies)).not.toThrow();
  expect(() => assertPromisesKept([both], [history], bodies)).toThrow('both kinds');
});

test('a bank that reveals shares and votes to ask again would be found', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const { history } = consortium;
  consortium.fix();
  await consortium.certify('a', 'c', 'd');
  const { bodies } = consortium.coordinator;
  const unmask = consortium.bank('a').unmask(history.open, bodies);
  const vote = consortium.bank('a').vote(history.open);
  expect(() => assertPromisesKept([unmask, vote], [history], bodies)).toThrow('two messages');
});
