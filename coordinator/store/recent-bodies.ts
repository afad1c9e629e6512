/**
 * Bodies that were just received or made, kept in memory because they are read again within the same round:
 * an update is checked and added, a sum is fetched by every bank. Bounded; what does not fit is read from disk.
 */
const BODY_BYTES_MAX = 8 * 1_048_576;
const ALL_BYTES_MAX = 64 * 1_048_576;
/** Buffers kept for the next uploads: memory that is fresh from the system costs a page fault for each 4 kB. */
const SPARE_MAX = 8;

interface Kept {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Somebody outside may still be reading it. */
  lent: boolean;
}

export class RecentBodies {
  private readonly bodies = new Map<string, Kept>();
  private spare: Uint8Array<ArrayBuffer>[] = [];
  private total = 0;

  /** Whether a body of so many bytes would be kept. */
  fits(bytes: number): boolean {
    return bytes <= BODY_BYTES_MAX;
  }

  /** A buffer of so many bytes, with anything in it. */
  buffer(bytes: number): Uint8Array<ArrayBuffer> {
    const index = this.spare.findIndex((buffer) => buffer.length === bytes);
    return index < 0 ? new Uint8Array(bytes) : this.spare.splice(index, 1)[0]!;
  }

  /** Keeps `bytes`, which are ours from now on; the oldest make room. */
  add(root: string, bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.fits(bytes.length) || this.bodies.has(root)) return;
    this.bodies.set(root, { bytes, lent: false });
    this.total += bytes.length;
    for (const oldest of this.bodies.keys()) {
      if (this.total <= ALL_BYTES_MAX) return;
      this.forget(oldest);
    }
  }

  /** For a look within one turn of the event loop. */
  peek(root: string): Uint8Array<ArrayBuffer> | undefined {
    return this.bodies.get(root)?.bytes;
  }

  /** For sending: its buffer is then never written over. */
  lend(root: string): Uint8Array<ArrayBuffer> | undefined {
    const kept = this.bodies.get(root);
    if (kept !== undefined) kept.lent = true;
    return kept?.bytes;
  }

  forget(root: string): void {
    const kept = this.bodies.get(root);
    if (kept === undefined) return;
    this.bodies.delete(root);
    this.total -= kept.bytes.length;
    if (!kept.lent && this.spare.length < SPARE_MAX) this.spare.push(kept.bytes);
  }
}
