import { describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { fromHex, utf8 } from '#shared/crypto/hash.ts';
import { publicKeyOf, signBytes } from '#shared/crypto/signatures.ts';
import { noteOf, openCheckpoint, signCheckpoint } from '#shared/ledger/checkpoint.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** RFC 8032 TEST 1. */
const SEED = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
const KEY = publicKeyOf(SEED);
const ORIGIN = 'tallystick.example/consortium-1';
const ROOT = '4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2';

/** Written by hand after the C2SP documents; key id and signature by Python's hashlib and cryptography. */
const GOLDEN = `tallystick.example/consortium-1
8
SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=

— tallystick.example/consortium-1 ZaQqfJXrWwtoYGYPQ7pyXM0uwZDgi7INz2s2wVjb3dBtiUZzO6ALpsm6t26KhqddVqSS+aRcvtxMhfR88Lo/cmp2fw8=
`;
const COSIGNATURE = '— alder-bank/witness q83vEgAAAABlAAAAAAECAwQFBgc=\n';

function codeOf(note: string, origin = ORIGIN, key = KEY): string {
  try {
    openCheckpoint(note, origin, key);
  } catch (error) {
    if (error instanceof FederationError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** A note over any text, with this log's signature: what only the holder of the log key can make. */
function signedText(text: string): string {
  const signed = signCheckpoint(ORIGIN, 8, fromHex(ROOT), SEED);
  const blob = Buffer.from(signed.trimEnd().split(' ').at(-1)!, 'base64');
  const signature = Buffer.concat([blob.subarray(0, 4), signBytes(SEED, utf8(text))]);
  return `${text}\n— ${ORIGIN} ${signature.toString('base64')}\n`;
}

describe('a checkpoint', () => {
  test('is the signed note that another implementation writes', () => {
    expect(signCheckpoint(ORIGIN, 8, fromHex(ROOT), SEED)).toBe(GOLDEN);
  });

  test('is read back as it was signed', () => {
    const { head, others, ...checkpoint } = openCheckpoint(GOLDEN, ORIGIN, KEY);
    expect(checkpoint).toEqual({ origin: ORIGIN, size: 8, root: ROOT });
    expect(noteOf(ORIGIN, head, toBase64Url(KEY), others)).toBe(GOLDEN);
  });

  test.each([0, 1, 10, 65_536, Number.MAX_SAFE_INTEGER])('of size %i is read back', (size) => {
    expect(openCheckpoint(signCheckpoint(ORIGIN, size, fromHex(ROOT), SEED), ORIGIN, KEY).size).toBe(size);
  });

  test('with the signatures of witnesses around the own one is read', () => {
    const own = GOLDEN.split('\n\n')[1]!;
    const unpadded = '— b AAAABBBB\n';
    const padded = '— c.example AAAABA==\n';
    for (const signatures of [COSIGNATURE + own, own + unpadded, unpadded + padded + COSIGNATURE + own]) {
      expect(codeOf(GOLDEN.replace(own, signatures))).toBe('accepted');
    }
  });

  test('is read when a line of its own name under another key precedes the valid one', () => {
    const own = GOLDEN.split('\n\n')[1]!;
    const foreign = signCheckpoint(ORIGIN, 8, fromHex(ROOT), new Uint8Array(32).fill(5)).split('\n\n')[1]!;
    expect(codeOf(GOLDEN.replace(own, foreign + own))).toBe('accepted');
    expect(codeOf(GOLDEN.replace(own, foreign))).toBe('SIG');
  });

  test('with the signatures of witnesses only is not signed', () => {
    const own = GOLDEN.split('\n\n')[1]!;
    expect(codeOf(GOLDEN.replace(own, COSIGNATURE))).toBe('SIG');
  });

  test('of another origin is refused as such, before its signature is looked at', () => {
    expect(codeOf(GOLDEN, 'tallystick.example/consortium-2')).toBe('SCHEMA');
    expect(codeOf(signCheckpoint('elsewhere.example', 8, fromHex(ROOT), SEED))).toBe('SCHEMA');
  });

  test('signed by another key is refused', () => {
    expect(codeOf(GOLDEN, ORIGIN, publicKeyOf(new Uint8Array(32).fill(5)))).toBe('SIG');
  });

  test('signed by the right key under another name is refused', () => {
    const [text, own] = GOLDEN.split('\n\n');
    expect(codeOf(`${text}\n\n${own!.replace(ORIGIN, 'tallystick.example')}`)).toBe('SIG');
  });
});

describe('a checkpoint that was tampered with', () => {
  test('is refused whichever character was replaced', () => {
    for (let at = 0; at < GOLDEN.length; at++) {
      for (const replacement of ['0', 'A', ' ', '\n', '=', '—']) {
        if (GOLDEN[at] === replacement) continue;
        const note = GOLDEN.slice(0, at) + replacement + GOLDEN.slice(at + 1);
        expect(['SCHEMA', 'SIG'], `${JSON.stringify(replacement)} at ${at}`).toContain(codeOf(note));
      }
    }
  });

  test('is refused whichever character was dropped or doubled', () => {
    for (let at = 0; at < GOLDEN.length; at++) {
      expect(['SCHEMA', 'SIG'], `${at} dropped`).toContain(
        codeOf(GOLDEN.slice(0, at) + GOLDEN.slice(at + 1)),
      );
      expect(['SCHEMA', 'SIG'], `${at} doubled`).toContain(
        codeOf(GOLDEN.slice(0, at + 1) + GOLDEN.slice(at)),
      );
    }
  });

  test('is refused wherever it was cut', () => {
    for (let end = 0; end < GOLDEN.length; end++) {
      expect(codeOf(GOLDEN.slice(0, end)), `cut at ${end}`).toBe('SCHEMA');
    }
  });

  test.each([
    ['nothing', ''],
    ['text after the signatures', `${GOLDEN}hello\n`],
    ['carriage returns', GOLDEN.replaceAll('\n', '\r\n')],
    ['a hyphen for the dash', GOLDEN.replace('—', '-')],
    ['no signature', `${GOLDEN.split('\n\n')[0]}\n\n`],
    ['two notes', GOLDEN + GOLDEN],
    ['a JSON object', '{"origin":"x","size":8}'],
  ])('is refused with SCHEMA when it is %s', (_what, note) => {
    expect(codeOf(note)).toBe('SCHEMA');
  });

  const root64 = 'SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=';
  test.each([
    ['a leading zero in the size', `${ORIGIN}\n08\n${root64}\n`],
    ['a sign before the size', `${ORIGIN}\n+8\n${root64}\n`],
    ['a size with an exponent', `${ORIGIN}\n8e0\n${root64}\n`],
    ['a size that no double holds', `${ORIGIN}\n9007199254740993\n${root64}\n`],
    ['a root with other trailing bits', `${ORIGIN}\n8\n${root64.replace('I=', 'J=')}\n`],
    ['a root of 31 bytes', `${ORIGIN}\n8\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2dw==\n`],
    ['an extension line', `${ORIGIN}\n8\n${root64}\nextension\n`],
  ])('is refused even signed by the log when it has %s', (_what, text) => {
    expect(codeOf(signedText(`${ORIGIN}\n8\n${root64}\n`))).toBe('accepted');
    expect(['SCHEMA', 'SIG']).toContain(codeOf(signedText(text)));
  });
});
