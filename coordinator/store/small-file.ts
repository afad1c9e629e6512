/**
 * Files of a few kilobytes, written and looked for on the spot: the system does it in microseconds, while to ask a thread
 * for it costs a tenth of a millisecond for each call when the processors are busy, and a round of five hundred banks
 * makes thousands.
 */
import { renameSync, statSync, writeFileSync } from 'node:fs';

/** The file is there whole, or not at all; its content is not flushed to the disk. */
export function writeSmallFile(path: string, bytes: Uint8Array): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, bytes);
  renameSync(fresh, path);
}

export function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
