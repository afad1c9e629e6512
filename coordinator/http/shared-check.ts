/** A check that anybody may ask for, and that costs something: one answer serves all who ask within a moment. */

/** A balancer asks every few seconds; more often than that nobody learns anything new. */
const GOOD_FOR_MS = 1000;

/** @param check rejects when something is wrong */
export function sharedCheck(check: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> | undefined;
  return () => {
    if (last === undefined) {
      last = check();
      const forget = (): void => void setTimeout(() => (last = undefined), GOOD_FOR_MS).unref();
      last.then(forget, forget);
    }
    return last;
  };
}
