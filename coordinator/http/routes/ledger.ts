/** The ledger, to read: its signed head, its entries, and proofs. */
import { z } from 'zod';
import { route, type Route } from '#coordinator/http/route.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash, runId } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

const position = z.coerce.number().int().min(0);

export function ledgerRoutes({ journal, entries }: { journal: Journal; entries: EntryStore }): Route[] {
  const proof = z.strictObject({ size: z.int(), root: hash, proof: z.array(hash) });
  return [
    route({
      method: 'get',
      path: '/ledger/checkpoint',
      summary: 'The signed head of the ledger: a C2SP checkpoint.',
      who: ['public'],
      response: z.string().meta({ description: 'C2SP signed note' }),
      handle: () => journal.checkpoint(),
    }),
    route({
      method: 'get',
      path: '/ledger/entries',
      summary: 'Entries in order, as the canonical JSON texts that are hashed.',
      who: ['auditor'],
      query: z.strictObject({
        from: position.default(0),
        limit: position.min(1).max(LIMITS.pageEntriesMax).default(100),
        run: runId.optional(),
      }),
      response: z.strictObject({
        entries: z.array(z.strictObject({ seq: z.int(), text: z.string() })),
        next: z.int().nullable(),
      }),
      async handle({ query }) {
        const rows = await entries.page(
          query.from,
          query.limit,
          query.run === undefined ? {} : { run: query.run },
        );
        return { entries: rows, next: rows.length === query.limit ? rows.at(-1)!.seq + 1 : null };
      },
    }),
    route({
      method: 'get',
      path: '/ledger/proofs/inclusion',
      summary: 'RFC 6962 inclusion proof of one entry in the tree of the given size.',
      who: ['public'],
      query: z.strictObject({ index: position, size: position.min(1) }),
      response: proof,
      handle: ({ query }) =>
        prove(journal, query.size, () => journal.tree.inclusionProof(query.index, query.size)),
    }),
    route({
      method: 'get',
      path: '/ledger/proofs/consistency',
      summary: 'RFC 6962 consistency proof between two sizes of the tree; `from` is the root of the smaller.',
      who: ['public'],
      query: z.strictObject({ from: position.min(1), to: position.min(1) }),
      response: proof.extend({ from: hash }),
      handle: ({ query }) => ({
        ...prove(journal, query.to, () => journal.tree.consistencyProof(query.from, query.to)),
        from: toHex(journal.tree.root(query.from)),
      }),
    }),
  ];
}

function prove(journal: Journal, size: number, build: () => Uint8Array[]) {
  try {
    const hashes = build();
    return { size, root: toHex(journal.tree.root(size)), proof: hashes.map(toHex) };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new FederationError('NOT_FOUND', `${cause.message}; the ledger has ${journal.tree.size} entries`, {
      cause,
    });
  }
}
