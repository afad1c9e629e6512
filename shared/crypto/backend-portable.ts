/** tweetnacl and noble-hashes: no Node, no native code. About a hundred times slower than OpenSSL. */
import { sha256 } from '@noble/hashes/sha2.js';
import nacl from 'tweetnacl';
import type { CryptoBackend } from '#shared/crypto/crypto-backend.ts';

export const backend: CryptoBackend = {
  name: 'portable',
  createSha256: () => sha256.create(),
  ed25519PublicKey: (seed) => nacl.sign.keyPair.fromSeed(seed).publicKey,
  ed25519Sign: (seed, message) => nacl.sign.detached(message, nacl.sign.keyPair.fromSeed(seed).secretKey),
  ed25519Verify: (publicKey, message, signature) => nacl.sign.detached.verify(message, signature, publicKey),
};
