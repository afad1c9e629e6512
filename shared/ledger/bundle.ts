/**
 * A bundle: a ledger with its bodies in one file, to be checked anywhere without anybody's help.
 *
 *   tallystick-bundle/1\n
 *   note <bytes>\n … \n                 the signed head
 *   entry <bytes>\n … \n                in order; canonical JSON
 *   leaf <hash>\n                        in place of an entry that is not shown
 *   body <root> <bytes>\n … \n          each once
 *   end\n
 *
 * It is read by position, so that a bundle of any size takes little memory. Nothing in it is trusted: lengths
 * must add up to the last byte, entries must give the head's root, bodies their own.
 */
import { fromHex, utf8 } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

const MAGIC = 'tallystick-bundle/1\n';
const END = 'end\n';
const LINE_MAX = 200;
const NOTE_MAX = 200_000;
const READ_AHEAD = 262_144;

/** A file, a Blob, or bytes in memory. */
export interface BundleSource {
  readonly size: number;
  /** Exactly `length` bytes from `offset` on, which are there. The caller is done with them at the next call. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** An entry's canonical JSON, or only its leaf. */
export type BundledEntry = string | { readonly leaf: Uint8Array };

export interface Bundle {
  readonly note: string;
  /** Roots of the bodies that are in it. */
  readonly bodies: ReadonlySet<string>;
  entries(): AsyncGenerator<BundledEntry>;
  /** A body in pieces of 1 MiB, the last one shorter, or undefined; a piece is valid until the next. */
  body(root: string): AsyncIterable<Uint8Array> | undefined;
}

/** The parts of a bundle, for whoever writes one. */
export const bundleParts = {
  head: (note: string): Uint8Array => utf8(`${MAGIC}note ${utf8(note).length}\n${note}\n`),
  entry: (text: string): Uint8Array => utf8(`entry ${utf8(text).length}\n${text}\n`),
  leaf: (leaf: string): Uint8Array => utf8(`leaf ${leaf}\n`),
  /** Followed by the body's bytes, and a newline. */
  body: (root: string, length: number): Uint8Array => utf8(`body ${root} ${length}\n`),
  afterBody: utf8('\n'),
  end: utf8(END),
} as const;

/**
 * Reads the structure of a bundle: where everything is, and that there is nothing else.
 * @throws FederationError BUNDLE
 */
export async function openBundle(source: BundleSource): Promise<Bundle> {
  const cursor = new Cursor(source);
  if ((await cursor.line()) !== MAGIC.trimEnd())
    throw damaged('it does not begin as a bundle does; make one with "tallystick audit export"');
  const note = text(await cursor.block(/^note (0|[1-9]\d{0,5})$/.exec(await cursor.line())?.[1], NOTE_MAX));
  const entriesAt = cursor.offset;
  const places = new Map<string, { offset: number; length: number }>();
  let line = await cursor.line();
  for (; line.startsWith('entry ') || line.startsWith('leaf '); line = await cursor.line())
    await passEntry(cursor, line);
  for (; line !== END.trimEnd(); line = await cursor.line()) {
    const [, root, digits] = /^body ([0-9a-f]{64}) (0|[1-9]\d{0,9})$/.exec(line) ?? [];
    if (root === undefined || places.has(root)) throw damaged('expected a body that was not there before');
    const length = Number(digits);
    // some are read whole to be checked
    if (length > LIMITS.bodyBytesMax) throw damaged(`a body of ${length} bytes is longer than any may be`);
    places.set(root, { offset: cursor.offset, length });
    cursor.skip(length);
    await cursor.newline();
  }
  if (cursor.offset !== source.size) throw damaged('there is something after its end');
  return {
    note,
    bodies: new Set(places.keys()),
    entries: () => readEntries(source, entriesAt),
    body(root) {
      const place = places.get(root);
      return place && readBody(source, place.offset, place.length);
    },
  };
}

async function* readEntries(source: BundleSource, offset: number): AsyncGenerator<BundledEntry> {
  const cursor = new Cursor(source, offset);
  for (;;) {
    const line = await cursor.line();
    if (!line.startsWith('entry ') && !line.startsWith('leaf ')) return;
    yield await passEntry(cursor, line);
  }
}

async function passEntry(cursor: Cursor, line: string): Promise<BundledEntry> {
  const leaf = /^leaf ([0-9a-f]{64})$/.exec(line)?.[1];
  if (leaf !== undefined) return { leaf: fromHex(leaf) };
  return text(await cursor.block(/^entry (0|[1-9]\d{0,5})$/.exec(line)?.[1], LIMITS.entryBytesMax));
}

async function* readBody(source: BundleSource, offset: number, length: number): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < length; done += LIMITS.chunkBytes)
    yield await source.read(offset + done, Math.min(LIMITS.chunkBytes, length - done));
}

/** Reads on from a place, a piece at a time. */
class Cursor {
  offset: number;
  private readonly source: BundleSource;
  private ahead = new Uint8Array(0);
  private aheadAt = 0;

  constructor(source: BundleSource, offset = 0) {
    this.source = source;
    this.offset = offset;
  }

  /** Up to the next newline, without it. */
  async line(): Promise<string> {
    const bytes = await this.peek(Math.min(LINE_MAX, this.source.size - this.offset));
    const end = bytes.indexOf(10);
    if (end < 0) throw damaged('it is cut short');
    const line = text(bytes.subarray(0, end));
    this.offset += end + 1;
    return line;
  }

  /** So many bytes, and the newline after them. */
  async block(digits: string | undefined, most: number): Promise<Uint8Array> {
    const length = Number(digits ?? Infinity);
    if (length > most) throw damaged('expected an entry or the note, of a length that is allowed');
    if (this.offset + length > this.source.size) throw damaged('it is cut short');
    const bytes = (await this.peek(length)).slice(0, length);
    this.offset += length;
    await this.newline();
    return bytes;
  }

  async newline(): Promise<void> {
    if (this.offset >= this.source.size) throw damaged('it is cut short');
    if ((await this.peek(1))[0] !== 10) throw damaged('a length is wrong');
    this.offset++;
  }

  skip(length: number): void {
    this.offset += length;
  }

  /** At least `length` bytes from here on. */
  private async peek(length: number): Promise<Uint8Array> {
    const from = this.offset - this.aheadAt;
    if (from >= 0 && from + length <= this.ahead.length) return this.ahead.subarray(from);
    const most = this.source.size - this.offset;
    if (length > most || length < 0) throw damaged('it is cut short');
    const read = await this.source.read(this.offset, Math.min(most, Math.max(length, READ_AHEAD)));
    this.ahead = new Uint8Array(read);
    this.aheadAt = this.offset;
    return this.ahead;
  }
}

function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FederationError('BUNDLE', 'the bundle is damaged: text that is not UTF-8', { cause });
  }
}

function damaged(how: string): FederationError {
  return new FederationError('BUNDLE', `the bundle is damaged: ${how}`);
}
