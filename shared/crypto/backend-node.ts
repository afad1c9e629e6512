/**
 * OpenSSL through node:crypto. Importing a raw key costs twice a verification, so key objects are kept, up
 * to a bound that is far above any roster.
 */
import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import type { CryptoBackend } from '#shared/crypto/crypto-backend.ts';

const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex'); // RFC 8410, then the seed
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex'); // RFC 8410, then the public key
const KEYS_KEPT_MAX = 4096;

const publicKeys = new Map<string, KeyObject>();
const privateKeys = new WeakMap<Uint8Array, KeyObject>();

function publicKeyObject(publicKey: Uint8Array): KeyObject {
  const id = Buffer.from(publicKey).toString('latin1');
  let key = publicKeys.get(id);
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.concat([SPKI_ED25519, publicKey]), format: 'der', type: 'spki' });
    if (publicKeys.size >= KEYS_KEPT_MAX) publicKeys.clear();
    publicKeys.set(id, key);
  }
  return key;
}

function privateKeyObject(seed: Uint8Array): KeyObject {
  let key = privateKeys.get(seed);
  if (key === undefined) {
    key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
    privateKeys.set(seed, key);
  }
  return key;
}

export const backend: CryptoBackend = {
  name: 'node',
  createSha256: () => createHash('sha256'),
  ed25519PublicKey(seed) {
    const spki = createPublicKey(privateKeyObject(seed)).export({ format: 'der', type: 'spki' });
    return new Uint8Array(spki.subarray(SPKI_ED25519.length));
  },
  ed25519Sign: (seed, message) => sign(null, message, privateKeyObject(seed)),
  ed25519Verify: (publicKey, message, signature) =>
    verify(null, message, publicKeyObject(publicKey), signature),
};
