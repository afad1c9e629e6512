/**
 * The ledger as banks are shown it, while it grows, with the small sums that it announces. Entries that are recorded
 * together travel together, and the leaf of one that a bank is not shown waits for the next that it is: of a plain
 * round of a hundred banks each of them would else hear a hundred times, of hashes only.
 */
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { FEED_TYPES, type AnnouncedBody, type FeedItem } from '#shared/protocol/socket-events.ts';

const SHOWN: ReadonlySet<string> = new Set(FEED_TYPES);
const HASH_BYTES = 32;

export class LiveFeed {
  private readonly bodyOf: (root: string) => Uint8Array | undefined;
  private readonly send: (items: readonly FeedItem[]) => void;
  private waiting: FeedItem[] = [];
  /** Entries since the last one that is shown, and where they begin. */
  private readonly hidden = { seq: 0, count: 0, leaves: new Uint8Array(LIMITS.pageLeavesMax * HASH_BYTES) };
  private bytes = 0;
  private isDue = false;

  /**
   * @param bodyOf a sum that is worth sending before it is asked for
   * @param send to every bank that follows, in one packet
   */
  constructor(bodyOf: (root: string) => Uint8Array | undefined, send: (items: readonly FeedItem[]) => void) {
    this.bodyOf = bodyOf;
    this.send = send;
  }

  take({ entry, text, leaf }: RecordedEntry): void {
    const { message } = entry;
    if (!SHOWN.has(message.type)) return this.hide(entry.seq, leaf);
    const announced = message.type === 'close-round' ? this.announced(message.payload.sumRoot) : undefined;
    // UTF-8 needs at most three bytes for each UTF-16 unit
    const bytes = text.length * 3 + (announced?.body.length ?? 0);
    if (this.bytes + bytes > LIMITS.pageBytesMax) this.flush();
    this.reveal();
    if (announced !== undefined) this.waiting.push(announced);
    this.waiting.push(entry);
    this.bytes += bytes;
    if (this.isDue) return;
    this.isDue = true;
    queueMicrotask(() => this.flush()); // when all that was stored together is here
  }

  /** Sends what waits. */
  flush(): void {
    this.isDue = false;
    this.reveal();
    if (this.waiting.length === 0) return;
    const items = this.waiting;
    this.waiting = [];
    this.bytes = 0;
    this.send(items);
  }

  private announced(root: string): AnnouncedBody | undefined {
    const bytes = this.bodyOf(root);
    return bytes && { root, body: toBase64Url(bytes) };
  }

  private hide(seq: number, leaf: Uint8Array): void {
    const { hidden } = this;
    if (hidden.count === 0) hidden.seq = seq;
    hidden.leaves.set(leaf, hidden.count++ * HASH_BYTES);
    if (hidden.count === LIMITS.pageLeavesMax) this.flush();
  }

  /** Leaves that were gathered become one item. */
  private reveal(): void {
    const { hidden } = this;
    if (hidden.count === 0) return;
    const leaves = toBase64Url(hidden.leaves.subarray(0, hidden.count * HASH_BYTES));
    this.waiting.push({ seq: hidden.seq, leaves });
    this.bytes += leaves.length;
    hidden.count = 0;
  }
}
