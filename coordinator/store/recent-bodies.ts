/**
 * Bodies that were just received or made, kept in memory because they are read again within the same round:
 * an update is checked and added, a sum is fetched by every bank. Bounded; what does not fit is read from disk.
 */
const BODY_BYTES_MAX = 8 * 1_048_576;
const ALL_BYTES_MAX = 96 * 1_048_576;
/** Of bodies that are being received: a hundred banks may upload at once. */
const FILLING_BYTES_MAX = 48 * 1_048_576;
/** Buffers kept for the next uploads: memory that is fresh from the system costs a page fault for each 4 kB. */
const SPARE_MAX = 16;
/** Of all buffers, also the spare ones. */
const BUFFER_BYTES_MAX = 112 * 1_048_576;

interface Kept {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many are sending it at this moment. */
  readers: number;
  forgotten: boolean;
}

/** A body that is being sent. */
export interface Lent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** To be called once, when it is sent: its buffer may then be written over. */
  giveBack(): void;
}

export class RecentBodies {
  private readonly bodies = new Map<string, Kept>();
  private spare: Uint8Array<ArrayBuffer>[] = [];
  private total = 0;
  /** Bytes of buffers that are being filled. */
  private filling = 0;

  /**
   * A buffer for a body of so many bytes, with anything in it; to be given back by `add` or `abandon`.
   * @returns undefined when the body is not to be kept: it is too large, or too many are on their way
   */
  buffer(bytes: number): Uint8Array<ArrayBuffer> | undefined {
    if (bytes > BODY_BYTES_MAX || this.filling + bytes > FILLING_BYTES_MAX) return undefined;
    this.filling += bytes;
    const index = this.spare.findIndex((buffer) => buffer.length === bytes);
    return index < 0 ? new Uint8Array(bytes) : this.spare.splice(index, 1)[0]!;
  }

  /** The buffer was not filled. */
  abandon(buffer: Uint8Array<ArrayBuffer>): void {
    this.filling -= buffer.length;
    this.keepSpare(buffer);
  }

  /** Keeps a body in its buffer; the oldest make room. */
  add(root: string, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.bodies.has(root)) return this.abandon(bytes);
    this.filling -= bytes.length;
    this.bodies.set(root, { bytes, readers: 0, forgotten: false });
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

  /** For sending. */
  lend(root: string): Lent | undefined {
    const kept = this.bodies.get(root);
    if (kept === undefined) return undefined;
    kept.readers++;
    let isBack = false;
    return {
      bytes: kept.bytes,
      giveBack: () => {
        if (isBack) return;
        isBack = true;
        kept.readers--;
        if (kept.forgotten) this.recycle(kept);
      },
    };
  }

  forget(root: string): void {
    const kept = this.bodies.get(root);
    if (kept === undefined) return;
    this.bodies.delete(root);
    this.total -= kept.bytes.length;
    kept.forgotten = true;
    this.recycle(kept);
  }

  private recycle({ bytes, readers }: Kept): void {
    if (readers === 0) this.keepSpare(bytes);
  }

  private keepSpare(buffer: Uint8Array<ArrayBuffer>): void {
    const spare = this.spare.reduce((bytes, { length }) => bytes + length, buffer.length);
    const isMuch = this.total + this.filling + spare > BUFFER_BYTES_MAX;
    if (this.spare.length < SPARE_MAX && !isMuch) this.spare.push(buffer);
  }
}
