/**
 * Proof that a ledger was rewritten, which needs nobody's word: two heads signed by the ledger's key of which
 * the newer does not extend the older. Under the newer head the tree of the older one's size has another root:
 *
 *   isConsistent(older.size → newer.size, proof, otherRoot, newer.root)   and   otherRoot ≠ older.root
 *
 * For two heads of one size `proof` is empty and `otherRoot` the newer's own.
 */
import { z } from 'zod';
import { fromHex, toHex } from '#shared/crypto/hash.ts';
import { openCheckpointOf, type LogKey, type OpenedCheckpoint } from '#shared/ledger/checkpoint.ts';
import { isConsistent, type MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { hash } from '#shared/protocol/ids.ts';

const note = z.string().max(200_000);
const forkProof = z.strictObject({
  v: z.literal(1),
  kind: z.literal('fork'),
  /** C2SP notes of one origin. */
  older: note,
  newer: note,
  otherRoot: hash,
  proof: z.array(hash).max(64),
});
export type ForkProof = z.infer<typeof forkProof>;

/**
 * The charter's key, and those it was changed to with the size from which each signs. A head by a key that was no
 * longer in force is no proof: whoever stole that key could incriminate a coordinator that has long changed it.
 */
type LogKeys = readonly LogKey[];

/**
 * @returns the two heads that cannot both be true
 * @throws FederationError SCHEMA | SIG | FORK when it proves nothing
 */
export function verifyForkProof(
  value: unknown,
  origin: string,
  logKeys: LogKeys,
): { older: OpenedCheckpoint; newer: OpenedCheckpoint } {
  const parsed = forkProof.safeParse(value);
  if (!parsed.success)
    throw new FederationError('SCHEMA', 'expected a fork proof: two notes, a root and a proof');
  const { otherRoot, proof } = parsed.data;
  const older = openCheckpointOf(parsed.data.older, origin, logKeys);
  const newer = openCheckpointOf(parsed.data.newer, origin, logKeys);
  const leads = isConsistent(
    older.size,
    newer.size,
    proof.map(fromHex),
    fromHex(otherRoot),
    fromHex(newer.root),
  );
  if (!leads || otherRoot === older.root)
    throw new FederationError('FORK', 'this does not show that the two heads contradict each other');
  return { older, newer };
}

/** What two notes of one ledger say about each other, as far as notes alone can. */
export type Comparison =
  | { readonly kind: 'same' }
  | { readonly kind: 'fork'; readonly proof: ForkProof }
  /** Of different sizes: whether one extends the other takes a consistency proof. */
  | { readonly kind: 'open'; readonly older: OpenedNote; readonly newer: OpenedNote };

interface OpenedNote {
  readonly note: string;
  readonly head: OpenedCheckpoint;
}

/** @throws FederationError SCHEMA | SIG */
export function compareNotes(a: string, b: string, origin: string, logKeys: LogKeys): Comparison {
  const open = (text: string): OpenedNote => ({ note: text, head: openCheckpointOf(text, origin, logKeys) });
  const [one, other] = [open(a), open(b)];
  if (one.head.size !== other.head.size)
    return one.head.size < other.head.size
      ? { kind: 'open', older: one, newer: other }
      : { kind: 'open', older: other, newer: one };
  if (one.head.root === other.head.root) return { kind: 'same' };
  const proof: ForkProof = { v: 1, kind: 'fork', older: a, newer: b, otherRoot: other.head.root, proof: [] };
  return { kind: 'fork', proof };
}

/**
 * Two notes of different sizes held against a whole history that one of the two is of.
 * @param tree of that history
 * @returns `same` when the newer note extends the older one; `unknown` when the history is not the newer note's
 */
export function compareWithTree(
  { older, newer }: Extract<Comparison, { kind: 'open' }>,
  tree: MerkleTree,
): Exclude<Comparison, { kind: 'open' }> | { readonly kind: 'unknown' } {
  const [from, to] = [older.head, newer.head];
  // what the tree says of the older size counts only under the newer note's own root
  if (to.size > tree.size || toHex(tree.root(to.size)) !== to.root) return { kind: 'unknown' };
  const otherRoot = toHex(tree.root(from.size));
  if (otherRoot === from.root) return { kind: 'same' };
  const proof = tree.consistencyProof(from.size, to.size).map(toHex);
  const notes = { older: older.note, newer: newer.note };
  return { kind: 'fork', proof: { v: 1, kind: 'fork', ...notes, otherRoot, proof } };
}
