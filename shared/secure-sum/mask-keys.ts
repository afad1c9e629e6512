/**
 * From seeds to mask keys. Each bank has, for each slot, two secrets (double masking, Bonawitz et al. 2017):
 *
 *   mask seed   an X25519 secret. With each other bank's public key it gives a pair key, which both know; one
 *               adds its stream, the other subtracts it, and in the sum they cancel. Opened for a bank that
 *               dealt and then sent nothing, to take out what the others had added for it.
 *   self seed   gives a stream that only this bank knows. Opened for a bank that is in the sum.
 *
 * For one bank and slot never both: with both, its vector lies open. Every key is salted with the hash of the
 * open-round, so banks that were asked different questions have masks that do not cancel.
 */
import { agreeSecret, deriveKey } from '#shared/crypto/key-agreement.ts';
import { sha256 } from '#shared/crypto/hash.ts';
import { join, label, u16, u32 } from '#shared/secure-sum/binary-labels.ts';

/** One key stream that goes into, or comes out of, a vector. */
export interface Mask {
  /** AES-256 key. */
  readonly key: Uint8Array;
  readonly sign: 'add' | 'subtract';
}

/** What a bank publishes about its self seed before anything is masked. */
export function selfSeedCommitment(
  sessionHash: Uint8Array,
  slot: number,
  bank: number,
  selfSeed: Uint8Array,
): Uint8Array {
  return sha256(label('self-seed'), sessionHash, u32(slot), u16(bank), selfSeed);
}

/** @param roundHash hash of the open-round, 32 bytes */
export function selfMaskKey(
  roundHash: Uint8Array,
  slot: number,
  bank: number,
  selfSeed: Uint8Array,
): Uint8Array {
  return deriveKey(selfSeed, roundHash, join(label('self-mask'), u16(bank), u32(slot)));
}

/**
 * The same key from either side.
 * @param maskSeed of one of the two banks
 * @param publicKey of the other
 */
export function pairMaskKey(
  roundHash: Uint8Array,
  slot: number,
  banks: readonly [number, number],
  maskSeed: Uint8Array,
  publicKey: Uint8Array,
): Uint8Array {
  const [low, high] = banks[0] < banks[1] ? banks : [banks[1], banks[0]];
  return deriveKey(
    agreeSecret(maskSeed, publicKey),
    roundHash,
    join(label('pair-mask'), u16(low), u16(high), u32(slot)),
  );
}

export interface SlotSecrets {
  readonly maskSeed: Uint8Array;
  readonly selfSeed: Uint8Array;
}

/**
 * Everything one bank adds to its vector: its own stream, and one for each other dealer of the session.
 * The bank with the lower index adds, the one with the higher subtracts.
 * @param dealers indices of the banks whose keys count in this session
 * @param slotKeys X25519 public keys of this slot, by bank index
 */
export function inputMasks(
  roundHash: Uint8Array,
  slot: number,
  bank: number,
  secrets: SlotSecrets,
  dealers: readonly number[],
  slotKeys: ReadonlyMap<number, Uint8Array>,
): Mask[] {
  const masks: Mask[] = [{ key: selfMaskKey(roundHash, slot, bank, secrets.selfSeed), sign: 'add' }];
  for (const other of dealers) {
    if (other === bank) continue;
    const key = pairMaskKey(roundHash, slot, [bank, other], secrets.maskSeed, slotKeys.get(other)!);
    masks.push({ key, sign: other > bank ? 'add' : 'subtract' });
  }
  return masks;
}
