/** Every slot is used once, every question is opened once, and is asked again only when a quorum wants it. */
import { expect, test } from 'vitest';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import type { Message, Payload } from '#shared/protocol/messages.ts';
import { Consortium } from './consortium.ts';

const strangerSeed = sha256(utf8('attacks/stranger'));
const MORE = 4_100_000_000_000;

async function expectBrokenOff(consortium: Consortium, code: string, inputs: number): Promise<void> {
  expect(await consortium.agent.brokenOff()).toBe(code);
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(inputs);
}

test('a bank answers the same round once, however often it is opened', async () => {
  const consortium = await Consortium.dealt();
  const { payload } = await consortium.round();
  consortium.history.lie('open-round', payload);
  await expectBrokenOff(consortium, 'STATE', 1);
});

test.each([
  ['that was used', 0],
  ['out of order', 2],
  ['that was never dealt', 4],
])('a bank answers no round with a slot %s', async (_what, slot) => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  const { keys } = consortium.openRound();
  consortium.history.lie('open-round', consortium.openRound({ keys: { ...keys!, slot } }));
  await expectBrokenOff(consortium, 'STATE', 1);
});

test('a bank answers no masked round without keys', async () => {
  const consortium = await Consortium.dealt();
  const { keys: _keys, ...payload } = consortium.openRound();
  consortium.history.lie('open-round', payload);
  await expectBrokenOff(consortium, 'STATE', 0);
});

test('a bank answers no round with the keys of an earlier session', async () => {
  const consortium = await Consortium.dealt(2);
  await consortium.round();
  const { keys } = consortium.openRound();
  const { history } = consortium;
  history.say('void-session', { session: history.session.hash, code: 'COHORT', reason: 'test' });
  await consortium.dealKeys(2);
  history.lie('open-round', consortium.openRound({ keys: keys! }));
  await expectBrokenOff(consortium, 'STATE', 1);
});

test('a bank that is started again uses a slot for no other round', async () => {
  const consortium = await Consortium.dealt();
  const before = consortium.history.fork();
  const { mark } = consortium;
  consortium.ask();
  await consortium.coordinator.until('masked-input', mark);
  await consortium.restart(before);
  consortium.ask({ deadlineAt: MORE });
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(1);
});

test('a bank that is started again neither certifies nor opens a slot for another round than it answered', async () => {
  const consortium = await Consortium.dealt();
  const before = consortium.history.fork();
  const { mark } = consortium;
  consortium.ask();
  await consortium.coordinator.until('masked-input', mark);
  await consortium.restart(before);
  consortium.ask({ deadlineAt: MORE });
  consortium.input('a', 'c', 'd');
  consortium.fix();
  await consortium.certify('a', 'c', 'd');
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(new Set(consortium.sent.slice(mark + 1))).toEqual(new Set(['refuse-round']));
});

test('a bank that is started again answers the same question with no keys of another session', async () => {
  const consortium = await Consortium.running();
  const before = consortium.history.fork();
  await consortium.dealKeys();
  const { mark } = consortium;
  consortium.ask();
  await consortium.coordinator.until('masked-input', mark);
  await consortium.restart(before);
  await consortium.dealKeys();
  consortium.ask();
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(1);
});

test('a bank answers no question again whose sum it has opened, whoever votes for that', async () => {
  const consortium = await Consortium.dealt();
  const { mark } = consortium;
  await consortium.askAndCollect();
  consortium.fix();
  await consortium.certify('a', 'c', 'd');
  await consortium.coordinator.until('unmask', mark);
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('REPLAY');
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(1);
});

test('a bank answers no question again whose sum it has opened, with new keys after a restart', async () => {
  const consortium = await Consortium.dealt();
  const before = consortium.history.fork();
  await consortium.round();
  await consortium.restart(before);
  consortium.ask();
  await consortium.askAnew();
  expect(['REPLAY', 'EQUIVOCATION']).toContain(await consortium.refusal());
  await consortium.settle();
  expect(consortium.sent.filter((type) => type === 'masked-input')).toHaveLength(1);
});

/** A round was given up; `told` says how the question comes again. */
async function givenUp(told: (consortium: Consortium, vote: Vote) => Promise<void>): Promise<Consortium> {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const { open } = consortium.history;
  const { mark } = consortium;
  consortium.giveUp();
  await consortium.relay(mark, 'abort-round');
  await told(consortium, async (name) => consortium.bank(name).vote(open).payload);
  return consortium;
}
type Vote = (name: string) => Promise<Payload<'abort-round'>>;

test('a bank answers no question again without votes', async () => {
  const consortium = await givenUp(() => Promise.resolve());
  consortium.history.lie('open-round', consortium.openRound());
  await expectBrokenOff(consortium, 'VOTES', 1);
});

test('a bank answers no question again with one vote less than a quorum', async () => {
  const consortium = await givenUp(async ({ history, played: [a] }) => {
    history.tell(a!.vote(history.run.past.at(-1)!.open));
  });
  consortium.history.lie('open-round', consortium.openRound());
  await expectBrokenOff(consortium, 'VOTES', 1);
});

test('a bank counts no vote that somebody else has signed', async () => {
  const consortium = await givenUp(async ({ history }, vote) => {
    history.lie('abort-round', await vote('a'), strangerSeed);
  });
  await expectBrokenOff(consortium, 'SIG', 1);
});

test('a bank counts the vote of one bank once', async () => {
  const consortium = await givenUp(async ({ history }) => {
    history.forge(history.entries.at(-1)!.message);
  });
  await expectBrokenOff(consortium, 'REPLAY', 1);
});

test('a bank counts no vote about another question', async () => {
  const consortium = await givenUp(async ({ history, played: [a] }, vote) => {
    history.forge(a!.sign('abort-round', { ...(await vote('a')), query: 'e'.repeat(64) }));
  });
  await expectBrokenOff(consortium, 'STATE', 1);
});

test('a bank counts no votes of an earlier round', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const first = consortium.bank('a').vote(consortium.history.open);
  const { mark } = consortium;
  const old = consortium.history.open;
  consortium.giveUp();
  await consortium.relay(mark, 'abort-round');
  for (const name of ['c', 'd']) consortium.history.tell(consortium.bank(name).vote(old));
  await consortium.askAndCollect();
  consortium.giveUp();
  consortium.history.forge(first);
  await expectBrokenOff(consortium, 'LATE', 2);
});

test('a bank counts no vote of a bank that has revealed shares', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  await consortium.openUp();
  const { open } = consortium.history;
  consortium.giveUp();
  consortium.history.forge(consortium.bank('a').vote(open));
  await expectBrokenOff(consortium, 'EQUIVOCATION', 1);
});

test('a bank counts no vote before the round is given up', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const { payload } = consortium.bank('a').vote(consortium.history.open);
  consortium.history.forge(signMessage('abort-round', payload, consortium.bank('a').seed) as Message);
  await expectBrokenOff(consortium, 'STATE', 1);
});
