/**
 * Uploads of banks, as files of the folder `incoming`; see `body-store.ts`. An upload that broke off goes on
 * from where it stands, or starts over.
 */
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecentBodies } from '#coordinator/store/recent-bodies.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';

/** An upload that hears nothing for so long loses its place to another connection with the same body. */
const SILENCE_MS_MAX = 1000;

/** What a bank sends of a body. */
export interface Upload {
  readonly bank: string;
  readonly root: string;
  /** Where it goes on, or 0: then it starts over. */
  readonly offset: number;
  /** Bytes of the whole body. */
  readonly length: number;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A file of a bank's folder. */
interface Present {
  readonly bytes: number;
  /** Whether it hashes to its root; undefined: an earlier process received it, and it was not looked at yet. */
  readonly complete: boolean | undefined;
}

/** An upload being received right now. */
interface UnderWay {
  readonly bank: string;
  readonly ended: Promise<boolean>;
  /** Pieces that have come. */
  readonly pieces: { count: number };
  readonly hangUp: () => void;
  /** Whether somebody looks already if it is silent. */
  isWatched: boolean;
}

export class Uploads {
  private readonly folder: string;
  private readonly recent: RecentBodies;
  /** By path. */
  private readonly underWay = new Map<string, UnderWay>();
  /** What is in each bank's folder, the least recently touched first. Only this process writes there. */
  private readonly present = new Map<string, Map<string, Present>>();
  /** Requests of each bank that are received, or wait until they may be. */
  private readonly requests = new Map<string, number>();

  constructor(folder: string, recent: RecentBodies) {
    this.folder = folder;
    this.recent = recent;
  }

  /** Where an upload is. */
  path(bank: string, root: string): string {
    return join(this.folder, bank, root);
  }

  /** How much of an upload is already here, and whether it is complete. */
  async uploaded(bank: string, root: string): Promise<{ offset: number; complete: boolean }> {
    // only this bank's own: whether another bank has sent the same is nobody's business
    const present = await this.presentOf(bank);
    const { bytes, complete } = present.get(root) ?? { bytes: 0, complete: false };
    if (complete !== undefined) return { offset: bytes, complete };
    const isWhole = (await this.hasherOf(bank, root, bytes)).root() === root;
    present.set(root, { bytes, complete: isWhole });
    return { offset: bytes, complete: isWhole };
  }

  /** Has taken the first bytes of a file. */
  private async hasherOf(bank: string, root: string, bytes: number): Promise<RootHasher> {
    const hasher = new RootHasher();
    if (bytes === 0) return hasher;
    const options = { end: bytes - 1, highWaterMark: LIMITS.chunkBytes };
    for await (const chunk of createReadStream(this.path(bank, root), options))
      hasher.update(chunk as Uint8Array);
    return hasher;
  }

  /** Moves a complete upload to where it stays. */
  async moveTo(bank: string, root: string, destination: string): Promise<void> {
    (await this.presentOf(bank)).delete(root);
    await rename(this.path(bank, root), destination);
  }

  /** Forgets an upload. */
  async discard(bank: string, root: string): Promise<void> {
    (await this.presentOf(bank)).delete(root);
    await rm(this.path(bank, root), { force: true });
  }

  private async presentOf(bank: string): Promise<Map<string, Present>> {
    const known = this.present.get(bank);
    if (known !== undefined) return known;
    const folder = join(this.folder, bank);
    await mkdir(folder, { recursive: true });
    const files = await Promise.all(
      (await readdir(folder)).map(async (name) => {
        const { size, mtimeMs } = await stat(join(folder, name));
        return { name, size, mtimeMs };
      }),
    );
    files.sort((a, b) => a.mtimeMs - b.mtimeMs);
    const found = new Map<string, Present>(
      files.map(({ name, size }) => [name, { bytes: size, complete: undefined }]),
    );
    // another request may have looked at the same time
    if (!this.present.has(bank)) this.present.set(bank, found);
    return this.present.get(bank)!;
  }

  /**
   * Receives bytes of a body from `offset` on, hashing while they stream. An interrupted upload keeps what
   * it has; one that begins at 0 again starts over.
   * @param hangUp makes the upload's bytes end
   * @returns whether the body is now complete
   * @throws FederationError STATE when `offset` is not where the upload stands, TOO_LARGE, VECROOT (the
   *   upload is then thrown away), RATE_LIMIT when the bank has too many under way
   */
  async receive(upload: Upload, hangUp: () => void): Promise<boolean> {
    const { bank } = upload;
    const requests = this.requests.get(bank) ?? 0;
    if (requests >= 2 * LIMITS.uploadsAtOncePerBank) throw tooMany(bank);
    this.requests.set(bank, requests + 1);
    try {
      return await this.inTurn(upload, hangUp);
    } finally {
      const left = this.requests.get(bank)! - 1;
      if (left === 0) this.requests.delete(bank);
      else this.requests.set(bank, left);
    }
  }

  private async inTurn(upload: Upload, hangUp: () => void): Promise<boolean> {
    const { bank, root } = upload;
    const path = this.path(bank, root);
    // the same body twice at a time, for two runs or over two connections: one after the other
    for (let other = this.underWay.get(path); other !== undefined; other = this.underWay.get(path)) {
      await untilEnded(other);
    }
    const others = [...this.underWay.values()].filter((one) => one.bank === bank);
    if (others.length >= LIMITS.uploadsAtOncePerBank) {
      // for the next attempt: what is silent makes way
      for (const other of others) if (!other.isWatched) void untilEnded(other, 2);
      throw tooMany(bank);
    }
    const pieces = { count: 0 };
    const ended = this.append(upload, pieces);
    this.underWay.set(path, { bank, ended, pieces, hangUp, isWatched: false });
    try {
      return await ended;
    } finally {
      this.underWay.delete(path);
    }
  }

