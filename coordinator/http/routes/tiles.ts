/**
 * The ledger as C2SP tlog-tiles (https://c2sp.org/tlog-tiles), for tools of others:
 *
 *   /checkpoint                     the signed head
 *   /tile/<L>/<N>[.p/<W>]           256 hashes of level 8·L, or the first W of them
 *   /tile/entries/<N>[.p/<W>]       the entries under such a tile, each with a uint16 big-endian length
 *
 * <N> is written in groups of three digits, all but the last with an x before them: 1234067 is x001/x234/067.
 * Hashes are public; entries are for auditors.
 */
import { Router, type Response } from 'express';
import { authorised } from '#coordinator/http/route.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { Access } from '#coordinator/participants/access.ts';
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

const WIDTH = 256;

export interface TileDependencies {
  readonly journal: Journal;
  readonly entries: EntryStore;
  readonly access: Access;
}

export function tileRouter({ journal, entries, access }: TileDependencies): Router {
  const router = Router();
  router.get(
    '/checkpoint',
    (_request, response) => void response.type('text/plain').send(journal.checkpoint()),
  );
  router.get(/^\/tile\/entries\/(.+)$/, async (request, response) => {
    authorised(request, access, ['auditor']);
    const { first, count } = placeOf(request.params[0] as string, journal.tree.size);
    const rows = await entries.page(first, count);
    send(response, Buffer.concat(rows.slice(0, count).map(({ text }) => withLength(utf8(text)))), count);
  });
  router.get(/^\/tile\/(0|[1-9]|[1-5][0-9]|6[0-3])\/(.+)$/, (request, response) => {
    const level = Number(request.params[0]);
    const complete = Math.floor(journal.tree.size / 2 ** (8 * level));
    const { first, count } = placeOf(request.params[1] as string, complete);
    const hashes = Array.from({ length: count }, (_, i) => journal.tree.subtreeRoot(8 * level, first + i));
    send(response, Buffer.concat(hashes), count);
  });
  return router;
}

/** @throws FederationError NOT_FOUND */
function placeOf(path: string, available: number): { first: number; count: number } {
  const match = /^((?:x[0-9]{3}\/)*)([0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
  const count = match?.[3] === undefined ? WIDTH : Number(match[3]);
  const digits = match === null ? '' : `${match[1]!.replaceAll(/[x/]/g, '')}${match[2]}`;
  const first = Number(digits) * WIDTH;
  // one way to write each: no leading group of zeros
  const isCanonical = match !== null && (match[1] === '' || !digits.startsWith('000'));
  const isPartial = match?.[3] === undefined || count < WIDTH;
  if (!isCanonical || !isPartial || first + count > available)
    throw new FederationError('NOT_FOUND', `no such tile: there are ${available} hashes at this level`);
  return { first, count };
}

/** Whole tiles never change; partial ones neither, but nobody asks for them twice. */
function send(response: Response, bytes: Buffer, count: number): void {
  if (count === WIDTH) response.setHeader('cache-control', 'public, max-age=31536000, immutable');
  response.type('application/octet-stream').send(bytes);
}

function withLength(entry: Uint8Array): Buffer {
  const bytes = Buffer.alloc(2 + entry.length);
  bytes.writeUInt16BE(entry.length);
  bytes.set(entry, 2);
  return bytes;
}
