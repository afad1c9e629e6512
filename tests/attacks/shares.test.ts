/** What the dealers dealt: changed on the way, meant for others, or dealt under other keys. */
import { expect, test } from 'vitest';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { advertisement, dealing } from '#shared/secure-sum/bank-session.ts';
import { drawSecrets, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import type { Session } from '#shared/ledger/federation-state.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { Consortium } from './consortium.ts';
import type { History } from './history.ts';
import { packageOf } from './played-bank.ts';

/** Everybody has dealt; the seal is the attack's. */
async function allDealt(): Promise<{ consortium: Consortium; session: Session }> {
  const consortium = await Consortium.running();
  const session = await consortium.advertiseKeys(2);
  await consortium.dealShares(session);
  return { consortium, session };
}

/** The agent complains about these dealers, and answers nothing with what it was dealt. */
async function expectComplaints(consortium: Consortium, ...dealers: number[]): Promise<void> {
  const { mark } = consortium;
  for (let i = 0; i < dealers.length; i++) {
    const { payload } = await consortium.coordinator.submitted.until(
      `a complaint about ${dealers[i]}`,
      ({ type, payload }) => type === 'complain' && payload.against === dealers[i],
    );
    expect(payload).toMatchObject({ code: 'SHARE_CT' });
  }
  consortium.ask();
  expect(await consortium.refusal()).toBe('STATE');
  await consortium.settle();
  const complaints = consortium.sent.filter((type) => type === 'complain');
  expect(complaints).toHaveLength(dealers.length);
  expect(consortium.sent.slice(mark)).not.toContain('masked-input');
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at < 0 ? copy.length + at : at]! ^= 1;
  return copy;
}

test.each([
  ['a root', 0],
  ['a commitment', 4 * 2 * 32],
  ['an encrypted share', -100],
  ['a seal', -1],
])('a bank complains about a dealer when %s was changed on the way', async (_what, at) => {
  const { consortium, session } = await allDealt();
  consortium.seal(session, (bytes, dealer) => (dealer === 'c' ? flipped(bytes, at) : bytes));
  await expectComplaints(consortium, 2);
});

test("a bank complains when it is given another bank's package", async () => {
  const { consortium, session } = await allDealt();
  const { bodies } = consortium.coordinator;
  consortium.seal(session, (bytes, dealer) => (dealer === 'a' ? packageOf(session, 0, 3, bodies) : bytes));
  await expectComplaints(consortium, 0);
});

test('a bank complains about both dealers when their packages change places', async () => {
  const { consortium, session } = await allDealt();
  const { bodies } = consortium.coordinator;
  const swapped = new Map([
    ['c', 3],
    ['d', 2],
  ]);
  consortium.seal(session, (bytes, dealer) => {
    const other = swapped.get(dealer);
    return other === undefined ? bytes : packageOf(session, other, 1, bodies);
  });
  await expectComplaints(consortium, 2, 3);
});

test('a bank complains about everybody when it is given nothing', async () => {
  const { consortium, session } = await allDealt();
  consortium.seal(session, () => new Uint8Array(0));
  await expectComplaints(consortium, 0, 2, 3);
});

/** The session as it would be had `c` advertised other keys. */
function withOtherKeysOfC(consortium: Consortium): History {
  const { history } = consortium;
  const isOfC = ({ type, payload }: Message): boolean => type === 'advertise-keys' && payload.from === 'c';
  const place = history.entries.findIndex(({ message }) => isOfC(message));
  const other = history.fork(place);
  const secrets = drawSecrets(other.session.payload.slots, seededBytes(sha256(utf8('attacks/other'))));
  other.tell(
    consortium.bank('c').sign('advertise-keys', advertisement(other.session, 2, secrets)) as Message,
  );
  for (const { message } of history.entries.slice(place + 1)) {
    if (message.type === 'advertise-keys') other.tell(message);
  }
  return other;
}

test('a bank breaks off when another dealt shares under other keys than it was shown', async () => {
  const consortium = await Consortium.running();
  await consortium.advertiseKeys(2);
  await consortium.coordinator.until('share-keys');
  const other = withOtherKeysOfC(consortium);
  consortium.history.forge(consortium.bank('a').deal(other.session).message);
  expect(await consortium.agent.brokenOff()).toBe('ROSTER');
  await consortium.settle();
});

