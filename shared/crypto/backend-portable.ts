/**
 * tweetnacl and the noble libraries: no Node, no native code. About a hundred times slower than OpenSSL for
 * signatures, ten times for key streams.
 */
import { ctr, gcm } from '@noble/ciphers/aes.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import nacl from 'tweetnacl';
import { counterBlock } from '#shared/crypto/counter-block.ts';
import type { CryptoBackend } from '#shared/crypto/crypto-backend.ts';

export const backend: CryptoBackend = {
  name: 'portable',
  sha256,
  createSha256: () => sha256.create(),
  ed25519PublicKey: (seed) => nacl.sign.keyPair.fromSeed(seed).publicKey,
  ed25519Sign: (seed, message) => nacl.sign.detached(message, nacl.sign.keyPair.fromSeed(seed).secretKey),
  ed25519Verify: (publicKey, message, signature) => nacl.sign.detached.verify(message, signature, publicKey),
  x25519PublicKey: (secret) => nacl.scalarMult.base(secret),
  x25519: (secret, publicKey) => nacl.scalarMult(secret, publicKey),
  hkdf: (secret, salt, info, length) => hkdf(sha256, secret, salt, info, length),
  keyStream(key, fromByte) {
    counterBlock(fromByte); // throws unless it is the start of a block
    let position = fromByte;
    return {
      next(length) {
        // a piece need not end on a block: what is left of the last block is made again
        const start = position - (position % 16);
        const stream = ctr(key, counterBlock(start)).encrypt(new Uint8Array(position - start + length));
        position += length;
        return stream.subarray(stream.length - length);
      },
    };
  },
  gcmSeal: (key, nonce, text, bound) => gcm(key, nonce, bound).encrypt(text),
  gcmOpen(key, nonce, sealed, bound) {
    try {
      return gcm(key, nonce, bound).decrypt(sealed);
    } catch {
      return undefined;
    }
  },
};
