/**
 * Bodies: vectors, contracts and model artefacts, as files named by the root of their content.
 *
 *   incoming/<bank>/<root>.part   an upload under way; its length is where to resume
 *   incoming/<bank>/<root>        complete, hashes to its root, not yet named by an accepted message
 *   <first two digits>/<root>     claimed: an entry names it, or is about to
 *
 * A file reaches its name by rename, so a name always stands for complete content as long as the machine
 * keeps its power. Files are not synced one by one (30 ms for each 4 MB on the disk we measured): after a
 * power loss a body may be short, `missing` tells, and the bank that signed it still has it.
 */
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asStorageError } from '#coordinator/store/storage-error.ts';
import { RecentBodies } from '#coordinator/store/recent-bodies.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';

const CLAIMS_REMEMBERED = 10_000;

export class BodyStore {
  private readonly folder: string;
  /** Uploads being received right now. */
  private readonly receiving = new Map<string, Promise<boolean>>();
  private readonly recent = new RecentBodies();
  /** Which bank's uploads were claimed lately: nobody else may claim them without uploading. */
  private readonly claimed = new Set<string>();

  constructor(folder: string) {
    this.folder = folder;
  }

  static async open(folder: string): Promise<BodyStore> {
    try {
      await mkdir(join(folder, 'incoming'), { recursive: true });
    } catch (error) {
      throw asStorageError(error);
    }
    return new BodyStore(folder);
  }

  /** Where the body's file is, once claimed. */
  path(root: string): string {
    return join(this.folder, root.slice(0, 2), root);
  }

  /** A body that is still in memory, to be sent from there. */
  inMemory(root: string): Uint8Array | undefined {
    return this.recent.lend(root);
  }

  /** Lets a body go from memory: it will hardly be read again. */
  release(root: string): void {
    this.recent.forget(root);
  }

  /** Bytes of a claimed body, or undefined. */
  async size(root: string): Promise<number | undefined> {
    return fileSize(this.path(root));
  }

  /** Writes a body of our own: a sum, a contract, an artefact. */
  async put(root: string, bytes: Uint8Array): Promise<void> {
    if (this.recent.fits(bytes.length)) this.recent.add(root, bytes.slice());
    if ((await this.size(root)) === bytes.length) return;
    await mkdir(join(this.folder, root.slice(0, 2)), { recursive: true });
    const fresh = `${this.path(root)}.new`;
    await writeFile(fresh, bytes);
    await rename(fresh, this.path(root));
  }

  /**
   * The body in pieces whose lengths are multiples of 1 MiB, but for the last one. A piece is valid until the
   * next one is asked for: they share one buffer.
   * @param bank whose unclaimed upload it may also be
   * @throws FederationError NOT_FOUND
   */
  async *chunks(root: string, bank?: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const kept = this.recent.peek(root);
    if (kept !== undefined) {
      yield kept;
      return;
    }
    let path = this.path(root);
    let size = await fileSize(path);
    if (size === undefined && bank !== undefined) {
      path = this.incoming(bank, root);
      size = await fileSize(path);
    }
    if (size === undefined) throw new FederationError('NOT_FOUND', `no body ${root}`);
    const buffer = new Uint8Array(Math.min(size, LIMITS.chunkBytes));
    const file = await open(path, 'r');
    try {
      for (let offset = 0; offset < size; offset += buffer.length) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - offset), offset);
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  /**
   * The whole body.
   * @param bank whose unclaimed upload it may also be
   * @throws FederationError NOT_FOUND
   */
  async read(root: string, bank?: string): Promise<Uint8Array> {
    const size =
      (await this.size(root)) ?? (bank === undefined ? undefined : await fileSize(this.incoming(bank, root)));
    if (size === undefined) throw new FederationError('NOT_FOUND', `no body ${root}`);
    const bytes = new Uint8Array(size);
    let offset = 0;
    for await (const chunk of this.chunks(root, bank)) {
      bytes.set(chunk, offset);
      offset += chunk.length;
    }
    return bytes;
  }

  /** How much of an upload is already here, and whether it is complete. */
  async uploaded(bank: string, root: string): Promise<{ offset: number; complete: boolean }> {
    // only this bank's own: whether another bank has sent the same is nobody's business
    const whole = await fileSize(this.incoming(bank, root));
    if (whole !== undefined) return { offset: whole, complete: true };
    return { offset: (await fileSize(`${this.incoming(bank, root)}.part`)) ?? 0, complete: false };
  }

