/** Changes of key that a coordinator makes up: a bank believes those that the old key has signed, and no others. */
import { expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signNewBankKey } from '#shared/ledger/key-rules.ts';
import { participantId } from '#shared/protocol/ids.ts';
import type { Message } from '#shared/protocol/messages.ts';
import { Consortium } from '../attacks/consortium.ts';
import { maskedPlan } from '../masked/masked-agents.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { witnessKeyOf } from '../support/witness-keys.ts';

const newSeed = sha256(utf8('attacks/new key of c'));

/** A change of the keys of `c`, with the new key's proof, signed by whoever has this seed. */
function rotation(consortium: Consortium, signer: Uint8Array): Message<'rotate-key'> {
  const fields = {
    ...{ charter: consortium.coordinator.charterHash, from: participantId.parse('c') },
    ...{ identityKey: toBase64Url(publicKeyOf(newSeed)), witnessKey: witnessKeyOf('new c') },
  };
  const payload = { ...fields, proof: signNewBankKey(fields, newSeed) };
  return signMessage('rotate-key', payload, signer) as Message<'rotate-key'>;
}

test('a coordinator cannot change the keys of a bank in a run, and speak for it from then on', async () => {
  const consortium = await Consortium.running();
  consortium.history.forge(rotation(consortium, newSeed)); // signed by the new key: `c` knows nothing of it
  expect(await consortium.agent.brokenOff()).toBe('SIG');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank that changes its keys in the middle of a run it is in is not believed either', async () => {
  const consortium = await Consortium.running();
  consortium.history.forge(rotation(consortium, consortium.bank('c').seed));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank takes no part in a run that announces another witness key for it', async () => {
  const consortium = await Consortium.gather();
  consortium.propose();
  await consortium.consents();
  const witnessKeys = consortium.names.map((id) => witnessKeyOf(id === consortium.agent.id ? 'mallory' : id));
  consortium.history.lie('run-started', consortium.runStarted({ witnessKeys }));
  expect(await consortium.agent.brokenOff()).toBe('STATE');
  await consortium.settle();
  expect(consortium.sent).toEqual(['consent']);
});

test('a bank may be called as something that every object in JavaScript has', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const ids = ['a', 'b', 'constructor'];
  await TestAgent.joinAll(coordinator, ids);
  const run = await TestRun.propose(coordinator, maskedPlan(ids));
  expect(await run.finished()).toMatchObject({ outcome: 'completed' });
});
