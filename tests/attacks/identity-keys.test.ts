/** Whose keys are whose: a coordinator that passes off its own banks as others. */
import { expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { participantId } from '#shared/protocol/ids.ts';
import { Consortium } from './consortium.ts';
import { PlayedBank } from './played-bank.ts';

const strangerSeed = sha256(utf8('attacks/stranger'));
const strangerKey = toBase64Url(publicKeyOf(strangerSeed));
const [nobody, somebody] = ['x', 'y'].map((id) => new PlayedBank(id)) as [PlayedBank, PlayedBank];

/** The agent has consented; `run-started` is the attack's. */
async function consented(peers: Record<string, string> = {}): Promise<Consortium> {
  const consortium = await Consortium.gather({ peers });
  consortium.propose();
  await consortium.coordinator.until('consent');
  return consortium;
}

/** What the others' keys are, as two people read them to each other. */
function fingerprints(): Record<string, string> {
  return Object.fromEntries(
    ['a', 'c', 'd'].map((id) => [id, keyFingerprint(new PlayedBank(id).identityKey)]),
  );
}

/** Whether it breaks off, or does what the coordinator wants of it. */
function reactionOf({ agent, coordinator }: Consortium, mark: number): Promise<string | undefined> {
  const advertised = coordinator.until('advertise-keys', mark).then(({ type }) => type);
  return Promise.race([agent.brokenOff(), advertised]);
}

function keysWith(consortium: Consortium, place: number, key: string): string[] {
  return consortium.identityKeys.map((own, i) => (i === place ? key : own));
}

test('a bank that knows the fingerprint of another accepts no other key of it', async () => {
  const consortium = await consented(fingerprints());
  const identityKeys = keysWith(consortium, 2, strangerKey);
  consortium.history.lie('run-started', consortium.runStarted({ identityKeys }));
  expect(await consortium.agent.brokenOff()).toBe('FORBIDDEN');
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
  await consortium.coordinator.until('consent', mark);
  history.lie('run-started', consortium.runStarted({ identityKeys: keysWith(consortium, 3, strangerKey) }));
  expect(await consortium.agent.brokenOff()).toBe('FORBIDDEN');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent', 'consent']);
});

test('a bank remembers the keys of the others when it is started again', async () => {
  const consortium = await Consortium.dealt();
  const other = consortium.history.before('run-started');
  await consortium.restart(other);
  other.lie('run-started', consortium.runStarted({ identityKeys: keysWith(consortium, 0, strangerKey) }));
  expect(await consortium.agent.brokenOff()).toBe('FORBIDDEN');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent', 'advertise-keys', 'share-keys']);
});

test('a bank accepts no other key for itself', async () => {
  const consortium = await consented();
  const identityKeys = keysWith(consortium, 1, strangerKey);
  consortium.history.lie('run-started', consortium.runStarted({ identityKeys }));
  expect(await consortium.agent.brokenOff()).toBe('FORBIDDEN');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test.fails('a bank deals no keys to banks that its plan does not name', async () => {
  const consortium = await consented(fingerprints());
  const { history, mark } = consortium;
  const roster = ['b', 'x', 'y'].map((id) => participantId.parse(id));
  const identityKeys = [consortium.agent.identityKey, nobody.identityKey, somebody.identityKey];
  history.say('run-started', consortium.runStarted({ roster, identityKeys }));
  history.say('open-session', consortium.openSession(1, { participants: roster }));
  const reaction = await reactionOf(consortium, mark);
  await consortium.settle();
  expect(['FORBIDDEN', 'STATE']).toContain(reaction);
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

test.fails(
  'a bank starts no masked run whose roster comes without keys, whatever members it is told of',
  async () => {
    const consortium = await consented(fingerprints());
    const { history, names } = consortium;
    const own = [consortium.agent.seed, ...['a', 'c', 'd'].map((id) => sha256(utf8(`attacks/false/${id}`)))];
    // the invitation and enrolment of each, the agent's own as it really sent them; the others' are invented
    (['b', 'a', 'c', 'd'] as const).forEach((id, i) => {
      const participant = participantId.parse(id);
      const token = `token of ${id}, which is long enough`;
      const invited = history.say('invite', {
        ...{ charter: consortium.coordinator.charterHash, participant },
        ...{ tokenHash: toHex(sha256(utf8(token))), expiresAt: 4_000_000_000_000 },
      });
      const identityKey = toBase64Url(publicKeyOf(own[i]!));
      const payload = { invite: invited.hash, from: participant, token, identityKey, agentVersion: 'test' };
      const enrolled = history.tell(signMessage('enrol', payload, own[i]!));
      history.say('admit', { enrol: enrolled.hash, participant });
    });
    const { run, roster } = consortium.runStarted();
    history.say('run-started', { run, roster });
    const { mark } = consortium;
    history.say('open-session', consortium.openSession(1, { participants: names }));
    const reaction = await reactionOf(consortium, mark);
    await consortium.settle();
    expect(['FORBIDDEN', 'SHAPE', 'STATE', 'UNKNOWN_PARTICIPANT']).toContain(reaction);
  },
);
