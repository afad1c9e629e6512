/**
 * OpenSSL through node:crypto. Importing a raw key costs twice a verification, so key objects are kept, up
 * to a bound that is far above any roster.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { counterBlock } from '#shared/crypto/counter-block.ts';
import type { CryptoBackend } from '#shared/crypto/crypto-backend.ts';

const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex'); // RFC 8410, then the seed
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex'); // RFC 8410, then the public key
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');
const KEYS_KEPT_MAX = 4096;
const TAG_BYTES = 16;
/** OpenSSL allocates its output: larger pieces than this are slower, not faster. */
const STREAM_BYTES = 65_536;
const ZEROS = new Uint8Array(STREAM_BYTES);

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

function agreementSecret(secret: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_X25519, secret]), format: 'der', type: 'pkcs8' });
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
  x25519PublicKey(secret) {
    const spki = createPublicKey(agreementSecret(secret)).export({ format: 'der', type: 'spki' });
    return new Uint8Array(spki.subarray(SPKI_X25519.length));
  },
  x25519(secret, publicKey) {
    const key = createPublicKey({
      key: Buffer.concat([SPKI_X25519, publicKey]),
      format: 'der',
      type: 'spki',
    });
    return new Uint8Array(diffieHellman({ privateKey: agreementSecret(secret), publicKey: key }));
  },
  hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
  keyStream(key, fromByte) {
    const cipher = createCipheriv('aes-256-ctr', key, counterBlock(fromByte));
    return {
      next(length) {
        const zeros = length <= STREAM_BYTES ? ZEROS.subarray(0, length) : new Uint8Array(length);
        const stream = cipher.update(zeros);
        return new Uint8Array(stream.buffer, stream.byteOffset, stream.length);
      },
    };
  },
  gcmSeal(key, nonce, text, bound) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(bound);
    return new Uint8Array(Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]));
  },
  gcmOpen(key, nonce, sealed, bound) {
    if (sealed.length < TAG_BYTES) return undefined;
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(bound);
    decipher.setAuthTag(sealed.subarray(end));
    try {
      return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]));
    } catch {
      return undefined; // the one thing `final` throws for is a tag that does not fit
    }
  },
};
