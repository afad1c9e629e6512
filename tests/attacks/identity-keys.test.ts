/** Whose keys are whose: a coordinator that passes off its own banks as others. */
import { expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { participantId } from '#shared/protocol/ids.ts';
import { Consortium } from './consortium.ts';
import { PlayedBank } from './played-bank.ts';

const strangerSeed = sha256(utf8('attacks/stranger'));
const strangerKey = toBase64Url(publicKeyOf(strangerSeed));
/** The agent has consented; `run-started` is the attack's. */
async function consented(peers: Record<string, string> = {}): Promise<Consortium> {
  const consortium = await Consortium.gather({ peers });
  consortium.propose();
  await consortium.consents();
  return consortium;
}

/** What the others' keys are, as two people read them to each other. */
function fingerprints(): Record<string, string> {
  return Object.fromEntries(
    ['a', 'c', 'd'].map((id) => [id, keyFingerprint(new PlayedBank(id).identityKey)]),
  );
}

function keyOf(consortium: Consortium, id: string): string {
  return id === consortium.agent.id ? consortium.agent.identityKey : new PlayedBank(id).identityKey;
}

function keysWith(consortium: Consortium, place: number, key: string): string[] {
  return consortium.identityKeys.map((own, i) => (i === place ? key : own));
}

test('a bank that knows the fingerprint of another accepts no other key of it', async () => {
  const consortium = await consented(fingerprints());
  const identityKeys = keysWith(consortium, 2, strangerKey);
  consortium.history.lie('run-started', consortium.runStarted({ identityKeys }));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank that knows the fingerprints of all takes part in a run with their keys', async () => {
  const consortium = await consented(fingerprints());
  consortium.history.say('run-started', consortium.runStarted());
  await consortium.dealKeys();
  await consortium.round();
  await consortium.settle();
  expect(consortium.sent.at(-1)).toBe('unmask');
});

test('a bank accepts no other key of a bank than the one it saw in an earlier run', async () => {
  const consortium = await Consortium.running();
  const { mark, history } = consortium;
  consortium.propose();
  await consortium.consents(mark);
  history.lie('run-started', consortium.runStarted({ identityKeys: keysWith(consortium, 3, strangerKey) }));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent', 'consent']);
});

test('a bank remembers the keys of the others when it is started again', async () => {
  const consortium = await Consortium.dealt();
  const other = consortium.history.before('run-started');
  await consortium.restart(other);
  other.lie('run-started', consortium.runStarted({ identityKeys: keysWith(consortium, 0, strangerKey) }));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent', 'advertise-keys', 'share-keys']);
});

test('a bank accepts no other key for itself', async () => {
  const consortium = await consented();
  const identityKeys = keysWith(consortium, 1, strangerKey);
  consortium.history.lie('run-started', consortium.runStarted({ identityKeys }));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test.each([
  ['that its plan does not name', ['b', 'x', 'y']],
  ['that are not in order', ['c', 'b', 'a']],
  ['that appear twice', ['a', 'b', 'b']],
])('a bank starts no run with banks %s', async (_what, names) => {
  const consortium = await consented(fingerprints());
  const roster = names.map((id) => participantId.parse(id));
  const identityKeys = names.map((id) => keyOf(consortium, id));
  consortium.history.lie('run-started', consortium.runStarted({ roster, identityKeys }));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank starts no run with fewer banks than its plan needs', async () => {
  const consortium = await Consortium.gather();
  consortium.propose({ minimum: 4 });
  await consortium.consents();
  const roster = consortium.names.slice(0, 3);
  const identityKeys = consortium.identityKeys.slice(0, 3);
  consortium.history.lie('run-started', consortium.runStarted({ roster, identityKeys }));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank starts no masked run of two', async () => {
  const consortium = await consented();
  const roster = consortium.names.slice(0, 2);
  const identityKeys = consortium.identityKeys.slice(0, 2);
  consortium.history.lie('run-started', consortium.runStarted({ roster, identityKeys }));
  expect(await consortium.agent.brokenOff()).toBe('SCHEMA');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank starts no masked run whose roster comes without keys', async () => {
  const consortium = await consented(fingerprints());
  const { identityKeys: _keys, ...started } = consortium.runStarted();
  consortium.history.lie('run-started', started);
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank believes nobody to be a member anew, even with all signatures', async () => {
  const consortium = await consented();
  const participant = participantId.parse('c');
  const tokenHash = toHex(sha256(utf8('a token')));
  const charter = consortium.coordinator.charterHash;
  consortium.history.lie('invite', { charter, participant, tokenHash, expiresAt: 4_000_000_000_000 });
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
});

test('a bank considers no run with a bank that was not admitted', async () => {
  const consortium = await Consortium.gather({ members: ['a', 'b', 'd'] });
  consortium.propose();
  expect(await consortium.agent.brokenOff()).toBe('UNKNOWN_PARTICIPANT');
  await consortium.settle();
  expect(consortium.sent).toEqual([]);
});

test('a bank starts no run with a bank that was revoked meanwhile', async () => {
  const consortium = await consented();
  const { history, coordinator } = consortium;
  history.say('revoke', {
    charter: coordinator.charterHash,
    participant: participantId.parse('c'),
    reason: '',
  });
  history.lie('run-started', consortium.runStarted());
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank goes on with no coordinator that deletes evidence sooner than the charter says', async () => {
  const consortium = await Consortium.gather();
  const { history, agent, coordinator } = consortium;
  consortium.propose();
  await coordinator.until('consent');
  const run = history.run.id;
  history.say('run-finished', {
    ...{ run, parent: run, outcome: 'stopped', code: 'STOPPED', reason: '', metrics: {} },
  });
  history.lie('retention', { charter: coordinator.charterHash, runs: [run], reason: '' });
  expect(await agent.brokenOff()).toBe('STATE');
});
