/** The sum of vectors that come one after the other, in pieces of any size; each must hash to its root. */
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { RingWords } from '#shared/ring/encode.ts';
import { wordBytes, type Ring } from '#shared/ring/field.ts';
import { addInto, wordsOf, writeInto } from '#shared/ring/ring-sum.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';

/** Copied at once: it stays in the processor's cache. */
const ALIGNED_BYTES = 16_384;

export class StreamedSum {
  private readonly ring: Ring;
  private readonly roots: readonly string[];
  private readonly sum: RingWords;
  /** Vectors that are whole. */
  private added = 0;
  private hasher = new RootHasher();
  /** Bytes of the present vector that are in the sum. */
  private offset = 0;
  /** A word whose other bytes come with the next piece. */
  private readonly cut: Uint8Array<ArrayBuffer>;
  private cutBytes = 0;
  private readonly aligned = new Uint8Array(ALIGNED_BYTES);

  /**
   * @param roots of the vectors, in their order: one at least
   * @param memory of the vectors' length, written over
   */
  constructor(ring: Ring, roots: readonly string[], memory: RingWords) {
    this.ring = ring;
    this.roots = roots;
    this.sum = memory;
    this.cut = new Uint8Array(wordBytes(ring));
  }

  /** @throws FederationError VECROOT when a vector is another than its root says, SHAPE when there are more */
  take(piece: Uint8Array): void {
    for (let start = 0; start < piece.length;) {
      if (this.added === this.roots.length)
        throw new FederationError('SHAPE', `expected ${this.added} vectors, got more`);
      const left = this.sum.byteLength - this.offset - this.cutBytes;
      const part = piece.subarray(start, start + left);
      start += part.length;
      this.hasher.update(part); // while it is in the processor's cache, where it is added next
      this.add(part);
      if (this.offset === this.sum.byteLength) this.endVector();
    }
  }

  /** @throws FederationError SHAPE when vectors are missing */
  whole(): RingWords {
    if (this.added < this.roots.length || this.offset + this.cutBytes > 0)
      throw new FederationError('SHAPE', `expected ${this.roots.length} vectors, got ${this.added}`);
    return this.sum;
  }

  private add(part: Uint8Array): void {
    const size = this.cut.length;
    let rest = part;
    if (this.cutBytes > 0) {
      const missing = rest.subarray(0, size - this.cutBytes);
      this.cut.set(missing, this.cutBytes);
      this.cutBytes += missing.length;
      rest = rest.subarray(missing.length);
      if (this.cutBytes < size) return;
      this.addWords(this.cut);
      this.cutBytes = 0;
    }
    const whole = rest.length - (rest.length % size);
    if (whole > 0) this.addWords(rest.subarray(0, whole));
    this.cut.set(rest.subarray(whole));
    this.cutBytes = rest.length - whole;
  }

  private addWords(bytes: Uint8Array): void {
    const size = this.cut.length;
    if (bytes.byteOffset % size === 0) return this.addAligned(bytes);
    // what comes from a socket mostly begins in the middle of a word
    for (let start = 0; start < bytes.length; start += ALIGNED_BYTES) {
      const part = bytes.subarray(start, start + ALIGNED_BYTES);
      this.aligned.set(part);
      this.addAligned(this.aligned.subarray(0, part.length));
    }
  }

  private addAligned(bytes: Uint8Array): void {
    // the first is written over what is there: clearing it would be one pass over the memory more
    const take = this.added === 0 ? writeInto : addInto;
    take(this.sum, wordsOf(this.ring, bytes), this.offset / this.cut.length);
    this.offset += bytes.length;
  }

  private endVector(): void {
    const found = this.hasher.root();
    const root = this.roots[this.added];
    if (found !== root) throw new FederationError('VECROOT', `expected the vector ${root}, got ${found}`);
    this.added++;
    this.offset = 0;
    this.hasher = new RootHasher();
  }
}