  /**
   * Receives bytes of a body from `offset` on, hashing while they stream. An interrupted upload keeps what
   * it has.
   * @param length bytes of the whole body
   * @returns whether the body is now complete
   * @throws FederationError STATE when `offset` is not where the upload stands, TOO_LARGE, VECROOT (the
   *   upload is then thrown away)
   */
  async receive(
    bank: string,
    root: string,
    offset: number,
    length: number,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<boolean> {
    const upload = this.incoming(bank, root);
    // the same body twice at a time, for two runs or over two connections: one after the other
    for (let other = this.receiving.get(upload); other !== undefined; other = this.receiving.get(upload)) {
      await other.catch(() => {});
    }
    const receiving = this.append(bank, root, offset, length, bytes);
    this.receiving.set(upload, receiving);
    try {
      return await receiving;
    } finally {
      this.receiving.delete(upload);
    }
  }

  private async append(
    bank: string,
    root: string,
    offset: number,
    length: number,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<boolean> {
    const present = await this.uploaded(bank, root);
    if (present.complete) {
      await drain(bytes, length);
      return true;
    }
    if (present.offset !== offset) {
      throw new FederationError(
        'STATE',
        `expected the upload to go on at byte ${present.offset}, got ${offset}`,
      );
    }
    await mkdir(join(this.folder, 'incoming', bank), { recursive: true });
    await this.makeRoom(bank, root);
    const part = `${this.incoming(bank, root)}.part`;
    const hasher = new RootHasher();
    if (offset > 0) {
      for await (const chunk of createReadStream(part, { highWaterMark: LIMITS.chunkBytes })) {
        hasher.update(chunk as Uint8Array);
      }
    }
    const keep = offset === 0 && this.recent.fits(length);
    const buffer = keep
      ? this.recent.buffer(length)
      : new Uint8Array(Math.min(length - offset, LIMITS.chunkBytes));
    const file = await open(part, offset === 0 ? 'w' : 'a');
    let received = offset;
    let filled = 0;
    const flush = async (): Promise<void> => {
      const full = buffer.subarray(0, filled);
      filled = 0;
      await file.writeFile(full);
    };
    try {
      for await (const piece of bytes) {
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
    await rename(part, this.incoming(bank, root));
    if (keep) this.recent.add(root, buffer);
    return true;
  }

  /**
   * @throws FederationError VECROOT when a bank's upload is not complete here, SHAPE when it has another size
   */
  async assertUploaded(bank: string, root: string, expectedBytes: number): Promise<void> {
    const upload = await this.uploaded(bank, root);
    const again = this.claimed.has(`${bank}/${root}`); // the bank sends the same vector in another run
    const size = again ? await this.size(root) : upload.offset;
    if (!again && !upload.complete) {
      throw new FederationError(
        'VECROOT',
        `the body ${root} is not here; upload it before the message that names it`,
      );
    }
    if (size !== expectedBytes) {
      throw new FederationError('SHAPE', `expected a body of ${expectedBytes} bytes, got ${size}`);
    }
  }

  /** Takes a bank's complete upload into the store. */
  async claim(bank: string, root: string): Promise<void> {
    if (this.claimed.size >= CLAIMS_REMEMBERED) this.claimed.clear();
    this.claimed.add(`${bank}/${root}`);
    await mkdir(join(this.folder, root.slice(0, 2)), { recursive: true });
    try {
      await rename(this.incoming(bank, root), this.path(root)); // the same content replaces itself
    } catch (error) {
      // the bank's other run claimed the same body a moment ago
      if ((await this.size(root)) === undefined) throw error;
    }
  }

  /** Forgets a bank's unclaimed upload. */
  async discard(bank: string, root: string): Promise<void> {
    this.recent.forget(root);
    await rm(this.incoming(bank, root), { force: true });
  }

  private incoming(bank: string, root: string): string {
    return join(this.folder, 'incoming', bank, root);
  }

  /** A bank has a few unclaimed uploads at most; the oldest make room. */
  private async makeRoom(bank: string, root: string): Promise<void> {
    const folder = join(this.folder, 'incoming', bank);
    const others = (await readdir(folder)).filter((name) => !name.startsWith(root));
    if (others.length < LIMITS.unclaimedBodiesPerBank) return;
    const ages = await Promise.all(
      others.map(async (name) => ({
        name,
        mtime: (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    ages.sort((a, b) => a.mtime - b.mtime);
    const surplus = ages.slice(0, ages.length - LIMITS.unclaimedBodiesPerBank + 1);
    for (const { name } of surplus) await rm(join(folder, name), { force: true });
  }
}

/** Reads what a sender insists on sending, so that it hears the answer. */
async function drain(bytes: AsyncIterable<Uint8Array>, most: number): Promise<void> {
  let read = 0;
  for await (const piece of bytes) {
    read += piece.length;
    if (read > most) return;
  }
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
