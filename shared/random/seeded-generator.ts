/**
 * A seeded generator for everything that must come out the same on every machine: initial weights, row
 * shuffles, dropout masks, stochastic rounding. xoshiro128** (Blackman & Vigna, 2018), its 128-bit state
 * taken from SHA-256 of the seed parts. Integer arithmetic only. NOT for keys or masks: those come from
 * the cryptographic source.
 */
import { sha256, utf8 } from '#shared/crypto/hash.ts';

export class SeededGenerator {
  /** Four int32 words, in a typed array: as plain properties V8 would box each of them on every step. */
  private readonly state: Int32Array;
  private readonly one = new Uint32Array(1);

  /** @param parts the stream is a function of all of them, and of the borders between them */
  constructor(...parts: readonly (string | number)[]) {
    const digest = sha256(utf8(JSON.stringify(['tallystick/v1 seeded-generator', ...parts])));
    const bytes = new DataView(digest.buffer, digest.byteOffset, 16);
    this.state = Int32Array.of(bytes.getInt32(0), bytes.getInt32(4), bytes.getInt32(8), bytes.getInt32(12));
    this.state[3]! |= 1; // the all-zero state is the one fixed point
  }

  /** Fills `out` with uniform integers in [0, 2^32). */
  fill(out: Uint32Array): void {
    let [a, b, c, d] = this.state as unknown as [number, number, number, number];
    for (let i = 0; i < out.length; i++) {
      const t = b << 9;
      const x = Math.imul(b, 5);
      out[i] = Math.imul((x << 7) | (x >>> 25), 9);
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = (d << 11) | (d >>> 21);
    }
    this.state.set([a, b, c, d]);
  }

  /** Uniform integer in [0, 2^32). */
  nextUint32(): number {
    this.fill(this.one);
    return this.one[0]!;
  }

  /** Uniform in [0, 1) with 53 random bits. */
  nextUnit(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  /** Fisher-Yates, in place; the same permutation for the same stream. */
  shuffle(indices: Uint32Array): Uint32Array {
    const draws = new Uint32Array(indices.length);
    this.fill(draws);
    for (let i = indices.length - 1; i > 0; i--) {
      // multiply-shift: its bias is below i / 2^32
      const j = Math.floor((draws[i]! / 4_294_967_296) * (i + 1));
      const swap = indices[i]!;
      indices[i] = indices[j]!;
      indices[j] = swap;
    }
    return indices;
  }
}

/** 0, 1, …, count - 1. */
export function range(count: number): Uint32Array {
  const indices = new Uint32Array(count);
  for (let i = 0; i < count; i++) indices[i] = i;
  return indices;
}
