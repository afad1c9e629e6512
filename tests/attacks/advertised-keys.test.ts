/** Keys for a session: advertised by whom, to whom, and under which rules. */
import { expect, test } from 'vitest';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { agreementPublicKey } from '#shared/crypto/key-agreement.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';
import { Consortium } from './consortium.ts';

const strangerSeed = sha256(utf8('attacks/stranger'));
const otherKey = toBase64Url(agreementPublicKey(sha256(utf8('attacks/agreement'))));

/** The agent has advertised and knows the keys of `a`. */
async function advertising(): Promise<{ consortium: Consortium; own: Message<'advertise-keys'> }> {
  const consortium = await Consortium.running();
  const { history } = consortium;
  history.say('open-session', consortium.openSession(2));
  const own = await consortium.coordinator.until('advertise-keys');
  history.tell(consortium.bank('a').advertise(history.session));
  return { consortium, own };
}

async function expectBrokenOff(consortium: Consortium, code: string): Promise<void> {
  expect(await consortium.agent.brokenOff()).toBe(code);
  await consortium.settle();
}

test("a bank deals no shares for another bank's keys that are signed by somebody else", async () => {
  const { consortium } = await advertising();
  const { payload } = consortium.bank('c').advertise(consortium.history.session);
  consortium.history.lie('advertise-keys', payload, strangerSeed);
  await expectBrokenOff(consortium, 'SIG');
  expect(consortium.sent).toEqual(['consent', 'advertise-keys']);
});

test("a bank deals no shares for another bank's keys that the coordinator has signed", async () => {
  const { consortium } = await advertising();
  consortium.history.lie(
    'advertise-keys',
    consortium.bank('c').advertise(consortium.history.session).payload,
  );
  await expectBrokenOff(consortium, 'SIG');
  expect(consortium.sent).toEqual(['consent', 'advertise-keys']);
});

test('a bank deals no shares when its own keys were replaced', async () => {
  const { consortium, own } = await advertising();
  consortium.history.lie('advertise-keys', { ...own.payload, channelKey: otherKey }, strangerSeed);
  await expectBrokenOff(consortium, 'SIG');
  expect(consortium.sent).toEqual(['consent', 'advertise-keys']);
});

test('a bank deals no shares when it is shown keys it advertised for another session', async () => {
  const { consortium, own } = await advertising();
  const { history } = consortium;
  history.say('void-session', { session: history.session.hash, code: 'COHORT', reason: 'test' });
  history.say('open-session', consortium.openSession(2));
  history.forge(own);
  await expectBrokenOff(consortium, 'STALE');
  expect(consortium.sent).not.toContain('share-keys');
});

test('a bank deals no shares when a second set of keys of one bank is shown', async () => {
  const { consortium } = await advertising();
  const { id, seed } = consortium.bank('a');
  const { payload } = consortium.bank('a').advertise(consortium.history.session);
  consortium.history.forge(
    signMessage('advertise-keys', { ...payload, from: id, channelKey: otherKey }, seed) as Message,
  );
  await expectBrokenOff(consortium, 'EQUIVOCATION');
  expect(consortium.sent).not.toContain('share-keys');
});

test('a bank deals no shares to a bank that copies the key of another', async () => {
  const { consortium } = await advertising();
  const { history } = consortium;
  const { payload: copied } = consortium.bank('a').advertise(history.session);
  const { payload } = consortium.bank('c').advertise(history.session);
  history.forge(consortium.bank('c').sign('advertise-keys', { ...payload, slotKeys: copied.slotKeys }));
  await expectBrokenOff(consortium, 'WEAK_KEY');
  expect(consortium.sent).not.toContain('share-keys');
});

test('a bank deals no shares to a key of small order', async () => {
  const { consortium } = await advertising();
  const { payload } = consortium.bank('c').advertise(consortium.history.session);
  const channelKey = toBase64Url(new Uint8Array(32));
  consortium.history.forge(consortium.bank('c').sign('advertise-keys', { ...payload, channelKey }));
  await expectBrokenOff(consortium, 'WEAK_KEY');
  expect(consortium.sent).not.toContain('share-keys');
});

test.each([
  ['quorum', { quorum: 2 }],
  ['number of shares that open a seed', { threshold: 2 }],
  ['smallest sum', { minimum: 2 }],
  ['number of colluding banks', { colluders: 2 }],
])('a bank advertises no keys for a session with another %s than the rules give', async (_what, weaker) => {
  const consortium = await Consortium.running();
  const thresholds = { ...thresholdsFor(4), ...weaker };
  consortium.history.lie('open-session', consortium.openSession(2, { thresholds }));
  await expectBrokenOff(consortium, 'STATE');
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank advertises no keys for a session of two', async () => {
  const consortium = await Consortium.running();
  const participants = consortium.names.slice(0, 2);
  consortium.history.lie('open-session', consortium.openSession(2, { participants }));
  await expectBrokenOff(consortium, 'SCHEMA');
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank advertises no keys for a session in which one bank appears twice', async () => {
  const consortium = await Consortium.running();
  const [a, b] = consortium.names as [never, never];
  consortium.history.lie('open-session', consortium.openSession(2, { participants: [a, a, b, b] }));
  await expectBrokenOff(consortium, 'STATE');
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank deals no keys among fewer banks than its plan needs', async () => {
  const consortium = await Consortium.gather({ minimumCohort: 4 });
  await consortium.startRun({ minimum: 4 });
  const participants = consortium.names.slice(0, 3);
  consortium.history.lie('open-session', consortium.openSession(2, { participants }));
  expect(await consortium.agent.brokenOff()).toBe('COHORT');
  await consortium.settle();
  expect(consortium.sent).not.toContain('masked-input');
});
