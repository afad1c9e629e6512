/** Whether the coordinator can do its work: what it knows is stored, and the database takes more after it. */
import { assertGoesOn } from '#coordinator/journal/append-entries.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { EntryStore, Standing } from '#coordinator/store/entry-store.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Balancers give up after two seconds. */
const ANSWER_WITHIN_MS = 1500;

/** @returns rejects with a FederationError DATABASE that says what is wrong, within two seconds */
export function readiness(journal: Journal, entries: EntryStore): () => Promise<void> {
  /** One question at a time: each that hangs keeps a connection. */
  let asked: Promise<Standing> | undefined;

  async function check(): Promise<void> {
    await journal.stored();
    const { tail } = journal;
    const standing = await (asked ??= entries.standing().finally(() => (asked = undefined)));
    assertGoesOn(standing, tail);
    if (standing.isReadOnly)
      throw new FederationError(
        'DATABASE',
        'the database takes no writes: it is read-only, or a replica. Let it take writes, or let DATABASE_URL name the one that does',
      );
  }

  return async () => {
    let timer: NodeJS.Timeout | undefined;
    const impatience = new Promise<never>((_, reject) => {
      const error = new FederationError(
        'DATABASE',
        `the database has not answered for ${ANSWER_WITHIN_MS / 1000} seconds; see whether it is overloaded, locked or cut off`,
      );
      timer = setTimeout(() => reject(error), ANSWER_WITHIN_MS);
    });
    const checked = check();
    checked.catch(() => {}); // it may come after the answer
    try {
      await Promise.race([checked, impatience]);
    } finally {
      clearTimeout(timer);
    }
  };
}
