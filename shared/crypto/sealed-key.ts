/**
 * A private key at rest: sealed with XSalsa20-Poly1305 (NaCl secretbox) under a key that is derived from a passphrase
 * by scrypt (RFC 7914), which makes guessing dear, or from a key file's random bytes, which nobody guesses, by HKDF
 * (RFC 5869). Copying the sealed file alone gives nothing.
 */
import { scrypt } from '@noble/hashes/scrypt.js';
import nacl from 'tweetnacl';
import { z } from 'zod';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { backend } from '#shared/crypto/backend.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** About 100 ms and 32 MiB for each guess. */
const COST = { N: 2 ** 15, r: 8, p: 1 } as const;

export const sealedKey = z.strictObject({
  v: z.literal(1),
  what: z.string(),
  kdf: z.discriminatedUnion('name', [
    z.strictObject({
      name: z.literal('scrypt'),
      N: z.literal(COST.N),
      r: z.literal(COST.r),
      p: z.literal(COST.p),
      salt: z.string(),
    }),
    z.strictObject({ name: z.literal('hkdf-sha256'), salt: z.string() }),
  ]),
  nonce: z.string(),
  box: z.string(),
});
export type SealedKey = z.infer<typeof sealedKey>;

/** What one secret gives, so that keys sealed together cost one derivation. By function and salt. */
export type DerivedKeys = Map<string, Uint8Array>;

/** A passphrase, or the contents of a key file: 32 random bytes or more, in whatever form. */
export type Secret = string | Uint8Array;

const INFO = utf8('tallystick/v1 sealed key');

function derive(secret: Secret, { name, salt }: SealedKey['kdf'], derived: DerivedKeys): Uint8Array {
  const known = derived.get(`${name} ${salt}`);
  if (known !== undefined) return known;
  const bytes = typeof secret === 'string' ? utf8(secret) : secret;
  const key =
    name === 'scrypt'
      ? scrypt(bytes, fromBase64Url(salt), { ...COST, dkLen: 32 })
      : backend.hkdf(bytes, fromBase64Url(salt), INFO, 32);
  derived.set(`${name} ${salt}`, key);
  return key;
}

/**
 * @param what says which key this is, for people; not secret
 * @param derived of other keys that are sealed with the same secret: their salt is used again
 */
export function sealKey(
  key: Uint8Array,
  what: string,
  secret: Secret,
  random: RandomBytes,
  derived: DerivedKeys = new Map(),
): SealedKey {
  const name = typeof secret === 'string' ? 'scrypt' : 'hkdf-sha256';
  const [, shared] = [...derived.keys()].map((of) => of.split(' ')).find(([of]) => of === name) ?? [];
  const salt = shared ?? toBase64Url(random(16));
  const kdf: SealedKey['kdf'] = name === 'scrypt' ? { name, ...COST, salt } : { name, salt };
  const nonce = random(nacl.secretbox.nonceLength);
  const box = nacl.secretbox(key, nonce, derive(secret, kdf, derived));
  return {
    v: 1,
    what,
    kdf,
    nonce: toBase64Url(nonce),
    box: toBase64Url(box),
  };
}

/** @throws FederationError KEY_FILE when the secret is wrong or the file is damaged; one cannot tell which */
export function openSealedKey(value: unknown, secret: Secret, derived: DerivedKeys = new Map()): Uint8Array {
  const parsed = sealedKey.safeParse(value);
  if (!parsed.success)
    throw new FederationError('KEY_FILE', 'expected a sealed key file; this is something else');
  const { kdf, nonce, box, what } = parsed.data;
  try {
    const key = derive(secret, kdf, derived);
    const opened = nacl.secretbox.open(fromBase64Url(box), fromBase64Url(nonce), key);
    if (opened !== null) return opened;
  } catch (cause) {
    throw new FederationError('KEY_FILE', `the sealed ${what} is damaged; restore it from a backup`, {
      cause,
    });
  }
  throw new FederationError(
    'KEY_FILE',
    `the passphrase or key file does not open the sealed ${what}; TALLYSTICK_PASSPHRASE must be what it was when the key was made`,
  );
}
