/**
 * From what is stored to the state: the fold over all entries.
 *
 * The last head that this coordinator signed says which entries it has accepted before: up to there only the
 * root is checked, which commits to every byte. What comes after it is checked like anybody's word: form,
 * signature, rules. Without keys to tell such a head by, all of it is checked so.
 */
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { assertHeadSigned } from '#shared/ledger/checkpoint.ts';
import { entryRange, parseEntry, trustedEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { emptyFederation, type FederationState } from '#shared/ledger/federation-state.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';

export interface Restored {
  readonly state: FederationState;
  readonly tree: MerkleTree;
}

const PAGE = 5000;

/**
 * @param logKeys public keys that only we sign heads with; none: everything is checked
 * @param from where an earlier fold got to
 * @throws FederationError LEDGER when what is stored is not a valid history
 */
export async function restoreLedger(
  store: EntryStore,
  logKeys: readonly string[],
  from: Restored = { state: emptyFederation(), tree: new MerkleTree() },
): Promise<Restored> {
  const { state, tree } = from;
  const gap = await store.gap();
  if (gap !== undefined)
    throw new FederationError(
      'LEDGER',
      `${entryRange(gap.first, gap.last)} ${gap.first === gap.last ? 'is' : 'are'} missing in the database, though later ones are there: it has lost them, or was edited. ` +
        'Restore the database from a backup or a replica that has them',
    );
  const head = await lastHead(store, logKeys, state);
  for (;;) {
    const page = await store.page(state.size, PAGE);
    for (const { seq, text } of page) {
      try {
        const trusted = head !== undefined && state.size < head.size;
        const recorded = trusted ? trustedEntry(text) : parseEntry(text);
        if (seq !== state.size || recorded.entry.seq !== seq)
          throw new Error(`expected position ${state.size}, got ${recorded.entry.seq}`);
        if (!trusted) check(state, recorded);
        apply(state, recorded);
        tree.append(recorded.leaf);
        if (tree.size === head?.size && toHex(tree.root()) !== head.root) {
          await restoreLedger(store, []); // names the entry, if it is not valid in itself
          throw new Error('the entries up to here are not those whose head was signed');
        }
      } catch (cause) {
        if (cause instanceof FederationError && cause.code === 'LEDGER') throw cause;
        throw new FederationError(
          'LEDGER',
          `entry ${seq} of the stored ledger is not valid: ${describeError(cause)}. Restore the database from a backup; do not edit it`,
          { cause },
        );
      }
    }
    if (page.length < PAGE) break;
  }
  if (head !== undefined && tree.size < head.size)
    throw new FederationError(
      'LEDGER',
      'entries are missing at the end of the stored ledger; restore a backup',
    );
  return { state, tree };
}

function check(state: FederationState, { entry }: RecordedEntry): void {
  assertAuthentic(state, entry.message);
  assertAdmissible(state, entry.message, entry.time);
}

/** The last head in the ledger that is signed by one of these keys, if it is beyond what is folded already. */
async function lastHead(
  store: EntryStore,
  logKeys: readonly string[],
  { size }: FederationState,
): Promise<SignedHead | undefined> {
  const last = await store.last(['open-round', 'checkpoint']);
  const [first] = await store.page(0, 1);
  if (last === undefined || first === undefined) return undefined;
  try {
    const { payload } = parseEntry(last.text).entry.message;
    const charter = parseEntry(first.text).entry.message;
    if (!('head' in payload) || charter.type !== 'charter' || payload.head.size <= size) return undefined;
    for (const key of logKeys) if (isSigned(charter.payload.origin, payload.head, key)) return payload.head;
  } catch {
    // an entry that is damaged is found, and named, by the fold
  }
  return undefined;
}

function isSigned(origin: string, head: SignedHead, key: string): boolean {
  try {
    assertHeadSigned(origin, head, key);
    return true;
  } catch {
    return false;
  }
}
