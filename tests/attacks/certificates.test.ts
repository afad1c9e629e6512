/** Certificates: nothing is revealed before a quorum has truly certified the same survivors of this very slot. */
import { expect, test } from 'vitest';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import type { Message, Payload } from '#shared/protocol/messages.ts';
import { Consortium } from './consortium.ts';
import { PlayedBank } from './played-bank.ts';

const strangerSeed = sha256(utf8('attacks/stranger'));

/** The agent and `a` have certified: one certificate is missing. */
async function oneMissing(consortium: Consortium): Promise<Payload<'consistency-check'>> {
  await consortium.askAndCollect();
  const { mark } = consortium;
  consortium.fix();
  await consortium.relay(mark, 'consistency-check');
  await consortium.certify('a');
  return consortium.bank('c').certify(consortium.history.open).payload;
}

function certificatesOf(consortium: Consortium, name: string): Message<'consistency-check'>[] {
  return consortium.history.entries
    .map(({ message }) => message)
    .filter(
      (m): m is Message<'consistency-check'> => m.type === 'consistency-check' && m.payload.from === name,
    );
}

async function expectBrokenOff(consortium: Consortium, code: string): Promise<void> {
  expect(await consortium.agent.brokenOff()).toBe(code);
  await consortium.settle();
  expect(consortium.sent.slice(-2)).toEqual(['masked-input', 'consistency-check']);
}

test('a bank reveals nothing while one certificate is missing', async () => {
  const consortium = await Consortium.dealt();
  await oneMissing(consortium);
  await consortium.voteAgain();
  await consortium.settle();
  expect(consortium.sent.slice(3)).toEqual(['masked-input', 'consistency-check', 'abort-round']);
});

test('a bank reveals nothing for a certificate that somebody else has signed', async () => {
  const consortium = await Consortium.dealt();
  consortium.history.lie('consistency-check', await oneMissing(consortium), strangerSeed);
  await expectBrokenOff(consortium, 'SIG');
});

test('a bank reveals nothing for a certificate that the coordinator has signed', async () => {
  const consortium = await Consortium.dealt();
  consortium.history.lie('consistency-check', await oneMissing(consortium));
  await expectBrokenOff(consortium, 'SIG');
});

test('a bank reveals nothing for a certificate of a bank nobody knows', async () => {
  const consortium = await Consortium.dealt();
  const payload = await oneMissing(consortium);
  const stranger = new PlayedBank('x');
  consortium.history.forge(stranger.sign('consistency-check', { ...payload, from: stranger.id }));
  await expectBrokenOff(consortium, 'UNKNOWN_PARTICIPANT');
});

test('a bank reveals nothing for a certificate that names another slot', async () => {
  const consortium = await Consortium.dealt();
  const payload = await oneMissing(consortium);
  consortium.history.forge(consortium.bank('c').sign('consistency-check', { ...payload, slot: 1 }));
  await expectBrokenOff(consortium, 'STATE');
});

test('a bank reveals nothing for a certificate of an earlier round', async () => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  await oneMissing(consortium);
  consortium.history.forge(certificatesOf(consortium, 'c')[0]!);
  await expectBrokenOff(consortium, 'LATE');
});

test('a bank reveals nothing for a certificate of a round it never saw', async () => {
  const consortium = await Consortium.dealt();
  const payload = await oneMissing(consortium);
  const ctx = 'e'.repeat(64);
  consortium.history.forge(consortium.bank('c').sign('consistency-check', { ...payload, ctx }));
  await expectBrokenOff(consortium, 'STALE');
});

test('a bank reveals nothing for a certificate of an earlier session', async () => {
  const consortium = await Consortium.dealt(1);
  await consortium.round();
  await consortium.dealKeys(1);
  await oneMissing(consortium);
  consortium.history.forge(certificatesOf(consortium, 'd')[0]!);
  await expectBrokenOff(consortium, 'LATE');
});

test('a bank reveals nothing for a certificate of other survivors', async () => {
  const consortium = await Consortium.dealt();
  const payload = await oneMissing(consortium);
  const survivors = 'e'.repeat(64);
  consortium.history.forge(consortium.bank('c').sign('consistency-check', { ...payload, survivors }));
  await expectBrokenOff(consortium, 'EQUIVOCATION');
});

test('a bank counts the certificate of one bank once', async () => {
  const consortium = await Consortium.dealt();
  await oneMissing(consortium);
  consortium.history.forge(certificatesOf(consortium, 'a')[0]!);
  await expectBrokenOff(consortium, 'REPLAY');
});

test('a bank breaks off when another reveals shares before a quorum has certified', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const { history, mark } = consortium;
  const certified = history.fork();
  consortium.fix();
  await consortium.relay(mark, 'consistency-check');
  certified.say('fix-survivors', consortium.survivors());
  for (const name of ['a', 'c', 'd']) certified.tell(consortium.bank(name).certify(certified.open));
  history.forge(consortium.bank('d').unmask(certified.open, consortium.coordinator.bodies));
  await expectBrokenOff(consortium, 'CERTIFICATE');
});

test('a bank that has voted to ask again reveals nothing for that slot, in whatever history', async () => {
  const consortium = await Consortium.dealt();
  await oneMissing(consortium);
  const before = consortium.history.fork();
  await consortium.voteAgain();
  await consortium.restart(before);
  const { mark } = consortium;
  await consortium.certify('c', 'd');
  expect(await consortium.agent.leftRun()).toBe('EQUIVOCATION');
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.slice(mark)).not.toContain('unmask');
});

test('a bank that has voted to ask again certifies nothing for that slot, in whatever history', async () => {
  const consortium = await Consortium.dealt();
  await consortium.askAndCollect();
  const before = consortium.history.fork();
  await consortium.voteAgain();
  await consortium.restart(before);
  const { mark } = consortium;
  consortium.fix();
  expect(await consortium.agent.leftRun()).toBe('EQUIVOCATION');
  await consortium.certify('a', 'c', 'd');
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('EQUIVOCATION');
  await consortium.settle();
  expect(consortium.sent.slice(mark)).not.toContain('consistency-check');
  expect(consortium.sent).not.toContain('unmask');
});

test('a bank that has revealed shares does not vote to ask again', async () => {
  const consortium = await Consortium.dealt();
  await oneMissing(consortium);
  const { mark } = consortium;
  await consortium.certify('c');
  await consortium.coordinator.until('unmask', mark);
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('REPLAY');
  await consortium.settle();
  expect(consortium.sent.slice(mark)).toEqual(['unmask', 'refuse-round']);
});

test('a bank that has revealed shares votes for no other end of the slot after a restart', async () => {
  const consortium = await Consortium.dealt();
  await oneMissing(consortium);
  const before = consortium.history.fork();
  const { mark } = consortium;
  await consortium.certify('c');
  await consortium.coordinator.until('unmask', mark);
  await consortium.restart(before);
  await consortium.askAnew();
  expect(await consortium.refusal()).toBe('REPLAY');
  await consortium.settle();
  expect(consortium.sent).not.toContain('abort-round');
});
