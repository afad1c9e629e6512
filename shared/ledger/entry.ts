/**
 * A ledger entry: one accepted signed message, its position and the time it was recorded. Its bytes are
 * canonical JSON of `{seq, time, message}`; its leaf in the tree is the RFC 6962 hash of those bytes. What is
 * large (vectors, contracts, models) lives beside the ledger as bodies; entries carry their roots.
 */
import { z } from 'zod';
import { canonicalJson, parseCanonicalJson } from '#shared/crypto/canonical-json.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { leafHash } from '#shared/crypto/merkle-hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { timeMs } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { parseMessage, type Message } from '#shared/protocol/messages.ts';

export interface Entry {
  readonly seq: number;
  /** When the coordinator recorded it, ms since 1970; never decreases along the ledger. */
  readonly time: number;
  readonly message: Message;
}

const envelope = z.strictObject({ seq: z.int().min(0), time: timeMs, message: z.unknown() });

/** An entry with everything that follows from it, so that nothing is computed twice. */
export interface RecordedEntry {
  readonly entry: Entry;
  /** Hash of the message: how later messages refer to it. */
  readonly hash: string;
  /** Canonical JSON. */
  readonly text: string;
  readonly leaf: Uint8Array;
}

/** Entries by their positions, as people are told of them. @param last the last of them, not before `first` */
export function entryRange(first: number, last: number): string {
  return first === last ? `entry ${first}` : `entries ${first} to ${last}`;
}

const MESSAGE_START = '{"message":{"payload":';

/**
 * Reads an entry that is known to be the very bytes that were checked when they were recorded, because a signed
 * head commits to them: nothing is checked again. The payload's canonical JSON is a part of the entry's.
 */
export function trustedEntry(text: string): RecordedEntry {
  const entry = JSON.parse(text) as Entry;
  return { entry, hash: hashIn(text, entry), text, leaf: leafHash(utf8(text)) };
}

/** `messageHash` of the entry's message, whose payload is in its text as it is hashed. */
function hashIn(text: string, { message }: Entry): string {
  const payload = text.slice(MESSAGE_START.length, text.lastIndexOf(',"sig":"'));
  return toHex(sha256(utf8(`tallystick/v1 ${message.type}\n${payload}`)));
}

/** @throws FederationError TOO_LARGE */
export function recordEntry(entry: Entry): RecordedEntry {
  const text = canonicalJson(entry);
  const bytes = utf8(text);
  if (bytes.length > LIMITS.entryBytesMax) {
    throw new FederationError(
      'TOO_LARGE',
      `expected an entry of at most ${LIMITS.entryBytesMax} bytes, "${entry.message.type}" has ${bytes.length}`,
    );
  }
  return { entry, hash: hashIn(text, entry), text, leaf: leafHash(bytes) };
}

/**
 * Reads an entry from its bytes, strictly: what is parsed must be what would have been written.
 * @throws FederationError CANON | SCHEMA | TOO_LARGE
 */
export function parseEntry(text: string): RecordedEntry {
  if (utf8(text).length > LIMITS.entryBytesMax) {
    throw new FederationError('TOO_LARGE', `expected an entry of at most ${LIMITS.entryBytesMax} bytes`);
  }
  const parsed = envelope.safeParse(parseCanonicalJson(text));
  if (!parsed.success) {
    throw new FederationError('SCHEMA', 'expected an entry {seq, time, message}');
  }
  const { seq, time, message } = parsed.data;
  const recorded = recordEntry({ seq, time, message: parseMessage(message) });
  if (recorded.text !== text) {
    // a schema default filled something in: then the signature would not be over what we act on
    throw new FederationError('CANON', `entry ${seq} does not read back as the bytes it was read from`);
  }
  return recorded;
}
