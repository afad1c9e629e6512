/** Growing pauses between attempts: 0.25 s, 0.5 s, … up to 15 s. */
import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_MS = 250;
const LONGEST_MS = 15_000;

/** Yields the number of each attempt, the first at once; ends when `signal` aborts. */
export async function* backOff(signal: AbortSignal): AsyncGenerator<number> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    yield attempt;
    const pause = Math.min(FIRST_MS * 2 ** attempt, LONGEST_MS);
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
}
