/**
 * A private key at rest: sealed with XSalsa20-Poly1305 (NaCl secretbox) under a key that scrypt (RFC 7914)
 * derives from a passphrase or from the contents of a key file. Copying the sealed file alone gives nothing.
 */
import { scrypt } from '@noble/hashes/scrypt.js';
import nacl from 'tweetnacl';
import { z } from 'zod';
import { fromBase64Url, toBase64Url } from '#shared/crypto/base64.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** About 100 ms and 32 MiB for each guess. */
const COST = { N: 2 ** 15, r: 8, p: 1 } as const;

export const sealedKey = z.strictObject({
  v: z.literal(1),
  what: z.string(),
  kdf: z.strictObject({
    name: z.literal('scrypt'),
    N: z.literal(COST.N),
    r: z.literal(COST.r),
    p: z.literal(COST.p),
    salt: z.string(),
  }),
  nonce: z.string(),
  box: z.string(),
});
export type SealedKey = z.infer<typeof sealedKey>;

/** What one secret gives with each salt, so that keys sealed together cost one derivation. By salt, base64url. */
export type DerivedKeys = Map<string, Uint8Array>;

function derive(secret: string, salt: string, derived: DerivedKeys): Uint8Array {
  const key = derived.get(salt) ?? scrypt(utf8(secret), fromBase64Url(salt), { ...COST, dkLen: 32 });
  derived.set(salt, key);
  return key;
}

/**
 * @param what says which key this is, for people; not secret
 * @param derived of other keys that are sealed with the same secret: their salt is used again
 */
export function sealKey(
  key: Uint8Array,
  what: string,
  secret: string,
  random: RandomBytes,
  derived: DerivedKeys = new Map(),
): SealedKey {
  const [shared] = derived.keys();
  const salt = shared ?? toBase64Url(random(16));
  const nonce = random(nacl.secretbox.nonceLength);
  const box = nacl.secretbox(key, nonce, derive(secret, salt, derived));
  return {
    v: 1,
    what,
    kdf: { name: 'scrypt', ...COST, salt },
    nonce: toBase64Url(nonce),
    box: toBase64Url(box),
  };
}

/** @throws FederationError KEY_FILE when the secret is wrong or the file is damaged; one cannot tell which */
export function openSealedKey(value: unknown, secret: string, derived: DerivedKeys = new Map()): Uint8Array {
  const parsed = sealedKey.safeParse(value);
  if (!parsed.success)
    throw new FederationError('KEY_FILE', 'expected a sealed key file; this is something else');
  const { kdf, nonce, box, what } = parsed.data;
  try {
    const key = derive(secret, kdf.salt, derived);
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
