/** Keys that change while something signed with the old ones is on its way, and heads while the ledger's changes. */
import { beforeAll, describe, expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { openCheckpoint } from '#shared/ledger/checkpoint.ts';
import { signNewBankKey } from '#shared/ledger/key-rules.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { BodyStore } from '#coordinator/store/body-store.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import { gate, LocalFederation, WatchedStore } from '../support/local-federation.ts';
import { temporaryFolder } from '../support/opened.ts';
import { DATABASES } from '../support/test-coordinator.ts';
import { witnessKeyOf } from '../support/witness-keys.ts';

describe.each(DATABASES)('on %s', (database) => {
  let federation: LocalFederation;
  let journal: Journal;
  let store: WatchedStore;
  let bodies: BodyStore;
  let banks: ParticipantId[];
  beforeAll(async () => {
    federation = await LocalFederation.open(database);
    store = new WatchedStore(federation.db);
    journal = await federation.journal(store);
    bodies = await BodyStore.open(await temporaryFolder('bodies'));
    banks = [];
    for (const name of ['a', 'b', 'c', 'd']) banks.push(await federation.join(journal, name));
  });

  /** While the disk is slow these are asked for, in this order. */
  async function atOnce(...ask: (() => Promise<unknown>)[]): Promise<PromiseSettledResult<unknown>[]> {
    const disk = gate();
    store.gate = disk.closed;
    const { hash: charter } = journal.state.charter!;
    const first = journal.record('incident', { charter, reason: 'the disk is slow' });
    const outcomes = Promise.allSettled(ask.map((each) => each()));
    disk.open();
    await first;
    return outcomes;
  }

  test('what a bank signed is not recorded when it was revoked a moment before', async () => {
    const [a, b, c] = banks as [ParticipantId, ParticipantId, ParticipantId];
    const run = await federation.propose(journal, bodies, [a, b, c], {});
    const charter = journal.state.charter!.hash;
    const [revoked, consented] = await atOnce(
      () => journal.record('revoke', { charter, participant: a, reason: '' }),
      () => federation.consent(journal, run, a),
    );
    expect(revoked).toMatchObject({ status: 'fulfilled' });
    expect(consented).toMatchObject({ status: 'rejected', reason: { code: 'UNKNOWN_PARTICIPANT' } });
    expect((await federation.read()).state.size).toBe(journal.state.size); // it can be read again
  });

  test('what a bank signed with its old key is not recorded when it has changed it a moment before', async () => {
    const d = banks[3]!;
    const seed = sha256(utf8('new key of d'));
    const fields = {
      ...{ charter: journal.state.charter!.hash, from: d },
      ...{ identityKey: toBase64Url(publicKeyOf(seed)), witnessKey: witnessKeyOf('new d') },
    };
    const rotation = (): Message =>
      federation.sign(d, 'rotate-key', { ...fields, proof: signNewBankKey(fields, seed) });
    const again = { ...fields, witnessKey: witnessKeyOf('newer d') };
    const seedAgain = sha256(utf8('newer key of d'));
    again.identityKey = toBase64Url(publicKeyOf(seedAgain));
    const [first, second] = await atOnce(
      () => journal.append(rotation()),
      // admissible by every rule of state, but signed with a key that is not in force any more
      () =>
        journal.append(
          federation.sign(d, 'rotate-key', { ...again, proof: signNewBankKey(again, seedAgain) }),
        ),
    );
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'SIG' } });
    expect((await federation.read()).state.participants.get(d)!.identityKey).toBe(fields.identityKey);
    // and the new key is taken
    const signed = signMessage(
      'rotate-key',
      { ...again, proof: signNewBankKey(again, seedAgain) },
      seed,
    ) as Message;
    await journal.append(signed);
  });

  test('a head is signed by the key in force at its size, also while that key is being changed', async () => {
    const { logKey, charter } = journal.state;
    const { origin } = charter!.payload;
    const disk = gate();
    store.gate = disk.closed;
    const changed = journal.rotateLogKey(sha256(utf8(`next log key on ${database}`)), 'anna');
    const meanwhile = journal.checkpoint(); // the change is folded, and not stored yet
    const { size } = openCheckpoint(meanwhile, origin, fromBase64Url(logKey!));
    expect(size).toBe(journal.tree.size);
    disk.open();
    await changed;
    const after = openCheckpoint(journal.checkpoint(), origin, fromBase64Url(journal.state.logKey!));
    expect(after).toMatchObject({ size: size + 1, root: toHex(journal.tree.root()) });
  });
});
