/**
 * This bank as a witness. It grows its own copy of the ledger's tree from every entry it is shown and the leaf
 * of every other, so a head that it finds right extends everything it saw before: what it acted upon is in
 * the ledger, at its place, and stays there.
 *
 * The newest head it has found right is kept as a signed note (state/witness.note). After a restart the
 * history is shown from its start again, and must come by that head.
 */
import { signCosignature } from '#shared/ledger/cosignature.ts';
import {
  assertHeadSigned,
  logKeyAt,
  noteOf,
  type Checkpoint,
  type LogKey,
} from '#shared/ledger/checkpoint.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { fromBase64, toBase64Url } from '#shared/crypto/base64.ts';
import { equalBytes, toHex } from '#shared/crypto/hash.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';

/** Where the witnessed head outlives the process. */
export interface WitnessStore {
  /** None when nothing was witnessed yet. What was not flushed may be cut short after a power loss. */
  witnessedNotes(): Promise<readonly string[]>;
  /** @param flush whether it must outlive a power loss before this resolves */
  keepWitnessedNote(note: string, flush: boolean): Promise<void>;
}

/** What the ledger says about itself: the charter's origin, and the ledger's keys. */
export interface LedgerIdentity {
  readonly origin: string;
  readonly logKeys: readonly LogKey[];
}

const HASH_BYTES = 32;

export class Witness {
  readonly tree = new MerkleTree();
  /** What was witnessed before this process started. */
  readonly past: Checkpoint | undefined;
  readonly pastNote: string | undefined;
  /** The public half of its key, base64url. */
  readonly key: string;
  private readonly seed: Uint8Array;
  private readonly store: WitnessStore;
  /** The newest head found right by this process. */
  private newest: { readonly checkpoint: Checkpoint; readonly note: string } | undefined;
  private keeping: Promise<void> = Promise.resolve();

  private constructor(seed: Uint8Array, store: WitnessStore, pastNote: string | undefined) {
    this.seed = seed;
    this.key = toBase64Url(publicKeyOf(seed));
    this.store = store;
    this.pastNote = pastNote;
    this.past = pastNote === undefined ? undefined : checkpointIn(pastNote);
  }

  /** @param seed the witness key */
  static async open(seed: Uint8Array, store: WitnessStore): Promise<Witness> {
    return new Witness(seed, store, newestOf(await store.witnessedNotes()));
  }

  /** The newest head that was ever found right, with its note. */
  get witnessed(): { readonly checkpoint: Checkpoint; readonly note: string } | undefined {
    const { past, pastNote } = this;
    return this.newest ?? (past && { checkpoint: past, note: pastNote! });
  }

  /**
   * What comes next.
   * @param leaves of one or more entries, 32 bytes each
   * @throws FederationError FORK when history does not come by what was witnessed before
   */
  grow(leaves: Uint8Array): void {
    const { tree, past } = this;
    const before = tree.size;
    tree.append(leaves);
    if (past === undefined || past.size <= before || past.size > tree.size) return;
    if (past.root !== toHex(tree.root(past.size))) {
      throw new FederationError(
        'FORK',
        `the ledger was rewritten: its first ${past.size} entries have another root than the one witnessed before. Stop, keep state/witness.note, and tell the other banks and the auditor`,
      );
    }
  }

  /**
   * Entries that are shown again.
   * @param seq of the first
   * @param leaves of them, 32 bytes each
   * @throws FederationError FORK
   */
  assertSame(seq: number, leaves: Uint8Array): void {
    if (!equalBytes(this.tree.leaves(seq, seq + leaves.length / HASH_BYTES), leaves))
      throw new FederationError('FORK', `the ledger was rewritten: entry ${seq} is another one than before`);
  }

  /**
   * All that the coordinator has was shown: is everything there that was there before?
   * @param isBehind whether its own head is of fewer entries than it has shown since this process started
   * @throws FederationError ROLLBACK
   */
  assertNothingLost(isBehind: boolean): void {
    const { tree, past } = this;
    if (!isBehind && tree.size >= (past?.size ?? 0)) return;
    throw new FederationError(
      'ROLLBACK',
      `the ledger has fewer entries than the ${Math.max(tree.size, past?.size ?? 0)} witnessed before: it was restored from an old backup, or cut. This bank waits until they are back; see docs/ledger.md`,
    );
  }

  /**
   * Whether a head is the one this bank arrives at itself, and signed.
   * @throws FederationError FORK | SIG
   */
  check(head: SignedHead, { origin, logKeys }: LedgerIdentity): void {
    const { tree } = this;
    if (head.size > tree.size || toHex(tree.root(head.size)) !== head.root) {
      throw new FederationError(
        'FORK',
        `the coordinator signed another head of ${head.size} entries than the entries it showed this bank`,
      );
    }
    assertHeadSigned(origin, head, logKeyAt(logKeys, head.size));
  }

  /**
   * Keeps a head that was checked, unless a newer one is kept already: the newer contains it, and going back would
   * leave what came between to be rewritten.
   * @param flush see `WitnessStore`
   */
  remember(head: SignedHead, { origin, logKeys }: LedgerIdentity, flush: boolean): Promise<void> {
    const { size } = head;
    if (size >= (this.witnessed?.checkpoint.size ?? 0))
      this.newest = { checkpoint: { origin, ...head }, note: noteOf(origin, head, logKeyAt(logKeys, size)) };
    else if (!flush) return Promise.resolve();
    const { note } = this.witnessed!;
    const keep = (): Promise<void> => this.store.keepWitnessedNote(note, flush);
    // one after the other, also after one that failed: a disk that was full once has room again
    return (this.keeping = this.keeping.then(keep, keep));
  }

  /**
   * @param time seconds since 1970
   * @returns the cosignature of a head that was checked and kept
   */
  cosign(head: SignedHead, origin: string, time: number): string {
    return signCosignature({ origin, ...head }, time, this.seed);
  }
}

/** @throws FederationError STORAGE when there are notes, and none is whole */
function newestOf(notes: readonly string[]): string | undefined {
  const whole = notes.filter((note) => NOTE.test(note));
  if (notes.length > 0 && whole.length === 0) {
    throw new FederationError(
      'STORAGE',
      'state/witness.note is damaged, and so is state/witness.flushed.note: without one of them this bank cannot tell whether the ledger was rewritten or cut. Restore one; delete both only when the coordinator shows no fewer entries than before',
    );
  }
  const [first, ...others] = whole;
  if (first === undefined) return undefined;
  return others.reduce((a, b) => (checkpointIn(b).size > checkpointIn(a).size ? b : a), first);
}

const NOTE = /^(?<origin>.+)\n(?<size>\d+)\n(?<root>[A-Za-z0-9+/]{43}=)\n\n\u2014 .+\n$/;

/** Of a whole note of our own: its signature was checked before it was kept, perhaps under an earlier key of the ledger. */
function checkpointIn(note: string): Checkpoint {
  const { origin, size, root } = NOTE.exec(note)!.groups as { origin: string; size: string; root: string };
  return { origin, size: Number(size), root: toHex(fromBase64(root)) };
}
