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
  /** Bytes of complete uploads by path, as far as this process has received them. */
  private readonly complete = new Map<string, number>();
  /** Folders that are there. */
  private readonly folders = new Set<string>();
  /** Requests of each bank that are received, or wait until they may be. */
  private readonly requests = new Map<string, number>();

  constructor(folder: string, recent: RecentBodies) {
    this.folder = folder;
    this.recent = recent;
  }

  /** Where a complete upload is. */
  path(bank: string, root: string): string {
    return join(this.folder, bank, root);
  }

  /** How much of an upload is already here, and whether it is complete. */
  async uploaded(bank: string, root: string): Promise<{ offset: number; complete: boolean }> {
    // only this bank's own: whether another bank has sent the same is nobody's business
    const path = this.path(bank, root);
    const whole = this.complete.get(path) ?? (await fileSize(path));
    if (whole !== undefined) return { offset: whole, complete: true };
    return { offset: (await fileSize(`${path}.part`)) ?? 0, complete: false };
  }

  /** Moves a complete upload to where it stays. */
  async moveTo(bank: string, root: string, destination: string): Promise<void> {
    const path = this.path(bank, root);
    this.complete.delete(path);
    await rename(path, destination);
  }

  /** Forgets a complete upload. */
  async discard(bank: string, root: string): Promise<void> {
    const path = this.path(bank, root);
    this.complete.delete(path);
    await rm(path, { force: true });
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
    if (!this.folders.has(bank)) {
      await mkdir(join(this.folder, bank), { recursive: true });
      this.folders.add(bank);
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
    const part = `${this.path(bank, root)}.part`;
    const hasher = new RootHasher();
    if (offset > 0) {
      for await (const chunk of createReadStream(part, { highWaterMark: LIMITS.chunkBytes })) {
        hasher.update(chunk as Uint8Array);
      }
    }
    const file = await open(part, offset === 0 ? 'w' : 'a');
    let received = offset;
    let filled = 0;
    const flush = async (): Promise<void> => {
      const full = buffer.subarray(0, filled);
      filled = 0;
      await writeWhole(file, full);
    };
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
    } finally {
      if (filled > 0) await flush(); // also when the sender went away: what has come need not come again
      await file.close();
    }
    if (received > length) {
      await rm(part);
      throw new FederationError('TOO_LARGE', `expected ${length} bytes, got more`);
    }
    if (received < length) return false;
    if (hasher.root() !== root) {
      await rm(part);
      throw new FederationError(
        'VECROOT',
        `the ${length} bytes received do not hash to ${root}; upload them again`,
      );
    }
    await rename(part, this.path(bank, root));
    this.complete.set(this.path(bank, root), length);
    return true;
  }

  /** A bank has a few unclaimed uploads at most; the oldest make room. */
  private async makeRoom(bank: string, root: string): Promise<void> {
    const folder = join(this.folder, bank);
    const others = (await readdir(folder)).filter((name) => !name.startsWith(root));
    if (others.length < LIMITS.unclaimedBodiesPerBank) return;
    // what is being received has no less right to its place, and its file is open
    const resting = others.filter((name) => !this.underWay.has(join(folder, name.replace(/\.part$/, ''))));
    const ages = await Promise.all(
      resting.map(async (name) => ({
        name,
        mtime: (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    ages.sort((a, b) => a.mtime - b.mtime);
    const surplus = ages.slice(0, Math.max(0, others.length - LIMITS.unclaimedBodiesPerBank + 1));
    for (const { name } of surplus) {
      this.complete.delete(join(folder, name));
      await rm(join(folder, name), { force: true });
    }
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

/** All of it in as few calls as the system allows: `writeFile` takes half a megabyte at a time. */
export async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
}
