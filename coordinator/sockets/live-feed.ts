/**
 * The ledger as banks are shown it, while it grows. Entries that are recorded together travel together, and the leaf
 * of one that a bank is not shown waits for the next that it is: of a plain round of a hundred banks each of them
 * would else hear a hundred times, of hashes only.
 */
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { FEED_TYPES, type FeedEntry } from '#shared/protocol/socket-events.ts';

const SHOWN: ReadonlySet<string> = new Set(FEED_TYPES);
/** Bytes of a leaf and its position as JSON. */
const LEAF_BYTES = 100;

export class LiveFeed {
  private readonly send: (entries: readonly FeedEntry[]) => void;
  private waiting: FeedEntry[] = [];
  private bytes = 0;
  private isDue = false;

  /** @param send to every bank that follows, in one packet */
  constructor(send: (entries: readonly FeedEntry[]) => void) {
    this.send = send;
  }

  take({ entry, text, leaf }: RecordedEntry): void {
    const isShown = SHOWN.has(entry.message.type);
    // UTF-8 needs at most three bytes for each UTF-16 unit
    const bytes = isShown ? text.length * 3 : LEAF_BYTES;
    if (this.bytes + bytes > LIMITS.pageBytesMax) this.flush();
    this.waiting.push(isShown ? entry : { seq: entry.seq, leaf: toHex(leaf) });
    this.bytes += bytes;
    if (!isShown || this.isDue) return;
    this.isDue = true;
    queueMicrotask(() => this.flush()); // when all that was stored together is here
  }

  /** Sends what waits. */
  flush(): void {
    this.isDue = false;
    if (this.waiting.length === 0) return;
    const entries = this.waiting;
    this.waiting = [];
    this.bytes = 0;
    this.send(entries);
  }
}
