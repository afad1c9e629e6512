import { describe, expect, test } from 'vitest';
import { LiveFeed } from '#coordinator/sockets/live-feed.ts';
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { MessageType } from '#shared/protocol/messages.ts';
import type { FeedItem } from '#shared/protocol/socket-events.ts';

/** Only what the feed looks at. */
function recorded(seq: number, type: MessageType, length = 500): RecordedEntry {
  const entry = { seq, time: 1, message: { type, payload: {}, sig: '' } };
  return {
    entry,
    hash: '',
    text: 'x'.repeat(length),
    leaf: sha256(utf8(`leaf ${seq}`)),
  } as unknown as RecordedEntry;
}

function listening(bodies: Record<string, Uint8Array> = {}): {
  feed: LiveFeed;
  packets: (readonly FeedItem[])[];
} {
  const packets: (readonly FeedItem[])[] = [];
  const feed = new LiveFeed(
    (root) => bodies[root],
    (items) => packets.push(items),
  );
  return { feed, packets };
}

const positions = (packets: readonly (readonly FeedItem[])[]): number[][] =>
  packets.map((items) => items.flatMap((item) => positionsOf(item)));

const positionsOf = (item: FeedItem): number[] =>
  'body' in item
    ? []
    : 'message' in item
      ? [item.seq]
      : Array.from({ length: fromBase64Url(item.leaves).length / 32 }, (_, i) => item.seq + i);

describe('the live feed', () => {
  test('sends what is recorded together in one packet, as soon as that is all', async () => {
    const { feed, packets } = listening();
    for (const seq of [4, 5, 6]) feed.take(recorded(seq, 'masked-input'));
    expect(packets).toEqual([]);
    await Promise.resolve();
    expect(positions(packets)).toEqual([[4, 5, 6]]);
    feed.take(recorded(7, 'close-round'));
    await Promise.resolve();
    expect(positions(packets)).toEqual([[4, 5, 6], [7]]);
  });

  test('lets the leaves of what banks are not shown wait for what they are, in order and without its content', async () => {
    const { feed, packets } = listening();
    for (const seq of [0, 1]) feed.take(recorded(seq, 'plain-input'));
    await Promise.resolve();
    expect(packets).toEqual([]);
    for (const [seq, type] of [[2, 'close-round'] as const, [3, 'plain-input'] as const])
      feed.take(recorded(seq, type));
    await Promise.resolve();
    expect(positions(packets)).toEqual([[0, 1, 2, 3]]);
    const [first, shown, last] = packets[0]!;
    const leaves = Buffer.concat([0, 1].map((seq) => sha256(utf8(`leaf ${seq}`)))).toString('base64url');
    expect(first).toEqual({ seq: 0, leaves });
    expect(shown).toHaveProperty('message.type', 'close-round');
    expect(positionsOf(last!)).toEqual([3]);
  });

  test('sends a small sum right before the entry that announces it, within what a socket takes', async () => {
    const bytes = new Uint8Array(LIMITS.bodyWithMessageBytesMax).fill(7);
    const { feed, packets } = listening({ small: bytes });
    const roots = ['large', 'small', 'small', ...Array<string>(30).fill('small')];
    roots.forEach((sumRoot, seq) => {
      const { entry, ...rest } = recorded(seq, 'close-round');
      const message = { ...entry.message, payload: { sumRoot } };
      feed.take({ ...rest, entry: { ...entry, message } } as unknown as RecordedEntry);
    });
    await Promise.resolve();
    const items = packets.flat();
    expect(items.slice(0, 3)).toEqual([
      expect.objectContaining({ seq: 0 }),
      { root: 'small', body: Buffer.from(bytes).toString('base64url') },
      expect.objectContaining({ seq: 1 }),
    ]);
    expect(items).toHaveLength(2 * roots.length - 1);
    for (const packet of packets)
      expect(JSON.stringify(packet).length).toBeLessThanOrEqual(LIMITS.socketBytesMax);
  });

  test('keeps every packet within what a socket takes, and lets no leaves pile up', async () => {
    const { feed, packets } = listening();
    const long = Math.floor(LIMITS.entryBytesMax / 3);
    for (let seq = 0; seq < 50; seq++) feed.take(recorded(seq, 'advertise-keys', long));
    for (let seq = 50; seq < 20_000; seq++) feed.take(recorded(seq, 'plain-input'));
    feed.take(recorded(20_000, 'close-round'));
    await Promise.resolve();
    expect(positions(packets).flat()).toEqual(Array.from({ length: 20_001 }, (_, i) => i));
    expect(packets.length).toBeGreaterThan(3);
    for (const entries of packets) {
      const shown = entries.filter((entry) => 'message' in entry).length;
      const hidden = entries.filter((entry) => !('message' in entry));
      const bytes = shown * long * 3 + JSON.stringify(hidden).length;
      expect(bytes).toBeLessThanOrEqual(LIMITS.socketBytesMax);
    }
  });
});
