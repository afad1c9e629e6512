/**
 * Files that are never half there: written beside their name and renamed. What must also outlive a power loss is
 * flushed before the rename, and its folder after it: on most file systems a name is durable only then. One that its
 * own process alone reads may be written over in place. Everything that either side writes whole passes here.
 */
import {
  closeSync,
  fstatSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Writes so far. */
let fresh = 0;

export interface Durability {
  /** Whether the content must be whole after a power loss, be it the old or the new one. */
  readonly flush: boolean;
  /** And whether it must be the new one by the time the write resolves. */
  readonly now: boolean;
}

/**
 * Mode 0600.
 * @param beside where it is written first; by default a name of its own, so that one file may be written twice at once
 * @throws the file system's own error
 */
export function replaceFile(
  path: string,
  content: string | Uint8Array,
  durability: Durability,
  beside?: string,
): Promise<void> {
  return writeBeside(path, (file) => file.writeFile(content), durability, beside);
}

/**
 * As `replaceFile`, of a file that is written piece by piece.
 * @param write throws when there is to be no file
 */
export async function writeBeside<T>(
  path: string,
  write: (file: FileHandle) => Promise<T>,
  { flush, now }: Durability,
  beside = `${path}.${process.pid}-${fresh++}.new`,
): Promise<T> {
  try {
    const file = await open(beside, 'w', 0o600);
    let result: T;
    try {
      result = await write(file);
      if (flush) await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
    if (now) await syncFolder(dirname(path));
    return result;
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {}); // what little there was room for is not to fill the disk
    throw error;
  }
}

/** As `replaceFile`, at once: nothing else happens meanwhile, and a small file costs microseconds. */
export function replaceFileSync(
  path: string,
  content: string | Uint8Array,
  { flush }: Pick<Durability, 'flush'>,
  beside = `${path}.${process.pid}-${fresh++}.new`,
): void {
  try {
    writeFileSync(beside, content, { mode: 0o600, flush });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true }); // what little there was room for is not to fill the disk
    throw error;
  }
}

/**
 * A small file that changes often, need not outlive a power loss, and is read by its own process only, when that starts
 * again: it is written over where it is, in one call, which no kill cuts in two. A new file each time, renamed, takes a
 * millisecond on file systems that allocate late.
 * @throws the file system's own error
 */
export async function overwriteFile(path: string, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  if (!writeOver(path, bytes)) await replaceFile(path, bytes, { flush: false, now: false });
}

/** @returns whether it could be written over: a text that has become shorter could not */
function writeOver(path: string, bytes: Uint8Array): boolean {
  let file: number;
  try {
    file = openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  try {
    if (fstatSync(file).size > bytes.length) return false;
    return writeSync(file, bytes, 0, bytes.length, 0) === bytes.length;
  } finally {
    closeSync(file);
  }
}

/** Whether it was there or not. @throws the file system's own error */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** The names in a folder outlive a power loss from here on. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A folder whose own name outlives a power loss, and those of the folders it is in. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return; // it was there
  const above = dirname(resolve(first));
  for (let folder = resolve(path); folder !== above;) {
    folder = dirname(folder);
    await syncFolder(folder);
  }
}
