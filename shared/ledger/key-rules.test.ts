/** Keys over the life of a ledger: each is of one holder, for one purpose, and never comes back. */
import { expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { messageHash, signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signHead } from '#shared/ledger/checkpoint.ts';
import { recordEntry } from '#shared/ledger/entry.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { emptyFederation } from '#shared/ledger/federation-state.ts';
import { KEY_CHANGES_PER_DAY_MAX, signNewBankKey, signNewLogKey } from '#shared/ledger/key-rules.ts';
import { assertHead } from '#shared/ledger/witness-rules.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { participantId } from '#shared/protocol/ids.ts';
import { parseMessage } from '#shared/protocol/messages.ts';

const seedOf = (name: string): Uint8Array => sha256(utf8(`seed of ${name}`));
const keyOf = (name: string): string => toBase64Url(publicKeyOf(seedOf(name)));
const from = participantId.parse('alder');
const ORIGIN = 'tallystick.example/one';
const CHARTER = {
  ...{ v: 1, consortium: 'One', origin: ORIGIN },
  ...{ coordinatorKey: keyOf('coordinator'), logKey: keyOf('log') },
};
const charter = messageHash('charter', CHARTER);

class Ledger {
  readonly state = emptyFederation();
  time = 1000;

  constructor() {
    this.write('charter', CHARTER);
    const token = 'a token that is long enough';
    const invite = { charter, participant: from, tokenHash: toHex(sha256(utf8(token))), expiresAt: 9e9 };
    this.write('invite', invite);
    const enrolment = { invite: messageHash('invite', invite), from, token, agentVersion: '' };
    const keys = { identityKey: keyOf('k1'), witnessKey: keyOf('w1') };
    this.write('enrol', { ...enrolment, ...keys }, 'k1');
    this.write('admit', { enrol: messageHash('enrol', { ...enrolment, ...keys }), participant: from });
  }

  /** @returns the code with which it is refused, if it is */
  write(type: string, payload: object, author = 'coordinator'): string | undefined {
    try {
      const message = parseMessage(signMessage(type, payload, seedOf(author)));
      assertAuthentic(this.state, message);
      assertAdmissible(this.state, message, this.time);
      apply(this.state, recordEntry({ seq: this.state.size, time: this.time, message }));
      return undefined;
    } catch (error) {
      if (error instanceof FederationError) return error.code;
      throw error;
    }
  }

  rotate(identity: string, witness: string, author: string, prover = identity): string | undefined {
    const fields = { charter, from, identityKey: keyOf(identity), witnessKey: keyOf(witness) };
    return this.write('rotate-key', { ...fields, proof: signNewBankKey(fields, seedOf(prover)) }, author);
  }

  rotateLog(next: string, endorser: string, prover = next): string | undefined {
    const logKey = keyOf(next);
    const endorsement = signNewLogKey(charter, logKey, seedOf(endorser));
    const proof = signNewLogKey(charter, logKey, seedOf(prover));
    return this.write('rotate-log-key', { charter, logKey, endorsement, proof });
  }
}

test('a bank changes its keys with the old one and a proof of the new one, and not otherwise', () => {
  const ledger = new Ledger();
  expect(ledger.rotate('k2', 'w2', 'k2')).toBe('SIG');
  expect(ledger.rotate('k2', 'w2', 'k1', 'k1')).toBe('SIG');
  expect(ledger.rotate('k2', 'k2', 'k1')).toBe('REPLAY');
  expect(ledger.rotate('k2', 'log', 'k1')).toBe('REPLAY');
  expect(ledger.rotate('k2', 'w2', 'k1')).toBeUndefined();
  expect(ledger.state.participants.get(from)).toMatchObject({
    identityKey: keyOf('k2'),
    witnessKey: keyOf('w2'),
  });
});

test('no key of a bank comes back, for whatever purpose', () => {
  const ledger = new Ledger();
  ledger.rotate('k2', 'w2', 'k1');
  for (const [identity, witness] of [
    ['k1', 'w3'],
    ['k3', 'w1'],
    ['k3', 'k1'],
  ] as const)
    expect(ledger.rotate(identity, witness, 'k2'), `${identity} ${witness}`).toBe('REPLAY');
  expect(ledger.rotateLog('w1', 'log')).toBe('REPLAY');
});

test('the ledger key changes with the old one and a proof of the new one, and never back', () => {
  const ledger = new Ledger();
  expect(ledger.rotateLog('log 2', 'coordinator')).toBe('SIG');
  expect(ledger.rotateLog('log 2', 'log', 'log')).toBe('SIG');
  expect(ledger.rotateLog('log 2', 'log')).toBeUndefined();
  expect(ledger.rotateLog('log', 'log 2')).toBe('REPLAY');
  expect(ledger.rotateLog('k1', 'log 2')).toBe('REPLAY');
});

test('a head is by the key in force at its size, whenever it is shown', () => {
  const whole = new Ledger();
  whole.rotateLog('log 2', 'log'); // entry 4: heads from five entries on are by the new key
  const head = (size: number, name: string) => signHead(ORIGIN, size, sha256(utf8('root')), seedOf(name));
  expect(() => assertHead(whole.state, head(4, 'log'))).not.toThrow();
  expect(() => assertHead(whole.state, head(5, 'log 2'))).not.toThrow();
  expect(() => assertHead(whole.state, head(5, 'log'))).toThrow(/not signed/);
  expect(() => assertHead(whole.state, head(4, 'log 2'))).toThrow(/not signed/);
});

test('a bank changes its keys so often in a day and not more, by the times of the entries', () => {
  const ledger = new Ledger();
  const DAY_MS = 86_400_000;
  const HOUR_MS = 3_600_000;
  const change = (i: number): string | undefined => ledger.rotate(`k${i + 1}`, `w${i + 1}`, `k${i}`);
  for (let i = 1; i <= KEY_CHANGES_PER_DAY_MAX; i++) {
    expect(change(i)).toBeUndefined();
    ledger.time += HOUR_MS;
  }
  expect(change(KEY_CHANGES_PER_DAY_MAX + 1)).toBe('RATE_LIMIT');
  ledger.time = 1000 + DAY_MS - 1;
  expect(change(KEY_CHANGES_PER_DAY_MAX + 1)).toBe('RATE_LIMIT');
  ledger.time = 1000 + DAY_MS;
  expect(change(KEY_CHANGES_PER_DAY_MAX + 1)).toBeUndefined();
  expect(change(KEY_CHANGES_PER_DAY_MAX + 2)).toBe('RATE_LIMIT');
});
