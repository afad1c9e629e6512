/**
 * What an auditor checks of a ledger from its entries alone: strict form, the signed head, every signature,
 * and that each entry was admissible when it was written. What needs bodies is in `models/audit/verify-runs.ts`.
 */
import { toHex } from '#shared/crypto/hash.ts';
import { openCheckpointOf } from '#shared/ledger/checkpoint.ts';
import { bodyNamedBy, type NamedBody } from '#shared/ledger/bodies-named.ts';
import type { BundledEntry } from '#shared/ledger/bundle.ts';
import { parseEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { emptyFederation, type FederationState } from '#shared/ledger/federation-state.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';

/** One thing that is wrong. */
export interface Finding {
  readonly code: ErrorCode;
  /** Position of the entry it is about, if any. */
  readonly seq?: number;
  readonly message: string;
}

export interface History {
  readonly state: FederationState;
  readonly size: number;
  /** Entries of which only the leaf was shown. */
  readonly hidden: number;
  readonly tree: MerkleTree;
  /** Bodies that the entries name, with the type of entry. */
  readonly bodies: ReadonlyMap<string, NamedBody>;
  /** Hex Merkle root over the entries. */
  readonly root: string;
  readonly findings: readonly Finding[];
}

/**
 * @param entries in order: canonical JSON, or only the leaf
 * @param checkpoint the signed note that came with them
 * @param charter the charter hash the auditor trusts; never taken from the material under audit
 */
export async function verifyHistory(
  entries: AsyncIterable<BundledEntry> | Iterable<BundledEntry>,
  checkpoint: string,
  charter: string,
): Promise<History> {
  const state = emptyFederation();
  const tree = new MerkleTree();
  const findings: Finding[] = [];
  const bodies = new Map<string, NamedBody>();
  let hidden = 0;
  for await (const text of entries) {
    const seq = tree.size;
    if (typeof text !== 'string') {
      tree.append(text.leaf);
      state.size = tree.size;
      hidden++;
      continue;
    }
    try {
      const recorded = parseEntry(text);
      checkEntry(state, recorded, seq, charter);
      checkHeads(tree, recorded);
      tree.append(recorded.leaf);
      apply(state, recorded);
      const body = bodyNamedBy(recorded.entry.message);
      if (body !== undefined) bodies.set(body.root, body);
    } catch (error) {
      findings.push({ seq, ...asFinding(error) });
      break; // what follows an entry that must not be there cannot be judged
    }
  }
  const root = toHex(tree.root());
  if (findings.length === 0) findings.push(...checkHead(state, tree.size, root, checkpoint));
  return { state, size: tree.size, hidden, tree, bodies, root, findings };
}

function checkEntry(state: FederationState, recorded: RecordedEntry, seq: number, charter: string): void {
  const { entry, hash } = recorded;
  if (entry.seq !== seq)
    throw new FederationError('LEDGER', `expected position ${seq}, the entry says ${entry.seq}`);
  if ((seq === 0 || entry.message.type === 'charter') && (seq > 0 || hash !== charter)) {
    throw new FederationError('LEDGER', `expected the charter ${charter}, the ledger begins with ${hash}`);
  }
  assertAuthentic(state, entry.message);
  assertAdmissible(state, entry.message, entry.time);
}

/** Heads that the coordinator signed on the way must be those of the entries. @throws FederationError FORK */
function checkHeads(tree: MerkleTree, { entry }: RecordedEntry): void {
  const { payload } = entry.message;
  if (!('head' in payload)) return;
  const { size, root } = payload.head;
  if (toHex(tree.root(size)) !== root)
    throw new FederationError('FORK', `the coordinator signed another head of ${size} entries than these`);
}

function checkHead(state: FederationState, size: number, root: string, note: string): Finding[] {
  if (state.charter === undefined) return [{ code: 'LEDGER', message: 'the ledger is empty' }];
  const { origin } = state.charter.payload;
  try {
    const { others, ...head } = openCheckpointOf(note, origin, state.logKeys);
    if (others.length > 0)
      return [{ code: 'BUNDLE', message: 'the checkpoint carries signatures that nobody asked for' }];
    if (head.size !== size) {
      return [{ code: 'LEDGER', message: `the checkpoint is over ${head.size} entries, there are ${size}` }];
    }
    if (head.root !== root)
      return [{ code: 'LEDGER', message: `the checkpoint's root is ${head.root}, the entries give ${root}` }];
    return [];
  } catch (error) {
    return [asFinding(error)];
  }
}

export function asFinding(error: unknown): Finding {
  return { code: error instanceof FederationError ? error.code : 'INTERNAL', message: describeError(error) };
}
