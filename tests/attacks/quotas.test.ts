/** One bank that is admitted, with nothing but its key: how much of the ledger it may fill. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { KEY_CHANGES_PER_DAY_MAX, signNewBankKey } from '#shared/ledger/key-rules.ts';
import { request, TestBank, type HttpReply } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';

const DAY_MS = 86_400_000;

test('a bank that changes its keys as fast as it can fills no more than a few entries a day', async () => {
  const coordinator = await TestCoordinator.start({ database: 'postgres' });
  const [greedy, other] = (await TestBank.joinAll(coordinator, 'greedy', 'other')) as [TestBank, TestBank];
  const size = (await coordinator.ledger()).length;
  const seedsOf = new Map([
    [greedy, greedy.seed],
    [other, other.seed],
  ]);
  const rotate = async (bank: TestBank): Promise<HttpReply> => {
    const next = new Uint8Array(randomBytes(32));
    const keys = {
      charter: coordinator.charter,
      from: bank.id,
      identityKey: toBase64Url(publicKeyOf(next)),
      witnessKey: toBase64Url(publicKeyOf(new Uint8Array(randomBytes(32)))),
    };
    const payload = { ...keys, proof: signNewBankKey(keys, next) };
    const json = signMessage('rotate-key', payload, seedsOf.get(bank)!);
    const reply = await request(coordinator.url, 'POST', `/v1/participants/${bank.id}/keys`, { json });
    if (reply.status === 200) seedsOf.set(bank, next);
    return reply;
  };
  const codes: (string | undefined)[] = [];
  for (let i = 0; i < 30; i++) codes.push((await rotate(greedy)).code);
  const allowed = Array<undefined>(KEY_CHANGES_PER_DAY_MAX).fill(undefined);
  expect(codes).toEqual([...allowed, ...Array<string>(30 - KEY_CHANGES_PER_DAY_MAX).fill('RATE_LIMIT')]);
  expect((await rotate(other)).status).toBe(200);
  expect(await coordinator.ledger()).toHaveLength(size + KEY_CHANGES_PER_DAY_MAX + 1);
  await coordinator.restart(); // it is the ledger that says so, no memory
  expect((await rotate(greedy)).code).toBe('RATE_LIMIT');
  coordinator.clock.advance(DAY_MS);
  expect((await rotate(greedy)).status).toBe(200);
});