  private async append(upload: Upload, pieces: { count: number }): Promise<boolean> {
    const { bank, root, offset, length } = upload;
    const present = await this.uploaded(bank, root);
    if (present.complete) {
      await drain(upload, pieces);
      return true;
    }
    if (offset > 0 && present.offset !== offset) {
      throw new FederationError(
        'STATE',
        `expected the upload to go on at byte ${present.offset}, got ${offset}`,
      );
    }
    await this.makeRoom(bank, root);
    const kept = offset === 0 ? this.recent.buffer(length) : undefined;
    let isWhole = false;
    try {
      const buffer = kept ?? new Uint8Array(Math.min(length - offset, LIMITS.chunkBytes));
      isWhole = await this.writeDown(upload, pieces, buffer);
      return isWhole;
    } finally {
      if (kept !== undefined && isWhole) this.recent.add(root, kept);
      else if (kept !== undefined) this.recent.abandon(kept);
    }
  }

  /** @param buffer filled before it is written; one of the body's length holds it in the end */
  private async writeDown(
    { bank, root, offset, length, bytes }: Upload,
    pieces: { count: number },
    buffer: Uint8Array,
  ): Promise<boolean> {
    const path = this.path(bank, root);
    const hasher = await this.hasherOf(bank, root, offset);
    const file = await open(path, offset === 0 ? 'w' : 'r+');
    await this.note(bank, root, offset, false);
    let received = offset;
    let written = offset;
    let filled = 0;
    const flush = async (): Promise<void> => {
      const full = buffer.subarray(0, filled);
      filled = 0;
      await writeWhole(file, full, written);
      written += full.length;
    };
    let isWhole = false;
    try {
      for await (const piece of bytes) {
        pieces.count++;
        received += piece.length;
        if (received > length) break;
        hasher.update(piece); // while it is still in the processor's cache
        for (let start = 0; start < piece.length;) {
          const end = Math.min(piece.length, start + buffer.length - filled);
          buffer.set(piece.subarray(start, end), filled);
          filled += end - start;
          start = end;
          if (filled === buffer.length) await flush();
        }
      }
      if (received === length) {
        await flush();
        isWhole = hasher.root() === root;
      }
    } finally {
      try {
        if (filled > 0) await flush(); // also when the sender went away: what has come need not come again
      } finally {
        await file.close();
        await this.note(bank, root, written, isWhole);
      }
    }
    if (isWhole) return true;
    if (received < length) return false;
    await this.discard(bank, root);
    if (received > length) throw new FederationError('TOO_LARGE', `expected ${length} bytes, got more`);
    throw new FederationError(
      'VECROOT',
      `the ${length} bytes received do not hash to ${root}; upload them again`,
    );
  }

  /** What has become of an upload, the last one touched. */
  private async note(bank: string, root: string, bytes: number, complete: boolean): Promise<void> {
    const present = await this.presentOf(bank);
    present.delete(root); // it becomes the last
    present.set(root, { bytes, complete });
  }

  /** A bank has a few unclaimed uploads at most; the oldest make room. */
  private async makeRoom(bank: string, root: string): Promise<void> {
    const present = await this.presentOf(bank);
    const others = [...present.keys()].filter((name) => name !== root);
    // what is being received has no less right to its place, and its file is open
    const resting = others.filter((name) => !this.underWay.has(this.path(bank, name)));
    const surplus = Math.max(0, others.length - LIMITS.unclaimedBodiesPerBank + 1);
    for (const name of resting.slice(0, surplus)) await this.discard(bank, name);
  }
}

/**
 * A bank whose line broke dials again, perhaps long before we could notice: what stays silent makes way.
 * @param looks after so many it is left alone
 */
async function untilEnded(upload: UnderWay, looks = Infinity): Promise<void> {
  const { ended, pieces, hangUp } = upload;
  const isOver = ended.then(
    () => true,
    () => true,
  );
  upload.isWatched = true;
  for (let before = pieces.count, look = 0; look < looks; before = pieces.count, look++) {
    if (await Promise.race([isOver, sleep(SILENCE_MS_MAX, false, { ref: false })])) return;
    if (pieces.count === before) hangUp();
  }
  upload.isWatched = false;
}

function tooMany(bank: string): FederationError {
  return new FederationError(
    'RATE_LIMIT',
    `"${bank}" uploads ${LIMITS.uploadsAtOncePerBank} bodies already; wait for one to end and try again`,
  );
}

/** Reads what a sender insists on sending, so that it hears the answer. */
async function drain({ bytes, length }: Upload, pieces: { count: number }): Promise<void> {
  let read = 0;
  for await (const piece of bytes) {
    pieces.count++;
    read += piece.length;
    if (read > length) return;
  }
}

export async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether a file is not there. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/**
 * All of it in as few calls as the system allows: `writeFile` takes half a megabyte at a time.
 * @param position in the file
 */
async function writeWhole(file: FileHandle, bytes: Uint8Array, position = 0): Promise<void> {
  for (let at = 0; at < bytes.length;)
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}
