/**
 * A sketch: a few numbers that say of a vector of u32 words what is needed to check a sum. It is linear: the sketch
 * of a sum of integers is the sum of their sketches. So whoever has the sketches that banks signed of their masked
 * vectors can check the sum of all vectors without reading one of them.
 *
 *   sketch_k(y) = Σ_a row_k[a] · Σ_b column_k[b] · y[512·a + b]   modulo p_k,   k = 1 … 5
 *
 * The coefficients are drawn by a hash of everything that is checked (the vectors' roots and what is claimed to be
 * their sum), so nobody can choose these to suit them. For a claim that differs from the true sum by e ≠ 0: words
 * and their sums are below 2^40 and the primes above 2^32, so an e_i ≠ 0 is a multiple of one prime at most. Modulo
 * each of the four others the sketch of e is a polynomial of degree 2 in random coefficients that is not zero
 * everywhere, and is 0 with probability 2/p at most (Schwartz 1980, lemma 1): for all four below 2^-127.
 *
 * Five primes below 2^33 because a product of a coefficient and half a word then has 49 bits, and sixteen of them
 * add up exactly in a float64: one prime near 2^61, in BigInt, takes twenty times as long.
 */
import { backend } from '#shared/crypto/backend.ts';
import { sha256 } from '#shared/crypto/hash.ts';
import type { KeyStream } from '#shared/crypto/crypto-backend.ts';
import { label } from '#shared/secure-sum/binary-labels.ts';

/** The five largest primes below 2^33. */
export const SKETCH_PRIMES = [8_589_934_583, 8_589_934_567, 8_589_934_543, 8_589_934_513, 8_589_934_487];
const [P0, P1, P2, P3, P4] = SKETCH_PRIMES as [number, number, number, number, number];
const [I0, I1, I2, I3, I4] = [1 / P0, 1 / P1, 1 / P2, 1 / P3, 1 / P4];
const WIDTH = SKETCH_PRIMES.length;
/** Words to a row: their coefficients stay in the processor's first-level cache. */
const ROW_WORDS = 512;
/** To draw coefficients row by row would cost as much as the row. */
const ROWS_AT_ONCE = 64;
/** So many products of a coefficient (33 bits) and half a word (16 bits) add up to less than 2^53. */
const EXACT_SUMMANDS = 16;

/** One number below each prime. */
export type Sketch = readonly number[];

/** The sketch of one vector, which may come in pieces of any length. */
export class VectorSketcher {
  /** For each word of a row its five coefficients. */
  private readonly columns: Float64Array;
  private readonly rowStream: KeyStream;
  /** Five coefficients for each of so many rows, from the one on where the last were used up. */
  private rows: Float64Array = new Float64Array(0);
  private position = 0;
  private readonly sums = new Float64Array(WIDTH);
  private readonly part = new Float64Array(WIDTH);

  /** @param challenge a hash of everything that is checked, 32 bytes */
  constructor(challenge: Uint8Array) {
    this.columns = coefficients(streamOf('sketch-columns', challenge), ROW_WORDS);
    this.rowStream = streamOf('sketch-rows', challenge);
  }

  /** @param words the next ones of the vector */
  add(words: Uint32Array): void {
    for (let start = 0; start < words.length;) {
      const column = this.position % ROW_WORDS;
      const end = Math.min(words.length, start + ROW_WORDS - column);
      sketchRow(words, start, end, this.columns, column, this.part);
      const row = ((this.position - column) / ROW_WORDS) % ROWS_AT_ONCE;
      if (row === 0 && column === 0) this.rows = coefficients(this.rowStream, ROWS_AT_ONCE);
      for (let k = 0; k < WIDTH; k++) {
        const p = SKETCH_PRIMES[k]!;
        const product = timesModulo(this.rows[row * WIDTH + k]!, this.part[k]!, p);
        this.sums[k] = modulo(this.sums[k]! + product, p);
      }
      this.position += end - start;
      start = end;
    }
  }

  sketch(): Sketch {
    return [...this.sums];
  }
}

/** The sketch of the sum of vectors, from theirs. */
export function sumOfSketches(sketches: readonly Sketch[]): Sketch {
  return SKETCH_PRIMES.map((p, k) => sketches.reduce((sum, sketch) => modulo(sum + sketch[k]!, p), 0));
}

/**
 * The sketch of integers that are wider than a word.
 * @param words their lowest 32 bits
 * @param carries what is above
 */
