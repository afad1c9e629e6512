/**
 * Bodies: vectors, contracts and model artefacts, as files named by the root of their content.
 *
 *   incoming/<bank>/<root>      an upload: its length is where to resume; perhaps whole, and then not yet named by
 *                               an accepted message (agents send small bodies with their message instead)
 *   <first two digits>/<root>   claimed: an entry names it, or is about to
 *   fresh/<root>                being written: what a crash left there is removed at the next start
 *
 * A file reaches its place by rename when it is whole and hashes to its root, so there a name stands for complete
 * content as long as the machine keeps its power. Files are not synced one by one (30 ms for each 4 MB on the disk we measured): after a
 * power loss a body may be short: recovery checks those of an open round, and the bank that signed it still has it.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Claims } from '#coordinator/store/claims.ts';
import { RecentBodies, type Lent } from '#coordinator/store/recent-bodies.ts';
import { asStorageError } from '#coordinator/store/storage-error.ts';
import { isThere, writeSmallFile } from '#coordinator/store/small-file.ts';
import { fileSize, isMissing, Uploads } from '#coordinator/store/uploads.ts';
import { replaceFile } from '#shared/platform/files/durable-file.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

const CLAIMS_REMEMBERED = 10_000;

export class BodyStore {
  private readonly folder: string;
  private readonly recent = new RecentBodies();
  /** What banks upload, until it is claimed. */
  readonly incoming: Uploads;
  /** Which bank's uploads were claimed lately: nobody else may claim them without uploading. */
  private readonly claimed = new Set<string>();
  private readonly claims = new Claims();
  /** Folders that are there, by name. */
  private readonly folders = new Set<string>();

  constructor(folder: string) {
    this.folder = folder;
    this.incoming = new Uploads(join(folder, 'incoming'), this.recent);
  }

  static async open(folder: string): Promise<BodyStore> {
    try {
      await mkdir(join(folder, 'incoming'), { recursive: true });
      await rm(join(folder, 'fresh'), { recursive: true, force: true });
      await mkdir(join(folder, 'fresh'));
    } catch (error) {
      throw asStorageError(error);
    }
    return new BodyStore(folder);
  }

  /** Where the body's file is, once claimed. */
  path(root: string): string {
    return join(this.folder, root.slice(0, 2), root);
  }

  private freshPath(root: string): string {
    return join(this.folder, 'fresh', root);
  }

  /** A body that is small and still in memory; valid within this turn of the event loop. */
  smallInMemory(root: string): Uint8Array | undefined {
    const bytes = this.recent.peek(root);
    return bytes !== undefined && isSmall(bytes) ? bytes : undefined;
  }

  /** A body that is still in memory, to be sent from there. */
  inMemory(root: string): Lent | undefined {
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
    await this.claims.keep(root);
    this.remember(root, bytes);
    await this.makeFolderFor(root);
    const fresh = this.freshPath(root);
    if (isSmall(bytes)) return writeSmallFile(this.path(root), bytes, fresh);
    if ((await this.size(root)) === bytes.length) return;
    await replaceFile(this.path(root), bytes, { flush: false, now: false }, fresh);
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
      path = this.incoming.path(bank, root);
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
      (await this.size(root)) ??
      (bank === undefined ? undefined : await fileSize(this.incoming.path(bank, root)));
    if (size === undefined) throw new FederationError('NOT_FOUND', `no body ${root}`);
    const bytes = new Uint8Array(size);
    let offset = 0;
    for await (const chunk of this.chunks(root, bank)) {
      bytes.set(chunk, offset);
      offset += chunk.length;
    }
    return bytes;
  }

  /**
   * @throws FederationError VECROOT when a bank's upload is not complete here, SHAPE when it has another size
   */
  async assertUploaded(bank: string, root: string, expectedBytes: number): Promise<void> {
    const upload = await this.incoming.uploaded(bank, root);
    const again = this.claimed.has(`${bank}/${root}`); // the bank sends the same vector in another run
    const size = upload.complete ? upload.offset : again ? await this.size(root) : undefined;
    if (size === undefined) {
      throw notHere(root);
    }
    if (size !== expectedBytes) {
      throw new FederationError('SHAPE', `expected a body of ${expectedBytes} bytes, got ${size}`);
    }
  }

  /**
   * Takes a bank's body into the store; `settle` says later whether it stays.
   * @param bytes of one that came with its message; else it was uploaded
   * @throws FederationError VECROOT when the file of an upload is gone
   */
  async claim(bank: string, root: string, bytes?: Uint8Array): Promise<void> {
    await this.claims.begin(root);
    try {
      const path = this.path(root);
      const isKnown = bytes === undefined ? (await this.size(root)) !== undefined : isThere(path);
      if (isKnown) await this.claims.keep(root); // an entry may name it
      await this.makeFolderFor(root);
      if (bytes === undefined) {
        await this.takeIn(bank, root);
      } else {
        writeSmallFile(path, bytes, this.freshPath(root));
        this.remember(root, bytes);
      }
    } catch (error) {
      await this.settle(bank, root, true);
      throw error;
    }
  }

  /** @param isRecorded whether the message that the body was claimed for is, or may be, in the ledger */
  async settle(bank: string, root: string, isRecorded: boolean): Promise<void> {
    await this.claims.settle(root, isRecorded, async () => {
      this.claimed.delete(`${bank}/${root}`);
      await this.remove(root);
    });
  }

  private async takeIn(bank: string, root: string): Promise<void> {
    if (this.claimed.size >= CLAIMS_REMEMBERED) this.claimed.clear();
    this.claimed.add(`${bank}/${root}`);
    try {
      await this.incoming.moveTo(bank, root, this.path(root)); // the same content replaces itself
    } catch (error) {
      // else the bank's other run claimed the same body a moment ago
      if ((await this.size(root)) === undefined) throw isMissing(error) ? notHere(root) : error;
    }
  }

  /** Keeps a copy in memory, if there is room. */
  private remember(root: string, bytes: Uint8Array): void {
    const copy = this.recent.buffer(bytes.length);
    if (copy === undefined) return;
    copy.set(bytes);
    this.recent.add(root, copy);
  }

  private async makeFolderFor(root: string): Promise<void> {
    const name = root.slice(0, 2);
    if (this.folders.has(name)) return;
    await mkdir(join(this.folder, name), { recursive: true });
    this.folders.add(name);
  }

  /** Deletes a body. */
  async remove(root: string): Promise<void> {
    this.recent.forget(root);
    await rm(this.path(root), { force: true });
  }

  /** Forgets a bank's unclaimed upload. */
  async discard(bank: string, root: string): Promise<void> {
    this.recent.forget(root);
    await this.incoming.discard(bank, root);
  }
}

function isSmall({ length }: Uint8Array): boolean {
  return length <= LIMITS.bodyWithMessageBytesMax;
}

function notHere(root: string): FederationError {
  return new FederationError(
    'VECROOT',
    `the body ${root} is not here; upload it before the message that names it`,
  );
}