test('a bank complains when shares that were dealt under other keys are passed off as right', async () => {
  const consortium = await Consortium.running();
  const session = await consortium.advertiseKeys(2);
  const other = withOtherKeysOfC(consortium);
  const { history, coordinator } = consortium;
  history.tell(await coordinator.until('share-keys'));
  for (const name of ['c', 'd']) consortium.tellDealing(consortium.bank(name), session);
  const random = () => seededBytes(sha256(utf8(`attacks/session/a/${session.hash}`)));
  const { payload, table } = dealing(other.session, 0, random);
  coordinator.bodies.set(payload.table, table);
  history.tell(
    consortium.bank('a').sign('share-keys', { ...payload, roster: session.rosterHash! }) as Message,
  );
  consortium.seal(session);
  await expectComplaints(consortium, 0);
});

test('a bank that is started again deals nothing under other keys', async () => {
  const consortium = await Consortium.running();
  await consortium.advertiseKeys(2);
  const dealt = await consortium.coordinator.until('share-keys');
  await consortium.restart(withOtherKeysOfC(consortium));
  expect(await consortium.agent.leftRun()).toBe('EQUIVOCATION');
  await consortium.settle();
  const tables = consortium.coordinator.submitted.all.filter(({ type }) => type === 'share-keys');
  expect(tables).toEqual([dealt]);
  expect(consortium.coordinator.uploads).toEqual([dealt.payload.table]);
});

test('a bank breaks off when one bank has dealt twice', async () => {
  const { consortium, session } = await allDealt();
  const { payload } = consortium.bank('a').deal(session).message;
  const twice = { ...payload, shareRoot: 'e'.repeat(64) };
  consortium.history.forge(consortium.bank('a').sign('share-keys', twice));
  expect(await consortium.agent.brokenOff()).toBe('EQUIVOCATION');
  await consortium.settle();
});

test.each([
  ['another root than was signed', { shareRoots: ['c', 'd', 'e', 'f'].map((x) => x.repeat(64)) }],
  ['other dealers than dealt', { dealers: [0, 1, 2], shareRoots: ['0', '1', '2'].map((x) => x.repeat(64)) }],
  ['another roster', { roster: 'e'.repeat(64) }],
])('a bank breaks off when a session is sealed with %s', async (_what, lie) => {
  const { consortium, session } = await allDealt();
  consortium.history.lie('seal-session', { ...consortium.sealSession(session), ...lie });
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
});

test('a bank breaks off when a session is sealed with too few dealers', async () => {
  const consortium = await Consortium.running();
  const session = await consortium.advertiseKeys(2);
  consortium.history.tell(await consortium.coordinator.until('share-keys'));
  consortium.tellDealing(consortium.bank('a'), session);
  consortium.history.lie('seal-session', {
    ...consortium.sealSession(session),
    ...{ dealers: [0, 1], shareRoots: [0, 1].map((i) => session.dealt.get(i)!.shareRoot) },
  });
  expect(await consortium.agent.brokenOff()).toBe('SCHEMA');
  await consortium.settle();
});

test('a bank that was left out when a session was sealed answers nothing with its keys', async () => {
  const consortium = await Consortium.running();
  const session = await consortium.advertiseKeys(2);
  await consortium.coordinator.until('share-keys'); // and that is not told
  for (const bank of consortium.played) consortium.tellDealing(bank, session);
  consortium.history.say('seal-session', consortium.sealSession(session));
  consortium.ask();
  consortium.input('a', 'c', 'd');
  consortium.fix();
  await consortium.certify('a', 'c', 'd');
  await consortium.askAnew();
  consortium.giveUp();
  const reason = { session: session.hash, code: 'COHORT', reason: 'test' };
  consortium.history.say('void-session', reason);
  await consortium.advertiseKeys(2); // that it takes part in the next session proves that it has seen all of this
  await consortium.settle();
  const before = ['consent', 'advertise-keys', 'share-keys'];
  expect(consortium.sent.slice(0, 4)).toEqual([...before, 'advertise-keys']);
  expect(consortium.sent.slice(4).filter((type) => type !== 'share-keys')).toEqual([]);
});

test('a bank breaks off when another complains about keys that it has used', async () => {
  const consortium = await Consortium.dealt();
  await consortium.round();
  const { session } = consortium.history;
  const bank = consortium.bank('c');
  const complaint = { session: session.hash, from: bank.id, against: 1, code: 'SHARE_CT', reason: 'a lie' };
  consortium.history.forge(bank.sign('complain', complaint));
  expect(await consortium.agent.brokenOff()).toBe('LATE');
  await consortium.settle();
});
