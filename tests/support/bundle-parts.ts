/** A bundle taken apart and put together again, for those who tamper with it. */
import { readFile, writeFile } from 'node:fs/promises';
import { toHex } from '#shared/crypto/hash.ts';
import { bundleParts, openBundle, type BundledEntry } from '#shared/ledger/bundle.ts';

export interface BundleContent {
  note: string;
  entries: BundledEntry[];
  bodies: [root: string, bytes: Uint8Array][];
}

export function sourceOf(bytes: Uint8Array) {
  return {
    size: bytes.length,
    read: (offset: number, length: number) => Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}

export async function takeApart(bytes: Uint8Array): Promise<BundleContent> {
  const bundle = await openBundle(sourceOf(bytes));
  const entries: BundledEntry[] = [];
  for await (const entry of bundle.entries()) entries.push(entry);
  const bodies: BundleContent['bodies'] = [];
  for (const root of bundle.bodies) {
    const pieces: Uint8Array[] = [];
    for await (const piece of bundle.body(root)!) pieces.push(piece.slice());
    bodies.push([root, new Uint8Array(Buffer.concat(pieces))]);
  }
  return { note: bundle.note, entries, bodies };
}

export function putTogether({ note, entries, bodies }: BundleContent): Uint8Array {
  return new Uint8Array(
    Buffer.concat([
      bundleParts.head(note),
      ...entries.map((entry) =>
        typeof entry === 'string' ? bundleParts.entry(entry) : bundleParts.leaf(toHex(entry.leaf)),
      ),
      ...bodies.flatMap(([root, bytes]) => [
        bundleParts.body(root, bytes.length),
        bytes,
        bundleParts.afterBody,
      ]),
      bundleParts.end,
    ]),
  );
}

/** Writes a changed copy beside a bundle file. @returns its path */
export async function tamperedCopy(file: string, change: (content: BundleContent) => void): Promise<string> {
  const content = await takeApart(new Uint8Array(await readFile(file)));
  change(content);
  const copy = `${file}.tampered`;
  await writeFile(copy, putTogether(content));
  return copy;
}

/** Replaces text in all entries that have it. */
export function replaceInEntries({ entries }: BundleContent, text: string, by: string): void {
  entries.forEach((entry, i) => {
    if (typeof entry === 'string') entries[i] = entry.replace(text, by);
  });
}
