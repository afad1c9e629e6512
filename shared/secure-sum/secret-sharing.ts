/**
 * Shamir's secret sharing over GF(2^8), byte by byte (Shamir 1979; the field of AES). A share is `y ‖ x`: the
 * polynomials' values at x, then x itself. x = 0 would be the secret.
 *
 * Coefficients are uniform, so that fewer than `threshold` shares say nothing at all about the secret.
 * Table look-ups are not constant-time; the secrets live for one slot on the bank's own machine.
 */
import type { RandomBytes } from '#shared/crypto/random-bytes.ts';

// powers and logarithms of the generator 3 in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1
// the logarithm of 0 points beyond all sums of two others, where EXP is 0: products need no branch
const LOG_OF_ZERO = 512;
const EXP = new Uint8Array(2 * LOG_OF_ZERO + 1);
const LOG = new Uint16Array(256);
LOG[0] = LOG_OF_ZERO;
for (let i = 0, value = 1; i < 255; i++) {
  EXP[i] = value;
  EXP[i + 255] = value;
  LOG[value] = i;
  const doubled = (value << 1) ^ (value & 0x80 ? 0x11b : 0);
  value ^= doubled;
}

function multiply(a: number, b: number): number {
  return EXP[LOG[a]! + LOG[b]!]!;
}

/** @param b not 0 */
function divide(a: number, b: number): number {
  return a === 0 ? 0 : EXP[LOG[a]! + 255 - LOG[b]!]!;
}

/**
 * @param random is asked once for `secret.length · (threshold − 1)` bytes: the coefficients of degree 1 of
 *   every byte, then those of degree 2, and so on
 * @returns share i has x = i + 1 and is one byte longer than the secret
 * @throws RangeError unless 1 ≤ threshold ≤ count ≤ 255
 */
export function splitSecret(
  secret: Uint8Array,
  count: number,
  threshold: number,
  random: RandomBytes,
): Uint8Array[] {
  if (!(threshold >= 1 && threshold <= count && count <= 255)) {
    throw new RangeError(`expected 1 ≤ threshold ≤ count ≤ 255, got ${threshold} of ${count}`);
  }
  const { length } = secret;
  const coefficients = random(length * (threshold - 1));
  return Array.from({ length: count }, (_, i) => {
    const x = i + 1;
    const logX = LOG[x]!;
    const share = new Uint8Array(length + 1);
    // Horner, from the highest degree down to the secret itself
    for (let degree = threshold - 1; degree >= 1; degree--) {
      const offset = (degree - 1) * length;
      for (let b = 0; b < length; b++) share[b] = EXP[LOG[share[b]! ^ coefficients[offset + b]!]! + logX]!;
    }
    for (let b = 0; b < length; b++) share[b] = share[b]! ^ secret[b]!;
    share[length] = x;
    return share;
  });
}

/**
 * Interpolates at 0. With fewer shares than were needed, or a wrong one among them, the result is some other
 * value: compare it with a commitment.
 * @throws RangeError unless the shares are of one length and their x differ and are not 0
 */
export function combineShares(shares: readonly Uint8Array[]): Uint8Array {
  const length = (shares[0]?.length ?? 0) - 1;
  if (length < 1 || shares.some((share) => share.length !== length + 1)) {
    throw new RangeError('expected shares of one length of at least two bytes');
  }
  const xs = shares.map((share) => share[length]!);
  if (xs.includes(0) || new Set(xs).size !== xs.length) {
    throw new RangeError('expected shares with different coordinates other than 0');
  }
  const secret = new Uint8Array(length);
  shares.forEach((share, i) => {
    let weight = 1; // Lagrange: the product over the others of xj / (xj − xi); minus is plus here
    for (let j = 0; j < xs.length; j++) {
      if (j !== i) weight = multiply(weight, divide(xs[j]!, xs[j]! ^ xs[i]!));
    }
    for (let b = 0; b < length; b++) secret[b] = secret[b]! ^ multiply(share[b]!, weight);
  });
  return secret;
}
