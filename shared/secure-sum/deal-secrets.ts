/** A bank's secrets for one session, drawn from one source so that a seed can make them again. */
import { backend } from '#shared/crypto/backend.ts';
import { agreementPublicKey } from '#shared/crypto/key-agreement.ts';
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';
import { selfSeedCommitment, type SlotSecrets } from '#shared/secure-sum/mask-keys.ts';
import { SEED_BYTES } from '#shared/secure-sum/session-context.ts';

export interface SessionSecrets {
  /** X25519 secret of the channels on which shares travel. */
  readonly channelSecret: Uint8Array;
  readonly slots: readonly SlotSecrets[];
}

/** Draws the channel secret, then mask seed and self seed of each slot. The polynomials come after these. */
export function drawSecrets(slots: number, random: RandomBytes): SessionSecrets {
  const channelSecret = random(SEED_BYTES);
  const drawn = Array.from({ length: slots }, () => ({
    maskSeed: random(SEED_BYTES),
    selfSeed: random(SEED_BYTES),
  }));
  return { channelSecret, slots: drawn };
}

/** What others learn of the secrets. */
export interface PublicKeys {
  readonly channelKey: Uint8Array;
  readonly slotKeys: readonly Uint8Array[];
  readonly seedCommitments: readonly Uint8Array[];
}

export function publicKeysOf(secrets: SessionSecrets, sessionHash: Uint8Array, bank: number): PublicKeys {
  return {
    channelKey: agreementPublicKey(secrets.channelSecret),
    slotKeys: secrets.slots.map(({ maskSeed }) => agreementPublicKey(maskSeed)),
    seedCommitments: secrets.slots.map(({ selfSeed }, slot) =>
      selfSeedCommitment(sessionHash, slot, bank, selfSeed),
    ),
  };
}

/** A generator whose output a 32-byte key determines: AES-256-CTR key stream, read in order. */
export function seededBytes(key: Uint8Array): RandomBytes {
  const stream = backend.keyStream(key, 0);
  return (length) => new Uint8Array(stream.next(length));
}