export function sketchOfWide(words: Sketch, carries: Sketch): Sketch {
  return SKETCH_PRIMES.map((p, k) => modulo(words[k]! + timesModulo(carries[k]!, 2 ** 32, p), p));
}

export function isSameSketch(a: Sketch, b: Sketch): boolean {
  return a.length === b.length && a.every((value, k) => value === b[k]);
}

function streamOf(purpose: string, challenge: Uint8Array): KeyStream {
  return backend.keyStream(sha256(label(purpose), challenge), 0);
}

/** Five for each of `count`, from 53 random bits each: twenty more than there are residues leave no bias that counts. */
function coefficients(stream: KeyStream, count: number): Float64Array {
  const halves = new Uint32Array(stream.next(count * WIDTH * 8).slice().buffer);
  const out = new Float64Array(count * WIDTH);
  for (let i = 0; i < out.length; i++) {
    const bits53 = (halves[2 * i]! & 0x1f_ffff) * 2 ** 32 + halves[2 * i + 1]!;
    out[i] = modulo(bits53, SKETCH_PRIMES[i % WIDTH]!);
  }
  return out;
}

/** a·b modulo p, for a and b below 2^33. */
function timesModulo(a: number, b: number, p: number): number {
  const high = Math.floor(b / 131_072);
  const low = b - high * 131_072;
  return modulo(modulo(a * high, p) * 131_072 + a * low, p);
}

/** x modulo p, for x from 0 to 2^53: several times faster than `%`. */
function modulo(x: number, p: number): number {
  const near = reduced(x, p, 1 / p);
  return near < 0 ? near + p : near < p ? near : near - p;
}

/**
 * Σ_b column_k[b] · word[b] modulo p_k for a part of one row that begins at `column`, into `out`. Everything is written
 * out for the five primes: in a loop over k the sums would not stay in registers.
 */
function sketchRow(
  words: Uint32Array,
  start: number,
  end: number,
  columns: Float64Array,
  column: number,
  out: Float64Array,
): void {
  let r0 = 0;
  let r1 = 0;
  let r2 = 0;
  let r3 = 0;
  let r4 = 0;
  let c = column * WIDTH;
  for (let from = start; from < end; from += EXACT_SUMMANDS) {
    const to = Math.min(end, from + EXACT_SUMMANDS);
    // of the words' low and high halves
    let l0 = 0;
    let l1 = 0;
    let l2 = 0;
    let l3 = 0;
    let l4 = 0;
    let h0 = 0;
    let h1 = 0;
    let h2 = 0;
    let h3 = 0;
    let h4 = 0;
    for (let i = from; i < to; i++, c += WIDTH) {
      const word = words[i]!;
      const low = word & 0xffff;
      const high = word >>> 16;
      const c0 = columns[c]!;
      l0 += c0 * low;
      h0 += c0 * high;
      const c1 = columns[c + 1]!;
      l1 += c1 * low;
      h1 += c1 * high;
      const c2 = columns[c + 2]!;
      l2 += c2 * low;
      h2 += c2 * high;
      const c3 = columns[c + 3]!;
      l3 += c3 * low;
      h3 += c3 * high;
      const c4 = columns[c + 4]!;
      l4 += c4 * low;
      h4 += c4 * high;
    }
    r0 = reduced(r0 + reduced(l0, P0, I0) + 65_536 * reduced(h0, P0, I0), P0, I0);
    r1 = reduced(r1 + reduced(l1, P1, I1) + 65_536 * reduced(h1, P1, I1), P1, I1);
    r2 = reduced(r2 + reduced(l2, P2, I2) + 65_536 * reduced(h2, P2, I2), P2, I2);
    r3 = reduced(r3 + reduced(l3, P3, I3) + 65_536 * reduced(h3, P3, I3), P3, I3);
    r4 = reduced(r4 + reduced(l4, P4, I4) + 65_536 * reduced(h4, P4, I4), P4, I4);
  }
  out[0] = modulo(r0 + P0, P0);
  out[1] = modulo(r1 + P1, P1);
  out[2] = modulo(r2 + P2, P2);
  out[3] = modulo(r3 + P3, P3);
  out[4] = modulo(r4 + P4, P4);
}

/**
 * Something congruent to x modulo p in [-p, 2p), for x below 2^53: several times faster than `%`.
 * @param inverse 1/p, rounded: the quotient may be one off
 */
function reduced(x: number, p: number, inverse: number): number {
  return x - Math.floor(x * inverse) * p;
}
