/**
 * Files of a few kilobytes, written and looked for on the spot: the system does it in microseconds, while to ask a thread
 * for it costs a tenth of a millisecond for each call when the processors are busy, and a round of five hundred banks
 * makes thousands.
 */
import { readFileSync, statSync } from 'node:fs';
import { replaceFileSync } from '#shared/platform/files/durable-file.ts';

/**
 * The file is there whole, or not at all; its content is not flushed to the disk. One that holds these bytes already is
 * left alone: it may have been flushed long ago, and a full disk takes no second copy.
 * @param fresh where it is written before it gets its name
 */
export function writeSmallFile(path: string, bytes: Uint8Array, fresh: string): void {
  if (sizeOf(path) === bytes.length && Buffer.compare(readFileSync(path), bytes) === 0) return;
  replaceFileSync(path, bytes, { flush: false }, fresh);
}

export function isThere(path: string): boolean {
  return sizeOf(path) !== undefined;
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
