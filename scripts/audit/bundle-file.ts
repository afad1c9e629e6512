/** Bundles as files: written from what a coordinator gives, read by position. */
import { open, type FileHandle } from 'node:fs/promises';
import type { OperatorClient } from '#scripts/operator/operator-client.ts';
import { say } from '#scripts/commands/output.ts';
import { verifyBundle, type AuditOptions, type AuditReport } from '#models/audit/verify-bundle.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { bodyNamedBy } from '#shared/ledger/bodies-named.ts';
import { bundleParts, openBundle, type BundleSource } from '#shared/ledger/bundle.ts';
import { entryRange, parseEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { RunIndex } from '#shared/ledger/run-index.ts';
import { writeBeside } from '#shared/platform/files/durable-file.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

export interface ExportOptions {
  /** Only what concerns this run; of other runs' entries the hashes. */
  readonly run?: string | undefined;
  readonly bodies?: boolean;
}

export interface Exported {
  readonly file: string;
  readonly entries: number;
  /** Entries of other runs, of which only the hash is in it. */
  readonly hidden: number;
  readonly bodies: number;
  /** Bodies that the coordinator no longer has. */
  readonly missing: number;
}

/**
 * Writes a bundle of everything up to the present head. A file that is there already is replaced when the new
 * one is whole.
 */
export async function exportBundle(
  client: OperatorClient,
  out: string,
  { run, bodies: withBodies = true }: ExportOptions = {},
): Promise<Exported> {
  const note = await client.text('/v1/ledger/checkpoint');
  const size = Number(note.split('\n')[1]);
  const write = async (file: FileHandle): Promise<Exported> => {
    await file.write(bundleParts.head(note));
    const { roots, hidden } = await writeEntries(client, file, size, run);
    const missing = withBodies ? await writeBodies(client, file, roots) : roots.size;
    await file.write(bundleParts.end);
    return { file: out, entries: size, hidden, bodies: roots.size - missing, missing };
  };
  return writeBeside(out, write, { flush: true, now: true }, `${out}.new`);
}

async function writeEntries(client: OperatorClient, file: FileHandle, size: number, run: string | undefined) {
  const roots = new Set<string>();
  const index = new RunIndex();
  let hidden = 0;
  let at = 0;
  for await (const { text } of client.entries()) {
    if (at === size) break; // recorded after the head was signed
    const recorded = parseEntry(text);
    if (recorded.entry.seq !== at) throw missing(at, recorded.entry.seq - 1, size);
    at++;
    const isShown = run === undefined || concerns(recorded, index.take(recorded), run);
    await file.write(isShown ? bundleParts.entry(text) : bundleParts.leaf(toHex(recorded.leaf)));
    if (!isShown) hidden++;
    const body = bodyNamedBy(recorded.entry.message);
    if (isShown && body !== undefined) roots.add(body.root);
    if (at % 5000 === 0) say(`  ${at} of ${size} entries`);
  }
  if (at < size) throw missing(at, size - 1, size);
  return { roots, hidden };
}

function missing(first: number, last: number, size: number): FederationError {
  return new FederationError(
    'LEDGER',
    `the coordinator has signed a ledger of ${size} entries and does not give ${entryRange(first, last)}: ` +
      'its database has lost them, or they are kept from you. Nothing was written. Ask the operator, and a bank what it has seen',
  );
}

/** What belongs to no run, and what belongs to this one. */
function concerns({ entry: { message } }: RecordedEntry, of: string | undefined, run: string): boolean {
  if (message.type === 'retention') return message.payload.runs.every((id) => id === run);
  return of === undefined || of === run;
}

async function writeBodies(
  client: OperatorClient,
  file: FileHandle,
  roots: ReadonlySet<string>,
): Promise<number> {
  let missing = 0;
  let done = 0;
  for (const root of roots) {
    try {
      const body = await client.body(root);
      await file.write(bundleParts.body(root, body.length));
      await file.write(body);
      await file.write(bundleParts.afterBody);
    } catch (error) {
      if (!(error instanceof FederationError && error.code === 'NOT_FOUND')) throw error;
      missing++;
    }
    if (++done % 100 === 0) say(`  ${done} of ${roots.size} bodies`);
  }
  return missing;
}

/** @throws FederationError NOT_FOUND */
async function withFile<T>(path: string, use: (source: BundleSource) => Promise<T>): Promise<T> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    throw new FederationError(
      'NOT_FOUND',
      `${path} cannot be opened; make a bundle with "tallystick audit export"`,
      {
        cause,
      },
    );
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new FederationError('NOT_FOUND', `${path} is not a file; a bundle is one file`);
    return await use(fileSource(file, stat.size));
  } finally {
    await file.close();
  }
}

function fileSource(file: FileHandle, size: number): BundleSource {
  let buffer = new Uint8Array(0);
  return {
    size,
    async read(offset, length) {
      if (buffer.length < length) buffer = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const { bytesRead } = await file.read(buffer, done, length - done, offset + done);
        if (bytesRead === 0)
          throw new FederationError('BUNDLE', 'the bundle became shorter while it was read');
        done += bytesRead;
      }
      return buffer.subarray(0, length);
    },
  };
}

/** Checks a bundle file without any network. @throws FederationError NOT_FOUND */
export function auditBundle(
  path: string,
  charter: string,
  options: Omit<AuditOptions, 'charter'> = {},
): Promise<AuditReport> {
  return withFile(path, (source) => verifyBundle(source, { ...options, charter }));
}

/** The entries a bundle shows. @throws FederationError NOT_FOUND | BUNDLE */
export function readBundle<T>(
  path: string,
  use: (bundle: Awaited<ReturnType<typeof openBundle>>) => Promise<T>,
): Promise<T> {
  return withFile(path, async (source) => use(await openBundle(source)));
}
