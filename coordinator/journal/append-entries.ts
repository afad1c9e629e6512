/**
 * One batch of entries into the database, once and after the entry before, whatever the database does meanwhile.
 *
 * After any fault nobody knows what is stored: a statement may have failed, its connection broken before or after the
 * commit, the server been replaced by a copy that lacks entries. So the end of the ledger is read again, and decides:
 *
 *   our last entry              stored, and the reply was lost
 *   the entry before            not stored: once more, while the database only comes and goes
 *   less than before            the database has gone back: stop
 *   anything else, or another's term     another coordinator writes here: stop
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { EntryStore, Standing, Tail } from '#coordinator/store/entry-store.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** Pauses between attempts double from the first to the last of these. */
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 2000;

type Batch = Parameters<EntryStore['append']>[0];

export interface Patience {
  /** Called after each fault with what is wrong. */
  readonly onFault: (error: FederationError) => void;
  /** Whether a fault that may pass is worth another attempt. */
  readonly goesOn: () => boolean;
}

/**
 * @param after the entry before the first of them
 * @throws FederationError DATABASE when they are not, or not known to be, stored
 */
export async function appendEntries(
  store: EntryStore,
  batch: Batch,
  after: Tail | undefined,
  { onFault, goesOn }: Patience,
): Promise<void> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
    const fault = await attempt(store, batch, after);
    if (fault === undefined) return;
    const mayPass = fault instanceof FederationError && fault.code === 'DATABASE';
    if (!mayPass || !goesOn()) throw cannotBeWritten(fault);
    onFault(fault);
    await delay(pauseMs);
  }
}

/**
 * @returns undefined once they are stored, else what was wrong: they are not, or nobody can say
 * @throws FederationError DATABASE when the ledger does not end where we could go on
 */
async function attempt(store: EntryStore, batch: Batch, after: Tail | undefined): Promise<unknown> {
  let fault: unknown = new FederationError('DATABASE', 'the database did not take an entry that fits');
  try {
    if (await store.append(batch, after)) return undefined;
  } catch (error) {
    fault = error;
  }
  let standing: Standing;
  try {
    standing = await store.standing();
  } catch (error) {
    return error;
  }
  const { seq } = batch.at(-1)!.recorded.entry;
  if (isSame(standing.tail, { seq, leaf: toHex(batch.at(-1)!.recorded.leaf) })) return undefined;
  assertGoesOn(standing, after);
  if (isSame(standing.tail, after)) return fault;
  throw overtaken(standing);
}

/**
 * @param after what this coordinator has stored last, or before that
 * @throws FederationError DATABASE when that is not in the database any more, or another coordinator has opened it
 */
export function assertGoesOn(standing: Standing, after: Tail | undefined): void {
  const { tail, term, ourTerm } = standing;
  if (lengthTo(tail) < lengthTo(after) || term < ourTerm) throw goneBack(standing, after);
  if (!standing.isOurs) throw overtaken(standing);
}

function isSame(a: Tail | undefined, b: Tail | undefined): boolean {
  return a?.seq === b?.seq && a?.leaf === b?.leaf;
}

const lengthTo = (tail: Tail | undefined): number => (tail === undefined ? 0 : tail.seq + 1);

function goneBack({ tail }: Standing, after: Tail | undefined): FederationError {
  return new FederationError(
    'DATABASE',
    `the database has gone back: it holds ${lengthTo(tail)} entries, and ${lengthTo(after)} were stored in it. ` +
      'A replica that lacked entries has taken its place, or an older copy was restored. Nothing is written over it: ' +
      'banks that have seen the later entries would refuse the shorter ledger (ROLLBACK). Bring back the database that ' +
      'has them and start again; if they are lost for ever, see "Backup, and what happens after a restore" in docs/ledger.md',
  );
}

function overtaken({ tail, term, ourTerm, isOurs }: Standing): FederationError {
  const sign = isOurs
    ? `its last entry, ${lengthTo(tail) - 1}, is not ours`
    : `the ledger was opened again after us (term ${term}, ours is ${ourTerm})`;
  return new FederationError(
    'DATABASE',
    `another coordinator writes in this database: ${sign}. One coordinator a database: stop one of the two, then start the other again`,
  );
}

function cannotBeWritten(cause: unknown): FederationError {
  return new FederationError(
    'DATABASE',
    `the ledger cannot be written: ${describeError(cause)}. Mend that, then start again: nothing that was acknowledged is lost`,
    { cause },
  );
}
