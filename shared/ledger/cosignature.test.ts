import { createHash, createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signHead } from '#shared/ledger/checkpoint.ts';
import { cosignatureLine, isCosignedBy, signCosignature } from '#shared/ledger/cosignature.ts';
import { cosignedNote, witnessQuorum } from '#shared/ledger/finality.ts';
import type { Run } from '#shared/ledger/federation-state.ts';

const ORIGIN = 'tallystick.example/one';
const BANKS = ['alder', 'birch', 'cedar'];
const seedOf = (name: string): Uint8Array => sha256(utf8(`seed of ${name}`));
const keyOf = (name: string): string => toBase64Url(publicKeyOf(seedOf(name)));
const HEAD = signHead(ORIGIN, 1234, sha256(utf8('a root')), seedOf('log'));
const checkpoint = { origin: ORIGIN, ...HEAD };
/** After 2^32 seconds, so that all eight bytes of the time count. */
const TIME = 5_000_000_000;

/** A note as another implementation reads it: C2SP signed-note and tlog-cosignature, by Node's own cryptography. */
function independently(note: string, name: string, rawKey: Buffer, algorithm: number): boolean {
  const empty = note.indexOf('\n\n');
  const text = note.slice(0, empty + 1);
  const id = createHash('sha256')
    .update(Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(algorithm), rawKey]))
    .digest()
    .subarray(0, 4);
  const key = createPublicKey({
    format: 'der',
    type: 'spki',
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), rawKey]),
  });
  for (const line of note.slice(empty + 2).split('\n')) {
    const match = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/.exec(line);
    if (match?.[1] !== name) continue;
    const blob = Buffer.from(match[2]!, 'base64');
    if (!blob.subarray(0, 4).equals(id)) continue;
    if (algorithm === 1) return verify(null, Buffer.from(text), key, blob.subarray(4));
    if (blob.length !== 4 + 8 + 64) return false;
    const time = blob.readBigUInt64BE(4);
    return verify(null, Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), key, blob.subarray(12));
  }
  return false;
}

const rawKeyOf = (name: string): Buffer => Buffer.from(publicKeyOf(seedOf(name)));

test('the note of a final checkpoint is one that other implementations of C2SP accept, line by line', () => {
  const payload = { run: 'a'.repeat(64), parent: 'b'.repeat(64), head: HEAD };
  const cosignatures = new Map(
    [2, 0].map((i) => [
      i,
      {
        ...{ checkpoint: 'c'.repeat(64), from: BANKS[i], time: TIME },
        signature: signCosignature(checkpoint, TIME, seedOf(`witness of ${BANKS[i]}`)),
      },
    ]),
  );
  const run = { roster: BANKS, witnessKeys: BANKS.map((bank) => keyOf(`witness of ${bank}`)) };
  const offered = { hash: 'c'.repeat(64), payload, cosignatures };
  const note = cosignedNote(
    ORIGIN,
    [{ key: keyOf('log'), from: 1 }],
    run as unknown as Run,
    offered as never,
  );
  expect(note.split('\n').slice(0, 2)).toEqual([ORIGIN, '1234']);
  expect(note.endsWith('\n')).toBe(true);
  expect(independently(note, ORIGIN, rawKeyOf('log'), 0x01)).toBe(true);
  for (const [bank, isThere] of [
    ['alder', true],
    ['birch', false],
    ['cedar', true],
  ] as const)
    expect(independently(note, bank, rawKeyOf(`witness of ${bank}`), 0x04), bank).toBe(isThere);
  expect(independently(note, 'alder', rawKeyOf('witness of alder'), 0x01)).toBe(false);
  expect(independently(note.replace('1234', '1235'), 'alder', rawKeyOf('witness of alder'), 0x04)).toBe(
    false,
  );
});

describe('a cosignature', () => {
  const signature = signCosignature(checkpoint, TIME, seedOf('w'));

  test.each([
    ['another ledger', { ...checkpoint, origin: 'tallystick.example/two' }, TIME],
    ['another size', { ...checkpoint, size: 1235 }, TIME],
    ['another root', { ...checkpoint, root: 'a'.repeat(64) }, TIME],
    ['another time', checkpoint, TIME + 1],
  ])('is none of %s', (_what, of, time) => {
    expect(isCosignedBy(checkpoint, { time: TIME, signature }, keyOf('w'))).toBe(true);
    expect(isCosignedBy(of, { time, signature }, keyOf('w'))).toBe(false);
  });

  test('is none of another witness, and no head', () => {
    expect(isCosignedBy(checkpoint, { time: TIME, signature }, keyOf('v'))).toBe(false);
    expect(isCosignedBy(checkpoint, { time: TIME, signature: HEAD.signature }, keyOf('log'))).toBe(false);
    expect(cosignatureLine('w', { time: TIME, signature }, keyOf('w'))).toMatch(/^— w [A-Za-z0-9+/]+=*$/);
  });
});

test('no two quorums of a roster can be had with a third of its banks lying', () => {
  for (let banks = 1; banks <= 200; banks++) {
    const colluders = Math.floor((banks - 1) / 3);
    expect(2 * witnessQuorum(banks) - colluders).toBeGreaterThan(banks);
    expect(witnessQuorum(banks)).toBeLessThanOrEqual(banks - colluders); // the honest ones suffice
  }
});
